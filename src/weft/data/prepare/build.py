"""Cast, clean and number the rows of every table, and give each its effective time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import (
    ROW,
    TIME,
    Dtype,
    Finding,
    Fingerprints,
    Progress,
    Resources,
    Schema,
    Silent,
    Table,
    UserError,
)
from weft.data.engine import SCRATCH, engine_errors, fetch_row, open_duckdb, quote_name, quote_text
from weft.data.prepare import reports
from weft.data.prepare.casts import SQL_TYPE, Cast, make_cast, source_dtype
from weft.data.prepare.inheritance import circular_links, dated_links, preparation_order
from weft.data.prepare.keys import reconcile_keys
from weft.data.prepare.links import LinkCounts, count_links
from weft.data.prepare.times import InheritedTimes, inherit_times
from weft.data.prepare.values import check_keys, check_times, count_unread
from weft.data.snapshot import file_name
from weft.data.sources.source import batch_rows
from weft.data.sources.writer import ParquetSink
from weft.data.stream import FINGERPRINTS, STORAGE

_POSITION = "file_row_number"
_LOST = "lost_rows"


@dataclass(frozen=True)
class TableCounts:
    """Rows read and kept, and why the others were not: each row is counted once.

    Attributes:
        rows_read: Of the snapshot.
        rows_kept: In the prepared table.
        null_time: Without a value in the time column.
        null_key: Without a key.
        missing_parent: Without a time of their own, whose only parents with one are missing or dropped.
        no_parent: Without a time of their own or a parent to take one from, where nearly all have one.
        duplicate_key: With the key of an earlier row.
    """

    rows_read: int
    rows_kept: int
    null_time: int = 0
    null_key: int = 0
    missing_parent: int = 0
    no_parent: int = 0
    duplicate_key: int = 0


@dataclass(frozen=True)
class PreparedInfo:
    """What `prepare_tables` wrote.

    Attributes:
        schema: The schema given, with the dtypes that linked keys were reconciled to. Later stages
            read the tables with this one.
        files: Table → file in the directory.
        counts: Table → rows read, kept and dropped.
        links: Link name → keys, nulls and keys without a parent.
        findings: The same in words, for people.
    """

    schema: Schema
    files: dict[str, str]
    counts: dict[str, TableCounts]
    links: dict[str, LinkCounts]
    findings: tuple[Finding, ...]

    def paths(self, directory: Path) -> dict[str, Path]:
        """Return table name → Parquet file."""
        return {name: directory / file for name, file in self.files.items()}


@dataclass
class _Job:
    """One preparation under way."""

    engine: Any
    schema: Schema
    directory: Path
    views: dict[str, str]
    sources: dict[tuple[str, str], Dtype]
    utc: set[tuple[str, str]]
    stated: frozenset[tuple[str, str]] = frozenset()
    counts: dict[str, TableCounts] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def casts(self, table: str) -> dict[str, Cast]:
        """Return how each column of a table is read."""
        casts = {}
        for c in self.schema.table(table).columns:
            subject = table, c.name
            made = make_cast(table, c, self.sources[subject], is_utc=subject in self.utc)
            casts[c.name] = replace(made, is_stated=subject in self.stated)
        return casts


def prepare_tables(
    paths: Mapping[str, Path],
    schema: Schema,
    directory: Path,
    *,
    resources: Resources,
    stated_times: Collection[tuple[str, str]] = (),
    progress: Progress | None = None,
) -> PreparedInfo:
    """Write the prepared tables: see `weft.data.tables` for what they are.

    The same snapshot and schema give the same bytes, whatever the number of threads.

    Args:
        paths: Table → Parquet file of the snapshot.
        schema: What the columns mean; tables and columns it leaves out are not prepared.
        directory: Folder to write; made when missing.
        resources: Memory limit and threads.
        stated_times: Table and column of the times whose format the user named: values that do not fit
            it become null and are counted; times that name no zone are of the column's zone, or UTC.
        progress: Told tables done of all.

    Raises:
        UserError: ``DATA037`` … ``DATA040`` for values that are no times or vectors, ``DATA064`` for
            columns of which most values cannot be read, ``SCH010`` … ``SCH014`` for a schema that does
            not fit the snapshot.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with engine_errors("preparing the tables"), _engine(resources, directory / SCRATCH) as engine:
        job = replace(_open(engine, paths, schema, directory), stated=frozenset(stated_times))
        _prepare_all(job, progress or Silent())
        links = count_links(engine, job.schema, _prepared_paths(job))
    findings = (
        *job.findings,
        *reports.of_links(job.schema, links),
        *reports.of_circles(circular_links(job.schema)),
    )
    files = {t.name: file_name(t.name) for t in schema.tables}
    return PreparedInfo(job.schema, files, job.counts, links, findings)


