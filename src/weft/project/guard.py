"""Nothing that a run makes is written over, or among, the tables that it read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from weft.core import UserError
from weft.data import url_path
from weft.project.reproduction import FRAMES, public_place
from weft.project.settings import FILE_NAME, read_settings, resolve_source

_POSTGRES = ("postgresql://", "postgres://")


def refuse_source(target: str, table: str, place: str, tables: Iterable[str]) -> None:
    """Refuse a target that is a table of the source, or would become one.

    Args:
        target: Path or URL to write to.
        table: Table to write, where the target is a database.
        place: Where the tables came from, as a run keeps it.
        tables: Names of the tables that were read.

    Raises:
        UserError: ``DATA130``.
    """
    if place == FRAMES:
        return
    source = resolve_place(place)
    is_named = table in (taken := set(tables)) or table.rpartition(".")[2] in taken
    if target.startswith(_POSTGRES) or source.startswith(_POSTGRES):
        is_hit = is_named and public_place(target) == public_place(source)
    else:
        path, read = _local(target), _local(source)
        is_hit = (is_named and path == read) or (read.is_dir() and path.parent == read)
    if is_hit:
        raise UserError(
            "DATA130",
            f"'{public_place(target)}' is, or would become, one of the tables that are predicted from.",
            "write to another folder, or to a table of another name.",
        )


def resolve_place(place: str) -> str:
    """Return the source itself where ``place`` is a project folder."""
    folder = Path(place)
    return resolve_source(read_settings(folder), folder) if (folder / FILE_NAME).exists() else place


def _local(place: str) -> Path:
    _, _, rest = place.partition("://")
    return (url_path(rest) if rest else Path(place).expanduser()).resolve()
