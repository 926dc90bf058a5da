"""Newer tables for a finished run: read as the run read its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.compile import TablesSpec, hold_source
from weft.core import UserError, to_plain
from weft.data import connect
from weft.project.datasets import open_named
from weft.project.guard import resolve_place

if TYPE_CHECKING:
    from weft.project.run import Run


def read_newer(run: Run, source: str | Path | Mapping[str, Any]) -> TablesSpec:
    """Connect a source that holds the tables of ``run`` as they are now.

    Args:
        run: Its schema stands: nothing is inferred anew.
        source: A folder, file, URL or project folder; or frames by name of the table.

    Raises:
        UserError: ``DATA133`` when a table of the run is not there.
    """
    made = connect(dict(source) if isinstance(source, Mapping) else _path(run, str(source)))
    snapshot = next(node for node in run.plan.nodes if node.name == "snapshot")
    fingerprints = made.fingerprints(run.project.resources)
    lacking = sorted(set(snapshot.digests) - set(fingerprints))
    if lacking:
        raise UserError(
            "DATA133",
            f"the run read a table '{lacking[0]}', which is not among {', '.join(sorted(fingerprints))}.",
            "give a source with the same tables.",
        )
    return TablesSpec(
        source=hold_source(made, fingerprints),
        fingerprints=fingerprints,
        declared=to_plain(made.declared),
        derived=snapshot.parameters["derived"],
    )


def _path(run: Run, source: str) -> str | Path:
    place = resolve_place(source)
    found = open_named(place, run.project)
    return place if found is None else found.path
