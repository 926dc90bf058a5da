"""Which columns hold RelBench's numbered keys."""

from __future__ import annotations

from dataclasses import dataclass

from weft.core import Link, Schema, Table


@dataclass(frozen=True)
class ForeignColumn:
    """A column that holds the row numbers of a link's parent."""

    link: Link
    column: str


@dataclass(frozen=True)
class Layout:
    """Where numbers stand.

    Attributes:
        keys: Table → its numbered key column.
        times: Table → the time column by which its rows are sorted.
        foreign: The columns of all links that can be written.
    """

    keys: dict[str, str]
    times: dict[str, str]
    foreign: tuple[ForeignColumn, ...]

    def numbered(self, table: str) -> set[str]:
        """Return the columns of a table that hold numbers instead of their own values."""
        found = {f.column for f in self.foreign if f.link.table == table}
        return found | ({self.keys[table]} if table in self.keys else set())


def lay_out(schema: Schema) -> Layout:
    """Choose the columns: the key's and the link's own where each is one column and not taken."""
    names = {t.name: {c.name.casefold() for c in t.columns} for t in schema.tables}
    keys = {t.name: _key_column(t, names[t.name]) for t in schema.tables if t.primary_key}
    taken = {(t, k) for t, k in keys.items()}
    foreign = []
    for link in sorted(schema.links):
        parent = schema.table(link.parent)
        if link.parent_columns != parent.primary_key:
            continue
        column = link.columns[0]
        if len(link.columns) > 1 or (link.table, column) in taken:
            column = _free(f"{'_'.join(link.columns)}_{link.parent}", names[link.table])
        taken.add((link.table, column))
        foreign.append(ForeignColumn(link, column))
    times = {t.name: t.time_column for t in schema.tables if t.time_column}
    return Layout(keys, times, tuple(foreign))


def _key_column(table: Table, names: set[str]) -> str:
    return table.primary_key[0] if len(table.primary_key) == 1 else _free(f"{table.name}_key", names)


def _free(wanted: str, names: set[str]) -> str:
    name, number = wanted, 2
    while name.casefold() in names:
        name, number = f"{wanted}_{number}", number + 1
    names.add(name.casefold())
    return name
