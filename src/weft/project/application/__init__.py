"""Applications: a project's own tasks and flows, built into an artifact and run as jobs."""

from weft.compile.application import json_schema, parse_assignments
from weft.project.application.application import Application, Build
from weft.project.application.controller import serve_jobs
from weft.project.application.creation import TEMPLATES, create_project
from weft.project.application.job import Job
from weft.project.application.jobs import find_job, follow_logs, job_logs
from weft.project.application.stopping import stop_job
from weft.project.application.submission import pause_job, resume_job, wait_for_job

__all__ = [
    "TEMPLATES",
    "Application",
    "Build",
    "Job",
    "create_project",
    "find_job",
    "follow_logs",
    "job_logs",
    "json_schema",
    "parse_assignments",
    "pause_job",
    "resume_job",
    "serve_jobs",
    "stop_job",
    "wait_for_job",
]
