"""Old runs of a project, forgotten with all that they left: records, names in the store, logs."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import Any

from weft.core import UserError, to_plain
from weft.flow import Swept
from weft.hub import RunRecord, RunState
from weft.project.application.durable import engine_status, is_durable, open_engine
from weft.project.application.job import JOB
from weft.project.folder import ProjectFolder
from weft.project.views import View, nothing_kept


@dataclass(frozen=True)
class Forgotten:
    """Runs that were forgotten, and those that are old enough and stay.

    Attributes:
        runs: Names, the newest first.
        kept: Run → why it stays.
    """

    runs: tuple[str, ...]
    kept: dict[str, str]


def forget_runs(project: ProjectFolder, older_than_s: float, *, dry_run: bool = False) -> Forgotten:
    """Forget the runs that ended long ago; what they made goes with the next ``gc`` of the store.

    One stays that is not over, or that a version of a model, data set or application was registered from.
    Runs of other projects that share the hub are let be.

    Args:
        project: The project.
        older_than_s: Seconds since the run ended.
        dry_run: Only say which.
    """
    before_us = time.time_ns() // 1000 - int(older_than_s * 1e6)
    versions = project.hub.search(all_versions=True, deprecated=True)
    made = {v.run_id: f"{v.name}:{v.version} is registered from it" for v in versions}
    runs, kept = [], {}
    for record in project.hub.list_runs():
        if (record.ended_us or record.created_us) >= before_us or not _is_here(project, record):
            continue
        if why := _why_it_goes_on(project, record) or made.get(record.id):
            kept[record.name] = why
            continue
        runs.append(record.name)
        if not dry_run:
            _forget(project, record)
    return Forgotten(tuple(runs), kept)


def collect_garbage(
    project: ProjectFolder, *, runs_older_than_s: float | None = None, dry_run: bool = False
) -> View:
    """Remove from the store what nothing reaches, or say what would be removed; old runs first, if asked."""
    if project.is_unused:
        return nothing_kept(project, to_plain(Swept(0, 0, 0, 0, 0, dry_run)))
    verb = "would be removed" if dry_run else "removed"
    lines: list[str] = []
    plain: dict[str, Any] = {}
    if runs_older_than_s is not None:
        gone = forget_runs(project, runs_older_than_s, dry_run=dry_run)
        plain = {"runs": list(gone.runs), "kept_runs": gone.kept}
        lines = [f"{len(gone.runs):,} runs {verb}" + (f": {', '.join(gone.runs)}." if gone.runs else ".")]
        lines += [f"{run} stays: {why}." for run, why in gone.kept.items()]
    swept = project.store.gc(dry_run=dry_run)
    lines.append(
        f"{swept.num_blobs:,} pieces of content ({swept.num_bytes / 1e6:,.1f} MB), {swept.num_refs:,} "
        f"forgotten results and {swept.num_leftovers:,} leftovers {verb}; {swept.num_kept:,} pieces stay."
    )
    return View("\n".join(lines), to_plain(swept) | plain)


def _is_here(project: ProjectFolder, record: RunRecord) -> bool:
    """Whether a run left anything in this project; others may share its hub."""
    names = project.store.list_ref_names(f"results/{record.name}")
    has_record = project.store.get_ref(f"runs/{record.name}") is not None
    return bool(names) or has_record or project.store.logs(record.name).exists()


def _why_it_goes_on(project: ProjectFolder, record: RunRecord) -> str:
    status = engine_status(project, record) if JOB in record.parameters else None
    if status is not None:
        return "" if status.state.is_over else f"it is {status.state.value}"
    return "it is running" if record.state is RunState.RUNNING else ""


def _forget(project: ProjectFolder, record: RunRecord) -> None:
    """Forget one run: its record last, so that who is killed in between finds it again."""
    if JOB in record.parameters and is_durable(record):
        with open_engine(project) as engine:
            try:
                engine.forget(record.name)
            except UserError as error:
                if error.code != "FLOW083":  # the engine never heard of it
                    raise
    shutil.rmtree(project.store.logs(record.name), ignore_errors=True)
    for name in project.store.list_ref_names(f"results/{record.name}"):
        project.store.delete_ref(name)
    project.hub.delete_run(record.id, store=project.store)