@contextmanager
def _engine(resources: Resources, scratch: Path) -> Iterator[Any]:
    engine = open_duckdb(resources, scratch)
    try:
        yield engine
    finally:
        engine.close()
        shutil.rmtree(scratch, ignore_errors=True)


def _prepare_all(job: _Job, progress: Progress) -> None:
    order = preparation_order(job.schema)
    for done, name in enumerate(order):
        progress.update(done, len(order), name)
        _prepare_table(job, name)
    progress.update(len(order), len(order))


def _open(engine: Any, paths: Mapping[str, Path], schema: Schema, directory: Path) -> _Job:
    views: dict[str, str] = {}
    sources: dict[tuple[str, str], Dtype] = {}
    utc: set[tuple[str, str]] = set()
    for index, table in enumerate(schema.tables):
        if table.name not in paths:
            raise UserError(
                "SCH011",
                f"the snapshot has no table '{table.name}'.",
                f"choose among {', '.join(sorted(paths))}.",
            )
        stored = pq.read_schema(paths[table.name])
        _check_columns(table, stored)
        for field_ in stored:
            sources[table.name, field_.name] = source_dtype(field_.type)
            if b"tz=" in (field_.metadata or {}).get(b"weft:source_type", b""):
                utc.add((table.name, field_.name))
        views[table.name] = f"raw_{index}"
        source = quote_text(str(paths[table.name]))
        engine.execute(f"CREATE VIEW raw_{index} AS SELECT *, {_POSITION} FROM read_parquet({source})")
    _check_links(schema)
    schema, findings = reconcile_keys(engine, views, schema, sources)
    return _Job(engine, schema, directory, views, sources, utc, findings=list(findings))


def _check_columns(table: Table, stored: pa.Schema) -> None:
    wanted = {c.name: None for c in table.columns}
    named = [*table.primary_key, *(n for n in (table.time_column, table.end_time_column) if n)]
    held = set(stored.names)
    for name in (*wanted, *named):
        if name not in held or name not in wanted:
            raise UserError(
                "SCH012",
                f"table '{table.name}' has no column '{name}'.",
                f"choose among {', '.join(stored.names[:20])}.",
            )


def _check_links(schema: Schema) -> None:
    for link in schema.links:
        for table, columns in ((link.table, link.columns), (link.parent, link.parent_columns)):
            for column in columns:
                schema.table(table).column(column)
        if len(link.columns) != len(link.parent_columns):
            raise UserError(
                "SCH015",
                f"the link '{link.name}' compares {len(link.columns)} columns "
                f"with {len(link.parent_columns)}.",
                "name as many columns on both sides.",
            )


def _prepare_table(job: _Job, name: str) -> None:
    table, casts, view = job.schema.table(name), job.casts(name), job.views[name]
    check_times(job.engine, view, name, casts.values())
    check_keys(job.engine, view, table, job.schema, casts)
    job.findings += count_unread(job.engine, view, name, casts.values())
    keep = _keep_sql(table, casts)
    inherited = inherit_times(job.engine, view, name, casts, job.schema, _prepared_paths(job), keep)
    lost = _lost_rows(inherited)
    repeated = _repeated_rows(job, table, casts, lost)
    dropped = np.sort(np.concatenate([lost, repeated]))
    path = job.directory / file_name(name)
    kept = _write(job, table, casts, keep, dropped, None if inherited is None else inherited.times, path)
    job.counts[name] = _count(job, table, casts, kept, len(repeated), inherited)
    job.findings += reports.of_table(name, table, job.counts[name])
    if inherited is not None:
        links = dated_links(job.schema, name)
        job.findings += reports.of_times(name, links, job.counts[name], inherited)


def _lost_rows(inherited: InheritedTimes | None) -> np.ndarray[Any, Any]:
    if inherited is None:
        return np.empty(0, np.int64)
    return np.concatenate([inherited.missing_parent.positions, inherited.no_parent.positions])


def _keep_sql(table: Table, casts: Mapping[str, Cast]) -> str:
    needed = [*([table.time_column] if table.time_column else []), *table.primary_key]
    return " AND ".join(f"({casts[n].sql}) IS NOT NULL" for n in needed) or "true"


