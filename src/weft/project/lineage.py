"""What a project remembers of where things came from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.core import digest_file
from weft.flow import Output, Plan
from weft.hub import Edge
from weft.project.datasets import open_named
from weft.project.guard import resolve_place
from weft.project.reproduction import public_place

if TYPE_CHECKING:
    from weft.project.folder import ProjectFolder

SNAPSHOT = "snapshot"
NEWER_SNAPSHOT = "newer_snapshot"


def keep_lineage(
    folder: ProjectFolder, run: str, plan: Plan, outputs: Mapping[str, Output], places: Mapping[str, Any]
) -> None:
    """Remember where the outputs of a plan came from, back to the tables.

    Args:
        folder: Of the project.
        run: Id of the run.
        plan: That was run.
        outputs: Of its nodes.
        places: Name of a node that took a snapshot → where its tables are.
    """
    folder.hub.record_lineage(run, plan, outputs)
    taken = {node.name: node.digests for node in plan.nodes if node.name in places}
    for name, tables in taken.items():
        folder.hub.add_edges(_edges(folder, run, tables, places[name]))


def keep_file(folder: ProjectFolder, run: str, path: str | Path, output: Output) -> str | None:
    """Remember that a file was written from an output; return its digest, ``None`` when it is no file."""
    written = Path(path)
    if "://" in str(path) or not written.is_file():
        return None
    digest = digest_file(written)
    folder.hub.add_edges([Edge(digest, output.digest, written.name, run)])
    return digest


def _edges(folder: ProjectFolder, run: str, tables: Mapping[str, str], place: Any) -> set[Edge]:
    """Return the steps from tables to the data set, or in words to the place, that they came from."""
    where = "data frames" if isinstance(place, Mapping) else resolve_place(str(place))
    found = open_named(where, folder)
    return {
        Edge(digest, found.digest if found else f"{public_place(where)}#{table}", f"table {table}", run)
        for table, digest in tables.items()
    }
