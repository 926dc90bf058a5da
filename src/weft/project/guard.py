"""Nothing that a run makes is written over, or among, the tables that it read."""

from __future__ import annotations

import os.path
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath

from weft.core import UserError
from weft.data import is_table_file, url_path
from weft.project.reproduction import FRAMES, public_place
from weft.project.settings import DATASET, FILE_NAME, read_settings, resolve_source

_POSTGRES = ("postgresql://", "postgres://")
_FILE_SCHEMES = ("", "duckdb", "file", "sqlite")


def refuse_source(target: str, table: str, places: Iterable[str], tables: Iterable[str]) -> None:
    """Refuse a target that is a table of a source, or would become one.

    Args:
        target: Path or URL to write to.
        table: Table to write, where the target is a database.
        places: Where the tables came from: paths, URLs, project folders.
        tables: Names of the tables that were read.

    Raises:
        UserError: ``DATA130``.
    """
    is_named = table in (taken := set(tables)) or table.rpartition(".")[2] in taken
    sources = (resolve_place(place) for place in places if place != FRAMES)
    if any(
        _is_hit(target, source, is_named=is_named) for source in sources if not source.startswith(DATASET)
    ):
        raise UserError(
            "DATA130",
            f"'{public_place(target)}' is, or would become, one of the tables that are predicted from.",
            "write outside the folder of the tables, or to a table of another name.",
        )


def resolve_place(place: str) -> str:
    """Return the source itself where ``place`` is a project folder."""
    folder = Path(place)
    return resolve_source(read_settings(folder), folder) if (folder / FILE_NAME).exists() else place


def absolute_place(place: str) -> str:
    """Write a place so that it means the same from any folder: a path from the root, a URL as it is."""
    is_file = place != FRAMES and not place.startswith(DATASET) and _scheme(place) in _FILE_SCHEMES
    return os.path.normpath(_local(place).absolute()) if is_file else place


def _is_hit(target: str, source: str, *, is_named: bool) -> bool:
    if target.startswith(_POSTGRES) or source.startswith(_POSTGRES):
        return is_named and public_place(target) == public_place(source)
    for path in _spellings(target):
        for read in _spellings(source):
            if path == read:
                return is_named
            if path.is_relative_to(read) and is_table_file(path.relative_to(read).as_posix()):
                return True
    return False


def _spellings(place: str) -> set[PurePath]:
    """Return a place as it is written and as links lead to it; behind a URL there are no links."""
    if _scheme(place) not in _FILE_SCHEMES:
        return {PurePosixPath(public_place(place))}
    path = _local(place)
    return {Path(os.path.normpath(path.absolute())), path.resolve()}


def _scheme(place: str) -> str:
    scheme, separator, _ = place.partition("://")
    return scheme if separator else ""


def _local(place: str) -> Path:
    _, _, rest = place.partition("://")
    return url_path(rest) if rest else Path(place).expanduser()
