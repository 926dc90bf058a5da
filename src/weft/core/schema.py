"""Tables, columns and links: what Weft knows about the shape of a database."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from weft.core.errors import UserError


class Stype(enum.StrEnum):
    """What the values of a column mean, whatever they are stored as."""

    NUMERICAL = "numerical"
    CATEGORICAL = "categorical"
    MULTICATEGORICAL = "multicategorical"
    TEXT = "text"
    TIMESTAMP = "timestamp"
    EMBEDDING = "embedding"
    ID = "id"


class Dtype(enum.StrEnum):
    """How a column is stored in the prepared tables."""

    INT = "int64"
    FLOAT = "float64"
    BOOL = "bool"
    STRING = "string"
    TIMESTAMP = "timestamp[us]"
    VECTOR = "list<float32>"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: As in the source.
        dtype: Storage in the prepared tables.
        stype: Meaning.
        time_format: How a timestamp is stored in the source where it is not a timestamp
            type: ``"iso"``, ``"epoch_s"``, ``"epoch_ms"``, ``"epoch_us"``, ``"epoch_ns"`` or a
            ``strptime`` pattern.
        time_zone: The zone of timestamps stored without one; ``None`` is UTC.
        separator: Between the values of a multicategorical text column.
        number_format: How the source's texts spell 1234.5 where numbers are not written plainly:
            ``"1.234,5"``, ``"1,234.5 $"``.
    """

    name: str
    dtype: Dtype
    stype: Stype
    time_format: str | None = None
    time_zone: str | None = None
    separator: str | None = None
    number_format: str | None = None


@dataclass(frozen=True)
class Table:
    """One table: its columns, and which of them are key, time and end time.

    An empty ``primary_key`` means the table has none. ``time_column`` is when a row came to
    be; ``end_time_column``, set only when the user says so, is when it ceased to be.
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    time_column: str | None = None
    end_time_column: str | None = None

    def __contains__(self, column: str) -> bool:
        return any(c.name == column for c in self.columns)

    def column(self, name: str) -> Column:
        """Return the column called ``name``."""
        for column in self.columns:
            if column.name == name:
                return column
        raise UserError(
            "SCH002",
            f"table '{self.name}' has no column '{name}'.",
            f"choose one of {', '.join(c.name for c in self.columns)}.",
        )


@dataclass(frozen=True, order=True)
class Link:
    """A foreign key: ``columns`` of ``table`` refer to ``parent_columns`` of ``parent``."""

    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """The link in words, ``orders.user_id -> users``; the name used everywhere."""
        left = self.columns[0] if len(self.columns) == 1 else f"[{', '.join(self.columns)}]"
        return f"{self.table}.{left} -> {self.parent}"


@dataclass(frozen=True)
class Schema:
    """All tables and links of a database."""

    tables: tuple[Table, ...]
    links: tuple[Link, ...] = field(default=())

    def __contains__(self, table: str) -> bool:
        return any(t.name == table for t in self.tables)

    def table(self, name: str) -> Table:
        """Return the table called ``name``."""
        for table in self.tables:
            if table.name == name:
                return table
        raise UserError(
            "SCH001",
            f"there is no table '{name}'.",
            f"choose one of {', '.join(t.name for t in self.tables)}.",
        )

    def links_from(self, table: str) -> tuple[Link, ...]:
        """Return the links whose foreign key is in ``table``, in order of name."""
        return tuple(sorted((k for k in self.links if k.table == table), key=lambda k: k.name))

    def links_to(self, table: str) -> tuple[Link, ...]:
        """Return the links that refer to ``table``, in order of name."""
        return tuple(sorted((k for k in self.links if k.parent == table), key=lambda k: k.name))

    def with_table(self, table: Table) -> Schema:
        """Return a copy in which ``table`` replaces the table of the same name."""
        kept = tuple(table if t.name == table.name else t for t in self.tables)
        return replace(self, tables=kept)
