"""Rows of a table joined to the rows that its foreign keys lead to.

Every column gets a short name of its own, so that no name of the user's meets another in a join.
Beside the columns of each path stands ``seen``: the newest time among the rows on it, from which on
all of them are there. A row of a table without a time has always been there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from weft.core import ROW, TIME, Link, to_datetime
from weft.data.labels.horizon import BEGIN_US
from weft.data.tables import Tables

Path = tuple[Link, ...]
Place = tuple[Path, str]

BEGIN = to_datetime(BEGIN_US).replace(tzinfo=None)


@dataclass(frozen=True)
class Gathered:
    """Rows with the columns asked for.

    Attributes:
        rows: Ibis table with ``__row``, ``__time``, the columns and the ``seen`` columns.
        name_by_place: Column name by path and source column.
        seen_by_path: Name of the ``seen`` column by path.
    """

    rows: Any
    name_by_place: dict[Place, str]
    seen_by_path: dict[Path, str]

    def column(self, path: Path, column: str) -> Any:
        """Return the column of the row that ``path`` leads to; null when there is no such row."""
        return self.rows[self.name_by_place[path, column]]


def gather(tables: Tables, table: str, places: Iterable[Place], paths: Iterable[Path] = ()) -> Gathered:
    """Join to each row of ``table`` the parents on all paths and select ``places``.

    A row without a match on a path stays, with nulls.
    """
    wanted = list(dict.fromkeys(places))
    prefixes = _prefixes([path for path, _ in wanted] + list(paths))
    names = _names(wanted, prefixes)
    base = tables.table(table)
    own = {name: base[column] for (path, column), name in names.items() if not path}
    rows = base.select(**{ROW: base[ROW], TIME: base[TIME]}, **own)
    seen: dict[Path, str] = {}
    for number, prefix in enumerate(prefixes):
        rows = _with_parent(tables, rows, prefix, names, number)
        seen[prefix] = f"s{number}"
        rows = _with_seen(rows, f"t{number}", seen.get(prefix[:-1]), seen[prefix])
    return Gathered(rows, names, seen)


def begin() -> Any:
    """Return the first instant there is, which stands for the time of what has always been there."""
    import ibis

    return ibis.literal(BEGIN, type="timestamp(6)")


def _with_parent(tables: Tables, rows: Any, prefix: Path, names: dict[Place, str], number: int) -> Any:
    link = prefix[-1]
    parent = tables.table(link.parent)
    taken = {name: parent[column] for (path, column), name in names.items() if path == prefix}
    right = parent.select(**taken, **{f"t{number}": parent[TIME]})
    keys = zip(link.columns, link.parent_columns, strict=True)
    matches = [rows[names[prefix[:-1], child]] == right[names[prefix, key]] for child, key in keys]
    return rows.left_join(right, matches)


def _with_seen(rows: Any, time: str, before: str | None, seen: str) -> Any:
    import ibis

    own = ibis.coalesce(rows[time], begin())
    return rows.mutate(**{seen: own if before is None else ibis.greatest(own, rows[before])})


def _prefixes(paths: list[Path]) -> list[Path]:
    found = {path[:length] for path in paths for length in range(1, len(path) + 1)}
    return sorted(found, key=lambda path: (len(path), path))


def _names(wanted: list[Place], prefixes: list[Path]) -> dict[Place, str]:
    places = list(wanted)
    for prefix in prefixes:
        places += [(prefix[:-1], column) for column in prefix[-1].columns]
        places += [(prefix, column) for column in prefix[-1].parent_columns]
    return {place: f"c{i}" for i, place in enumerate(dict.fromkeys(places))}
