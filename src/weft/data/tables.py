"""The prepared tables: clean, typed, with a row number and an effective time.

What every later stage of the data engine reads. Each table is one Parquet file with its own
columns, cast to their `Dtype`, and two more:

``__row``
    int64, 0 … n-1, the order of the snapshot. Never null.
``__time``
    timestamp[us] UTC, when the row came to be: its time column, or for a table without one the
    newest time among the parents it points to. Null throughout for a timeless table, and for rows
    that point to no parent with a time where that is usual.

Rows with a null time, a time that cannot be known, a null key, or a key seen before are no longer there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import TIME, Resources, Schema
from weft.data.engine import engine_errors, settle
from weft.data.stream import compute_fingerprints, stored_fingerprints, stream_batches


class Tables:
    """A handle on prepared tables: Ibis tables on a DuckDB that respects its limits.

    Args:
        schema: Of the tables.
        paths: Table name → Parquet file.
        resources: Memory limit and threads for the engine.
        scratch: Folder for spilling; made when missing.
    """

    def __init__(
        self, schema: Schema, paths: Mapping[str, Path], resources: Resources, scratch: Path
    ) -> None:
        self.schema = schema
        self.paths = dict(paths)
        self.resources = resources
        self.backend = open_engine(resources, scratch)

    def table(self, name: str) -> Any:
        """Return the prepared table as an Ibis table."""
        return self._tables(name)

    @functools.cache  # noqa: B019 - the handle lives as long as its engine
    def _tables(self, name: str) -> Any:
        self.schema.table(name)
        view = f"weft_{name}"
        path = str(self.paths[name]).replace("'", "''")
        # A cursor of its own session does not see the temporary view that read_parquet would make.
        self.backend.con.execute(
            f"CREATE OR REPLACE VIEW \"{view.replace(chr(34), chr(34) * 2)}\" AS FROM read_parquet('{path}')"
        )
        return self.backend.table(view)

    def newest_time_us(self, name: str) -> int | None:
        """Return the newest effective time of a table in microseconds, ``None`` if timeless."""
        newest = self.fetch(self.table(name).agg(newest=self.table(name)[TIME].max()))
        value: int | None = newest.column(0).cast("int64").to_pylist()[0]
        return value

    def fetch(self, expression: Any) -> pa.Table:
        """Run an Ibis table expression and return its rows as Arrow."""
        sql = self.backend.compile(expression)
        with engine_errors("reading the tables"):
            return self.backend.con.cursor().sql(sql).to_arrow_table()

    def write(self, expression: Any, path: Path) -> int:
        """Run an Ibis table expression into one zstd Parquet file; return the number of rows."""
        sql = self.backend.compile(expression)
        target = str(path).replace("'", "''")
        with engine_errors("reading the tables"):
            copied = self.backend.con.cursor().execute(
                f"COPY ({sql}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
            )
            return int(copied.fetchone()[0])

    def num_rows(self, table: str) -> int:
        """Return the number of rows of a table."""
        self.schema.table(table)
        with pq.ParquetFile(self.paths[table]) as file:
            return int(file.metadata.num_rows)

    def batches(self, table: str, columns: Sequence[str], *, start: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of the rows from ``start`` on, in order of `ROW`.

        Reads past the engine: one batch at a time, and no row group before ``start``.
        """
        return stream_batches(self.paths[table], self.schema.table(table), columns, start)

    def fingerprints(self, table: str) -> tuple[str, ...]:
        """Return a digest of each block of rows: as `prepare_tables` stored them, or computed now."""
        found = stored_fingerprints(self.paths[table])
        return compute_fingerprints(self.paths[table], self.schema.table(table)) if found is None else found

    def close(self) -> None:
        """Give the engine's memory and files back."""
        self.backend.disconnect()

    def __enter__(self) -> Tables:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_engine(resources: Resources, scratch: Path) -> Any:
    """Open an Ibis backend on an in-memory DuckDB with limits set and spilling allowed."""
    import ibis

    scratch.mkdir(parents=True, exist_ok=True)
    backend = ibis.duckdb.connect(
        threads=resources.threads,
        memory_limit=f"{resources.memory_bytes // 1_000_000}MB",
        temp_directory=str(scratch),
        preserve_insertion_order=False,
    )
    settle(backend.con)
    return backend