def _repeated_rows(
    job: _Job, table: Table, casts: Mapping[str, Cast], lost: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Return the positions of rows whose key an earlier row has that is not lost, ascending."""
    if not table.primary_key:
        return np.empty(0, np.int64)
    keys = ", ".join(f"{casts[c].sql} AS k{i}" for i, c in enumerate(table.primary_key))
    names = ", ".join(f"k{i}" for i in range(len(table.primary_key)))
    keep = _keep_sql(table, casts)
    if len(lost):
        job.engine.register(_LOST, pa.table({"p": lost}))
        keep = f"{keep} AND {_POSITION} NOT IN (SELECT p FROM {_LOST})"
    base = f"SELECT {keys}, {_POSITION} AS p FROM {job.views[table.name]} WHERE {keep}"
    # Only the repeated keys are joined back, so that a clean table costs one aggregation.
    found = job.engine.sql(
        f"WITH base AS ({base}), repeated AS ("
        f"SELECT {names}, min(p) AS first FROM base GROUP BY {names} HAVING count(*) > 1) "
        f"SELECT p FROM base JOIN repeated USING ({names}) WHERE p > first ORDER BY p"
    ).to_arrow_table()
    return np.asarray(found.column(0).to_numpy(), np.int64)


def _write(
    job: _Job,
    table: Table,
    casts: Mapping[str, Cast],
    keep: str,
    dropped: np.ndarray[Any, Any],
    times: pa.ChunkedArray | None,
    path: Path,
) -> int:
    fields = [pa.field(c.name, STORAGE[c.dtype]) for c in table.columns]
    schema = pa.schema(
        [*fields, pa.field(ROW, pa.int64(), nullable=False), pa.field(TIME, pa.timestamp("us"))]
    )
    sink = ParquetSink(path, schema)
    fingerprints = Fingerprints()
    num_read = num_kept = 0
    try:
        for batch, positions in _rows(job, table, casts, keep):
            inherited = None if times is None else times.slice(num_read, batch.num_rows).combine_chunks()
            num_read += batch.num_rows
            if len(dropped):
                chosen = pa.array(_is_kept(positions, dropped))
                batch = batch.filter(chosen)
                inherited = None if inherited is None else inherited.filter(chosen)
            finished = _finished(table, batch, inherited, num_kept, schema)
            sink.write(finished)
            fingerprints.add(finished.select([*(c.name for c in table.columns), TIME]))
            num_kept += batch.num_rows
        sink.annotate(FINGERPRINTS, json.dumps(fingerprints.digests()))
    except BaseException:
        sink.abandon()
        raise
    sink.close()
    return num_kept


def _is_kept(positions: np.ndarray[Any, Any], dropped: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Say of ascending positions which are not among those dropped, ascending too."""
    start, stop = np.searchsorted(dropped, [positions[0], positions[-1] + 1]) if len(positions) else (0, 0)
    return ~np.isin(positions, dropped[start:stop], assume_unique=True)


def _rows(
    job: _Job, table: Table, casts: Mapping[str, Cast], keep: str
) -> Iterator[tuple[pa.RecordBatch, np.ndarray[Any, Any]]]:
    chosen = ", ".join(
        f"CAST({casts[c.name].sql} AS {SQL_TYPE[c.dtype]}) AS {quote_name(c.name)}" for c in table.columns
    )
    query = f"SELECT {chosen}, {_POSITION} AS p FROM {job.views[table.name]} WHERE {keep}"
    reader = job.engine.sql(query).to_arrow_reader(batch_rows(len(table.columns)))
    last = -1
    for batch in reader:
        positions = batch.column(batch.num_columns - 1).to_numpy()
        assert not len(positions) or (positions[0] > last and (np.diff(positions) > 0).all()), table.name
        last = positions[-1] if len(positions) else last
        yield batch.select(range(batch.num_columns - 1)), positions


def _finished(
    table: Table,
    batch: pa.RecordBatch,
    inherited: pa.Array | None,
    first_row: int,
    schema: pa.Schema,
) -> pa.RecordBatch:
    arrays = [a.cast(f.type) for a, f in zip(batch.columns, schema, strict=False)]
    rows = pa.array(np.arange(first_row, first_row + batch.num_rows, dtype=np.int64))
    if table.time_column:
        time = arrays[[c.name for c in table.columns].index(table.time_column)]
    elif inherited is not None:
        time = inherited
    else:
        time = pa.nulls(batch.num_rows, pa.timestamp("us"))
    return pa.RecordBatch.from_arrays([*arrays, rows, time], schema=schema)


def _count(
    job: _Job,
    table: Table,
    casts: Mapping[str, Cast],
    kept: int,
    repeated: int,
    inherited: InheritedTimes | None,
) -> TableCounts:
    time = f"({casts[table.time_column].sql}) IS NULL" if table.time_column else "false"
    key = " OR ".join(f"({casts[c].sql}) IS NULL" for c in table.primary_key) or "false"
    rows, null_time, null_key = fetch_row(
        job.engine,
        f"SELECT count(*), count(*) FILTER ({time}), count(*) FILTER (NOT ({time}) AND ({key})) "
        f"FROM {job.views[table.name]}",
    )
    missing = len(inherited.missing_parent.positions) if inherited else 0
    absent = len(inherited.no_parent.positions) if inherited else 0
    counts = TableCounts(rows, kept, null_time, null_key, missing, absent, repeated)
    assert rows == kept + null_time + null_key + missing + absent + repeated, (table.name, counts)
    return counts


def _prepared_paths(job: _Job) -> dict[str, Path]:
    return {t.name: job.directory / file_name(t.name) for t in job.schema.tables}
