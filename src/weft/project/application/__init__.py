"""Applications: a project's own tasks and flows, built into an artifact and run as jobs."""

from weft.compile.application import json_schema, parse_assignments
from weft.project.application.application import Application, Build
from weft.project.application.controller import serve_jobs
from weft.project.application.creation import TEMPLATES, create_project
from weft.project.application.job import Job
from weft.project.application.jobs import find_job, follow_logs, job_logs, task_output
from weft.project.application.limits import limits_view, parse_uses, set_limit
from weft.project.application.scheduling import (
    What,
    When,
    add_schedule,
    change_schedule,
    schedule_view,
    schedules_view,
)
from weft.project.application.stopping import stop_job
from weft.project.application.submission import pause_job, resume_job, wait_for_job

__all__ = [
    "TEMPLATES",
    "Application",
    "Build",
    "Job",
    "What",
    "When",
    "add_schedule",
    "change_schedule",
    "create_project",
    "find_job",
    "follow_logs",
    "job_logs",
    "json_schema",
    "limits_view",
    "parse_assignments",
    "parse_uses",
    "pause_job",
    "resume_job",
    "schedule_view",
    "schedules_view",
    "serve_jobs",
    "set_limit",
    "stop_job",
    "task_output",
    "wait_for_job",
]
