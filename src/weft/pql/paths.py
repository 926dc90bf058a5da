"""Ways from one table to another along foreign keys, many to one."""

from __future__ import annotations

from collections.abc import Iterator

from weft.core import Link, Schema
from weft.pql.printer import format_column
from weft.pql.syntax import ColumnName

Path = tuple[Link, ...]
MAX_PATHS = 12


def find_paths(schema: Schema, table: str, goal: str) -> tuple[Path, ...]:
    """Return the ways from ``table`` to ``goal`` that come into question, twelve at most.

    Foreign keys of ``table`` itself that refer to ``goal`` come first: where there are any, nothing else is
    looked for. Otherwise all paths of several foreign keys that pass no table twice, shortest first.
    """
    own = tuple((link,) for link in schema.links_from(table) if link.parent == goal)
    if own or table == goal:
        return own
    useful = tables_below(schema, goal)
    found: list[Path] = []
    for path in _extend(schema, table, goal, (), useful):
        found.append(path)
        if len(found) >= MAX_PATHS:
            break
    return tuple(sorted(found, key=lambda p: (len(p), [k.name for k in p])))


def follow(schema: Schema, table: str, goal: str, columns: tuple[ColumnName, ...]) -> tuple[Path, ...]:
    """Return the paths whose links hold the named foreign key columns, one link for each column.

    Of several links that share a column, one whose only column it is comes before composite ones.
    """
    paths: list[Path] = [()]
    for name in columns:
        paths = [(*path, link) for path in paths for link in _links_of(schema, path, table, name)]
    ended = [p for p in paths if p[-1].parent == goal]
    exact = [p for p in ended if all(len(link.columns) == 1 for link in p)]
    return tuple(exact or ended)


def via_text(schema: Schema, path: Path) -> str:
    """Write the VIA that chooses ``path``."""
    return "VIA " + ", ".join(format_column(ColumnName(k.table, _naming_column(schema, k))) for k in path)


def tables_below(schema: Schema, goal: str) -> frozenset[str]:
    """Return ``goal`` and every table that leads to it by some path."""
    return _closure(schema, goal, lambda t: (k.table for k in schema.links if k.parent == t))


def tables_above(schema: Schema, table: str) -> frozenset[str]:
    """Return ``table`` and every table that its foreign keys lead to."""
    return _closure(schema, table, lambda t: (k.parent for k in schema.links if k.table == t))


def has_time(schema: Schema, table: str) -> bool:
    """Whether rows of ``table`` have a time: of their own, or of a parent they point to."""
    return any(schema.table(t).time_column for t in tables_above(schema, table))


def _closure(schema: Schema, table: str, step) -> frozenset[str]:  # type: ignore[no-untyped-def]
    seen, stack = {table}, [table]
    while stack:
        for other in step(stack.pop()):
            if other not in seen and other in schema:
                seen.add(other)
                stack.append(other)
    return frozenset(seen)


def _extend(schema: Schema, table: str, goal: str, path: Path, useful: frozenset[str]) -> Iterator[Path]:
    passed = {table, *(k.table for k in path)}
    for link in schema.links_from(table):
        if link.parent == goal:
            yield (*path, link)
        elif link.parent in useful and link.parent not in passed:
            yield from _extend(schema, link.parent, goal, (*path, link), useful)


def _links_of(schema: Schema, path: Path, table: str, name: ColumnName) -> list[Link]:
    here = path[-1].parent if path else table
    if name.table != here:
        return []
    return [link for link in schema.links_from(here) if name.column in link.columns]


def _naming_column(schema: Schema, link: Link) -> str:
    """Return the column of a link that the fewest other links hold."""
    others = [k for k in schema.links_from(link.table) if k != link]
    return min(link.columns, key=lambda c: sum(c in k.columns for k in others))
