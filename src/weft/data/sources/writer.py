"""Write the batches of a source as one Parquet file of canonical types.

The first pass takes each column's type from what has come so far. Should a later value not fit,
the rest of that pass only looks, and a second pass writes with types that hold every value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import Finding, Progress, Severity, Silent, UserError
from weft.data.sources import canonical
from weft.data.sources.batches import FlatColumn, Names, flatten
from weft.data.sources.canonical import Kind, Shape

ROW_GROUP_ROWS = 122_880
_CELLS = 2**25

Batches = Callable[[], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Written:
    """What `write_table` wrote."""

    num_rows: int
    kinds: dict[str, str]
    renamed: dict[str, str]
    findings: tuple[Finding, ...]


@dataclass
class _Survey:
    """What is known of the columns of one table."""

    table: str
    names: Names = field(default_factory=Names)
    shapes: dict[str, Shape] = field(default_factory=dict)
    sources: dict[str, set[str]] = field(default_factory=dict)
    lost_times: dict[str, int] = field(default_factory=dict)

    def add(self, columns: list[FlatColumn]) -> bool:
        """Take in one batch; return whether it changed what a column stores."""
        is_changed = False
        for column in columns:
            before = self.shapes.get(column.name)
            self.sources.setdefault(column.name, set()).add(_type_name(column))
            if before is not None and before.kind is Kind.TEXT:
                continue
            found = canonical.shape_of(column.values, is_untyped=column.is_untyped)
            after = found if before is None else canonical.join(before, found)
            self.shapes[column.name] = after
            is_changed |= before is None or before.kind is not after.kind
        return is_changed

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the snapshot, each field with the types it had in the source."""
        kept = {n: s for n, s in self.shapes.items() if s.kind is not Kind.DROPPED}
        return pa.schema(
            pa.field(n, canonical.STORAGE[s.kind], metadata={"weft:source_type": self._type(n)})
            for n, s in kept.items()
        )

    def _type(self, name: str) -> str:
        return " | ".join(sorted(self.sources[name]))

    def batch(self, columns: list[FlatColumn], num_rows: int, schema: pa.Schema) -> pa.RecordBatch:
        """Convert one batch to ``schema``; a column it lacks is null."""
        by_name = {c.name: c for c in columns}
        arrays = []
        for out in schema:
            column = by_name.get(out.name)
            if column is None:
                arrays.append(pa.nulls(num_rows, out.type))
                continue
            kind = self.shapes[out.name].kind
            array = canonical.convert(column.values, kind, is_untyped=column.is_untyped)
            if kind is Kind.TIME:
                lost = array.null_count - column.values.null_count
                self.lost_times[out.name] = self.lost_times.get(out.name, 0) + lost
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def write_table(
    open_batches: Batches, path: Path, *, table: str, progress: Progress | None = None
) -> Written:
    """Stream a table into ``path``; memory is bounded by a few batches.

    Args:
        open_batches: Starts reading the table from its first row. Called once or twice; yields at
            least one batch, which may be empty.
        path: The Parquet file to write.
        table: Name for messages.
        progress: Told the number of rows written.

    Raises:
        UserError: ``DATA027`` when the table has no columns that can be stored.
    """
    survey = _Survey(table)
    num_rows = _write_pass(open_batches, path, survey, progress or Silent())
    if num_rows is None:
        num_rows = _write_pass(open_batches, path, survey, progress or Silent())
    assert num_rows is not None, table
    stored = {Kind.NULL: Kind.TEXT, Kind.INSTANT: Kind.TIME}
    kept = {n: stored.get(s.kind, s.kind) for n, s in survey.shapes.items() if s.kind is not Kind.DROPPED}
    kinds = {name: kind.value for name, kind in kept.items()}
    return Written(num_rows, kinds, dict(survey.names.renamed), _findings(survey))


