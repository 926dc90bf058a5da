"""The runs of a project, of queries and of flows, as one list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.core import to_plain
from weft.hub import RunRecord, RunState
from weft.project.application.durable import is_durable, open_engine
from weft.project.application.job import JOB
from weft.project.folder import ProjectFolder
from weft.project.view import text_table
from weft.project.views import View, nothing_of, second_of

_NO_JOBS = "No jobs yet. Start one with weft job run, or name the project's folder with --project."


def runs_view(folder: ProjectFolder) -> View:
    """List the runs of a project, newest first; submitted jobs are as their engine says."""
    records = () if folder.is_unused else folder.hub.list_runs()
    states = _states(folder, records)
    rows = []
    for record in records:
        best = record.results.get("winner", {})
        score = best.get("test")
        rows.append(
            [
                record.name,
                states[record.name],
                second_of(record.created_us),
                best.get("model", "–"),
                f"{best['metric']} {score:.4f}" if score is not None else "–",
                record.query or _flow(record.parameters.get("job", {})),
            ]
        )
    header = ["run", "state", "created", "best", "test", "query"]
    text = text_table(header, rows) if rows else nothing_of(folder, "runs")
    return View(text, {"runs": [to_plain(r) | {"state": states[r.name]} for r in records]})


def jobs_view(folder: ProjectFolder) -> View:
    """List the jobs of a project, newest first; submitted ones are as their engine says."""
    runs = () if folder.is_unused else folder.hub.list_runs()
    jobs = tuple(run for run in runs if JOB in run.parameters)
    states = _states(folder, jobs)
    rows = [[j.name, states[j.name], second_of(j.created_us), _flow(j.parameters[JOB])] for j in jobs]
    text = text_table(["job", "state", "created", "flow"], rows) if rows else _NO_JOBS
    return View(text, {"jobs": [to_plain(j) | {"state": states[j.name]} for j in jobs]})


def _states(folder: ProjectFolder, records: Sequence[RunRecord]) -> dict[str, str]:
    """Return how runs are: the hub cannot tell one that waits for a controller from one that is dead."""
    states = {r.name: r.state.value for r in records}
    unsure = {r.name for r in records if _may_be_open(r)}
    if unsure:
        with open_engine(folder) as engine:
            states |= {run.run: run.state.value for run in engine.list() if run.run in unsure}
    return states


def _may_be_open(record: RunRecord) -> bool:
    return JOB in record.parameters and is_durable(record) and record.state is not RunState.SUCCEEDED


def _flow(about: dict[str, Any]) -> str:
    return f"flow {about.get('flow', '')}" + (f", job {about['name']}" if about.get("name") else "")
