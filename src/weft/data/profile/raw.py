"""The raw tables of a snapshot as Ibis tables: canonical types, row numbers, samples."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import Resources
from weft.data.tables import open_engine

SAMPLE_ROWS = 50_000
MAX_SAMPLED_CHARACTERS = 400
_ROW = "__row_number"


class Kind(enum.StrEnum):
    """How the snapshot stores a column, as far as inference cares."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    TEXT = "text"
    TIME = "time"
    VECTOR = "vector"
    LIST = "list"


class RawTables:
    """A handle on the raw Parquet files of a snapshot.

    Args:
        paths: Table name → Parquet file.
        resources: Memory limit and threads for the engine.
        scratch: Folder for spilling.
    """

    def __init__(self, paths: Mapping[str, Path], resources: Resources, scratch: Path) -> None:
        self.paths = {name: Path(path) for name, path in paths.items()}
        self.backend = open_engine(resources, scratch)
        self._tables: dict[str, Any] = {}
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._storage: dict[str, dict[str, str]] = {}
        self._rows: dict[str, int] = {}
        for index, (name, path) in enumerate(self.paths.items()):
            self._open(index, name, path)

    def _open(self, index: int, name: str, path: Path) -> None:
        quoted = str(path).replace("'", "''")
        # Raw SQL: Ibis cannot ask for a Parquet file's row numbers, and its own views are
        # temporary, so that no cursor of another thread would see them.
        self.backend.con.execute(
            f"CREATE VIEW raw_{index} AS SELECT *, file_row_number AS {_ROW} FROM read_parquet('{quoted}')"
        )
        table = self.backend.table(f"raw_{index}")
        own = [c for c in table.columns if c != _ROW]
        self._kinds[name] = {c: _kind_of(table[c].type()) for c in own}
        self._storage[name] = {c: str(table[c].type()) for c in own}
        canonical = {c: _canonical(table[c], self._kinds[name][c]) for c in own}
        changed = {c: e for c, e in canonical.items() if e is not None}
        self._tables[name] = table.mutate(**changed) if changed else table
        self._rows[name] = pq.read_metadata(path).num_rows

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tables, in the order they were given."""
        return tuple(self.paths)

    def table(self, name: str) -> Any:
        """Return a table: its columns with canonical types, and a row number."""
        return self._tables[name]

    def row_number(self, name: str) -> Any:
        """Return the expression for the row numbers of a table, from 0."""
        return self._tables[name][_ROW]

    def kinds(self, name: str) -> dict[str, Kind]:
        """Return how each column of a table is stored."""
        return self._kinds[name]

    def storage(self, name: str, column: str) -> str:
        """Return the type of a column in the engine's words."""
        return self._storage[name][column]

    def num_rows(self, name: str) -> int:
        """Return the number of rows of a table."""
        return self._rows[name]

    def is_sampled(self, name: str) -> bool:
        """Tell whether `sample` returns fewer rows than the table has."""
        return self._rows[name] > SAMPLE_ROWS

    def sample(self, name: str, columns: Mapping[str, Any] | Sequence[str]) -> pa.Table:
        """Return columns or expressions over about `SAMPLE_ROWS` rows, the same at every call.

        Rows are picked by a multiplicative hash of their number (Knuth), which depends on nothing else.
        """
        table = self._tables[name]
        if not isinstance(columns, Mapping):
            columns = {c: self._shortened(name, c) for c in columns}
        picked = table.select(**columns, **{_ROW: table[_ROW]})
        if self.is_sampled(name):
            limit = int(SAMPLE_ROWS / self._rows[name] * 2**32)
            picked = picked.filter((picked[_ROW] * 2654435761) % 2**32 < limit)
        return self.fetch(picked.order_by(_ROW).drop(_ROW))

    def _shortened(self, name: str, column: str) -> Any:
        value = self._tables[name][column]
        is_text = self._kinds[name][column] is Kind.TEXT
        return value.substr(0, MAX_SAMPLED_CHARACTERS) if is_text else value

    def fetch(self, expression: Any) -> pa.Table:
        """Run an Ibis expression and return its rows as Arrow."""
        return self.backend.con.cursor().sql(self.backend.compile(expression)).to_arrow_table()

    def close(self) -> None:
        """Give the engine's memory and files back."""
        self.backend.disconnect()


def _kind_of(dtype: Any) -> Kind:
    if dtype.is_boolean():
        return Kind.BOOL
    if dtype.is_integer():
        return Kind.INT
    if dtype.is_floating() or dtype.is_decimal():
        return Kind.FLOAT
    if dtype.is_timestamp() or dtype.is_date():
        return Kind.TIME
    if dtype.is_array():
        return Kind.VECTOR if dtype.value_type.is_numeric() else Kind.LIST
    return Kind.TEXT


def _canonical(column: Any, kind: Kind) -> Any | None:
    """Return the column cast to the type that inference expects, ``None`` when it is already."""
    dtype = column.type()
    if kind is Kind.FLOAT:
        number = column.cast("float64")
        return (number.isnan()).ifelse(None, number)
    if kind is Kind.INT and not (dtype.is_int64()):
        return column.cast("int64") if not dtype.is_uint64() else column.try_cast("int64")
    if kind is Kind.TIME and (dtype.is_date() or dtype.timezone or dtype.scale not in (None, 6)):
        return column.cast("timestamp")
    if kind is Kind.TEXT and not dtype.is_string():
        return column.cast("string")
    return None
