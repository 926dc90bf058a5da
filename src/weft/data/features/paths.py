"""Which columns and rows of a schema are reached from an entity, by which paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from weft.core import Column, Dtype, Link, Schema, Stype
from weft.data.features.recipe import Move, Source

Excluded = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Reach:
    """Rows that features aggregate: where the keys come from, and the links down to the rows."""

    moves: tuple[Move, ...]
    downs: tuple[str, ...]
    table: str


@dataclass(frozen=True)
class Attribute:
    """A column that a row reaches, with its type."""

    source: Source
    dtype: Dtype
    stype: Stype
    table: str


class Graph:
    """The links that may be walked: those without an excluded column."""

    def __init__(self, schema: Schema, excluded: Excluded) -> None:
        self.schema = schema
        self.excluded = excluded
        kept = [k for k in schema.links if not any((k.table, c) in excluded for c in k.columns)]
        self.links: Mapping[str, Link] = {k.name: k for k in sorted(kept, key=lambda k: k.name)}

    def down(self, table: str) -> tuple[Link, ...]:
        """Return the links to the table's children."""
        return tuple(k for k in self.links.values() if k.parent == table)

    def up(self, table: str) -> tuple[Link, ...]:
        """Return the links to the table's parents."""
        return tuple(k for k in self.links.values() if k.table == table)

    def reaches(self, entity: str, max_hops: int) -> list[Reach]:
        """Return paths to rows, nearest first.

        Children; then children of parents, own or latest; then grandchildren; then children of the
        latest parents' parents are left to attributes.
        """
        found = [Reach((), (k.name,), k.table) for k in self.down(entity)]
        moves = [(Move(k.name),) for k in self.up(entity)]
        for child in self.down(entity):
            for other in self.up(child.table):
                if other.name != child.name and max_hops > 1:
                    moves.append((Move(other.name, child.name),))
        for move in moves:
            parent = self.links[move[-1].up].parent
            found += [Reach(move, (k.name,), k.table) for k in self.down(parent)]
        if max_hops > 1:
            for child in self.down(entity):
                found += [Reach((), (child.name, k.name), k.table) for k in self.down(child.table)]
        return found

    def attributes(self, table: str, *, skip: str | None, depth: int) -> list[Attribute]:
        """Return columns of a row and of its parents up to ``depth`` links away.

        Args:
            table: Of the row.
            skip: A link that is not walked: the one that leads back to where the row was reached from.
            depth: Links walked.
        """
        found = [Attribute(Source(c.name), c.dtype, c.stype, table) for c in self._columns(table)]
        frontier: list[tuple[tuple[str, ...], str]] = [((), table)]
        for _ in range(depth):
            further = []
            for ups, at in frontier:
                for link in self.up(at):
                    if link.name != skip and link.name not in ups:
                        further.append(((*ups, link.name), link.parent))
            for ups, at in further:
                found += [Attribute(Source(c.name, ups), c.dtype, c.stype, at) for c in self._columns(at)]
            frontier = further
        return found

    def _columns(self, table: str) -> list[Column]:
        known = self.schema.table(table)
        keys = {c for k in self.schema.links if k.table == table for c in k.columns}
        keys |= set(known.primary_key)
        return [
            c
            for c in known.columns
            if c.name not in keys and c.name != known.time_column and (table, c.name) not in self.excluded
        ]
