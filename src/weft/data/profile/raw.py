"""The raw tables of a snapshot as Ibis tables: canonical types, row numbers, samples."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weft.core import Resources
from weft.data.engine import quote_name
from weft.data.tables import open_engine

SAMPLE_ROWS = 50_000
MAX_SAMPLED_CHARACTERS = 400
ROW_NUMBER = "__row_number"
# Tables of up to so many columns are bound whole.
_NARROW = 64


class Kind(enum.StrEnum):
    """How the snapshot stores a column, as far as inference cares."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    TEXT = "text"
    TIME = "time"
    VECTOR = "vector"
    LIST = "list"


# Types that are read alike with and without the engine: how, and in the engine's words.
_PLAIN = {
    pa.int64(): (Kind.INT, "int64"),
    pa.float64(): (Kind.FLOAT, "float64"),
    pa.bool_(): (Kind.BOOL, "boolean"),
    pa.string(): (Kind.TEXT, "string"),
}


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
        self.backend.raw_sql("SET parquet_metadata_cache = true")
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._storage: dict[str, dict[str, str]] = {}
        self._rows: dict[str, int] = {}
        self._files: dict[str, pq.ParquetFile] = {}
        self._views: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._plain: dict[str, frozenset[str]] = {}
        for name, path in self.paths.items():
            self._look_at(name, path)

    def _look_at(self, name: str, path: Path) -> None:
        """Find the types of a table; the engine is asked for those that a snapshot does not write."""
        file = pq.read_metadata(path)
        self._rows[name] = file.num_rows
        fields = list(file.schema.to_arrow_schema())
        plain = {f.name: _PLAIN[f.type] for f in fields if f.type in _PLAIN}
        self._plain[name] = frozenset(plain)
        asked = self._asked(path, [f.name for f in fields if f.name not in plain])
        both = {f.name: plain.get(f.name) or asked[f.name] for f in fields}
        self._kinds[name] = {column: kind for column, (kind, _) in both.items()}
        self._storage[name] = {column: storage for column, (_, storage) in both.items()}

    def _asked(self, path: Path, columns: Sequence[str]) -> dict[str, tuple[Kind, str]]:
        if not columns:
            return {}
        listed = ", ".join(quote_name(c) for c in columns)
        self.backend.con.execute(
            f"CREATE VIEW whole AS SELECT {listed} FROM read_parquet('{_escaped(path)}')"
        )
        types = self.backend.table("whole").schema()
        self.backend.con.execute("DROP VIEW whole")
        return {c: (_kind_of(t), str(t)) for c, t in types.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tables, in the order they were given."""
        return tuple(self.paths)

    def table(self, name: str, columns: Sequence[str]) -> Any:
        """Return some columns of a table, cast to canonical types, and `ROW_NUMBER`.

        Only what is needed is bound: a query over all of 10,000 columns takes the engine seconds to plan.
        """
        if len(self._kinds[name]) <= _NARROW:
            columns = tuple(self._kinds[name])
        wanted = (name, tuple(columns))
        if wanted not in self._views:
            self._views[wanted] = self._make_view(name, wanted[1])
        return self._views[wanted]

    def _make_view(self, name: str, columns: tuple[str, ...]) -> Any:
        # Raw SQL: Ibis cannot ask for a Parquet file's row numbers, and its own views are
        # temporary, so that no cursor of another thread would see them.
        number = len(self._views)
        quoted = "".join('"' + c.replace('"', '""') + '", ' for c in columns)
        self.backend.con.execute(
            f"CREATE VIEW raw_{number} AS SELECT {quoted}file_row_number AS {ROW_NUMBER} "
            f"FROM read_parquet('{_escaped(self.paths[name])}')"
        )
        table = self.backend.table(f"raw_{number}")
        casts = {c: e for c in columns if (e := _canonical(table[c], self.kinds(name)[c])) is not None}
        if not casts:
            return table
        self.backend.con.execute(
            f"CREATE VIEW cast_{number} AS {self.backend.compile(table.mutate(**casts))}"
        )
        return self.backend.table(f"cast_{number}")

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

    def sample(self, name: str, source: Any, expressions: Mapping[str, Any]) -> pa.Table:
        """Return expressions over about `SAMPLE_ROWS` rows of ``source``, the same at every call.

        Rows are picked by a multiplicative hash of their number (Knuth), which depends on nothing else.
        """
        picked = source.select(**expressions, **{ROW_NUMBER: source[ROW_NUMBER]})
        if self.is_sampled(name):
            limit = int(SAMPLE_ROWS / self._rows[name] * 2**32)
            picked = picked.filter((picked[ROW_NUMBER] * 2654435761) % 2**32 < limit)
        return self.fetch(picked.order_by(ROW_NUMBER).drop(ROW_NUMBER))

    def sample_columns(self, name: str, columns: Sequence[str]) -> pa.Table:
        """Return a sample of columns, long texts cut short."""
        plain = [] if self.is_sampled(name) else [c for c in columns if c in self._plain[name]]
        rest = [c for c in columns if c not in plain]
        read = {c: _cut(v) for c, v in self._read(name, plain).items()}
        if rest:
            asked = self._ask_sample(name, rest)
            read |= {c: asked.column(c) for c in rest}
        return pa.table({c: read[c] for c in columns})

    def _read(self, name: str, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        """Read plain columns whole, without the engine."""
        if not columns:
            return {}
        if name not in self._files:
            self._files[name] = pq.ParquetFile(self.paths[name])
        found = self._files[name].read(columns)
        return {c: found.column(c) for c in columns}

    def _ask_sample(self, name: str, columns: Sequence[str]) -> pa.Table:
        source = self.table(name, columns)
        texts = {c for c in columns if self.kinds(name)[c] is Kind.TEXT}
        return self.sample(
            name,
            source,
            {c: source[c].substr(0, MAX_SAMPLED_CHARACTERS) if c in texts else source[c] for c in columns},
        )

    def fetch(self, expression: Any) -> pa.Table:
        """Run an Ibis expression and return its rows as Arrow."""
        return self.backend.con.cursor().sql(self.backend.compile(expression)).to_arrow_table()

    def fetch_row(self, expression: Any) -> dict[str, Any]:
        """Run an Ibis expression of one row; planned once, where `fetch` plans it twice."""
        done = self.backend.con.cursor().execute(self.backend.compile(expression))
        return dict(zip((d[0] for d in done.description), done.fetchone(), strict=True))

    def close(self) -> None:
        """Give the engine's memory and files back."""
        for file in self._files.values():
            file.close()
        self.backend.disconnect()


def _cut(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cut long texts short, and read what is not a number as missing, as the engine does."""
    if pa.types.is_string(values.type):
        return pc.utf8_slice_codeunits(values, 0, MAX_SAMPLED_CHARACTERS)
    if pa.types.is_floating(values.type):
        return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return values


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")


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