def _write_pass(open_batches: Batches, path: Path, survey: _Survey, progress: Progress) -> int | None:
    sink: ParquetSink | None = None
    is_known = bool(survey.shapes)
    survey.lost_times.clear()
    num_rows = 0
    try:
        for batch in open_batches():
            columns = flatten(batch, survey.names)
            is_changed = not is_known and survey.add(columns)
            if sink is None:
                sink = ParquetSink(path, _checked(survey))
            elif is_changed:
                sink.is_abandoned = True
            if sink.is_abandoned:
                continue
            _check_text(survey.table, columns)
            sink.write(survey.batch(columns, batch.num_rows, sink.schema))
            num_rows += batch.num_rows
            progress.update(num_rows, note=survey.table)
    except BaseException:
        if sink is not None:
            sink.abandon()
        raise
    assert sink is not None, f"{survey.table} yielded no batch"
    sink.close()
    return None if sink.is_abandoned else num_rows


def _checked(survey: _Survey) -> pa.Schema:
    schema = survey.schema
    if not len(schema):
        raise UserError(
            "DATA027",
            f"table '{survey.table}' has no column that can be stored.",
            "give it at least one column that is not binary, or leave the table out.",
        )
    return schema


def _check_text(table: str, columns: list[FlatColumn]) -> None:
    for column in columns:
        if not pa.types.is_string(column.values.type):
            continue
        try:
            column.values.validate(full=True)
        except pa.ArrowInvalid:
            raise UserError(
                "DATA047",
                f"{table}.{column.name} holds text that is not UTF-8.",
                "write the column again as UTF-8, or leave it out.",
            ) from None


class ParquetSink:
    """A Parquet file with row groups of a fixed size, whatever the batches."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self.is_abandoned = False
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", store_schema=True)
        self._rows_per_group = row_group_rows(len(schema))
        self._pending: list[pa.RecordBatch] = []
        self._num_pending = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Take in a batch; a row group is written when enough rows are there."""
        self._pending.append(batch)
        self._num_pending += batch.num_rows
        while self._num_pending >= self._rows_per_group:
            self._flush(self._rows_per_group)

    def _flush(self, num_rows: int) -> None:
        table = pa.Table.from_batches(self._pending, self.schema)
        self._writer.write_table(table.slice(0, num_rows).combine_chunks(), row_group_size=num_rows)
        self._pending = table.slice(num_rows).to_batches()
        self._num_pending -= num_rows

    def annotate(self, key: str, value: str) -> None:
        """Keep a text of one's own in the file, next to its schema."""
        self._writer.add_key_value_metadata({key: value})

    def close(self) -> None:
        """Write what is pending and end the file; an abandoned one is left as it is."""
        if self.is_abandoned:
            self.abandon()
            return
        if self._num_pending:
            self._flush(self._num_pending)
        self._writer.close()

    def abandon(self) -> None:
        """Let go of the file after an error, which closing would hide behind one of its own."""
        self.is_abandoned = True
        with suppress(OSError, pa.ArrowException):
            self._writer.close()


def row_group_rows(num_columns: int) -> int:
    """Return how many rows a row group holds, so that wide tables need no more memory."""
    return min(ROW_GROUP_ROWS, max(1024, _CELLS // max(num_columns, 1)))


def _type_name(column: FlatColumn) -> str:
    return "text file" if column.is_untyped else str(column.values.type)


def _findings(survey: _Survey) -> tuple[Finding, ...]:
    found = [
        _note(survey.table, "renamed_column", new, f"'{old}' is called '{new}' here.", "use that name.")
        for old, new in survey.names.renamed.items()
    ]
    for name in sorted(survey.names.flattened):
        words = "its fields are columns of their own."
        found.append(_note(survey.table, "flattened_struct", name, words, "use the new columns."))
    for name, number in survey.lost_times.items():
        if number and survey.sources[name] != {"text file"}:
            words = f"{number:,} times outside the years 1 to 9999 become null."
            found.append(_note(survey.table, "impossible_times", name, words, "mend them at the source."))
    for name, shape in survey.shapes.items():
        types = survey.sources[name] - {"null", "text file"}
        text = " and ".join(sorted(types))
        if shape.kind is Kind.DROPPED:
            words = f"{text} values cannot be stored."
            found.append(
                _note(survey.table, "dropped_binary", name, words, "extract features from it first.")
            )
        elif shape.kind is Kind.TEXT and types - {"string"}:
            words = f"{text} values are stored as text."
            found.append(_note(survey.table, "stored_as_text", name, words, "convert it at the source."))
    return tuple(found)


def _note(table: str, rule: str, column: str, evidence: str, advice: str) -> Finding:
    return Finding(rule, Severity.NOTE, table, (column,), evidence, advice)
