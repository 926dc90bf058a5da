"""Statistics of columns in one pass per table: aggregates over all rows, shapes from a sample."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.data.numbers import number_expression, read_numbers
from weft.data.profile.formats import ZONE_PATTERN
from weft.data.profile.model import QUANTILE_RANKS, ColumnStatistics, Histogram, ValueCount
from weft.data.profile.overrides import Overrides
from weft.data.profile.raw import MAX_SAMPLED_CHARACTERS, Kind, RawTables
from weft.data.profile.reading import Reading, micros, read_column
from weft.data.profile.whole import measure_whole

_MAX_EXACT_CELLS = 20_000_000
_BATCH_COLUMNS = 64
_NUM_BINS = 20
_NUM_TOP = 10
_NUM_TEXTS = 1000


@dataclass(frozen=True)
class ColumnFacts:
    """What is known about a column: how it is read, its statistics, and a glance at its values.

    Attributes:
        is_whole: Every number is whole.
        unreadable: Values that are not null but cannot be read as times.
        zoned: Time texts that name their zone, among all rows.
        texts: Up to a thousand distinct sampled texts.
    """

    name: str
    reading: Reading
    statistics: ColumnStatistics
    is_whole: bool
    unreadable: int
    zoned: int
    texts: tuple[str, ...]

    @property
    def num_rows(self) -> int:
        """Rows of the table."""
        return self.statistics.count + self.statistics.nulls

    @property
    def is_time(self) -> bool:
        """Whether the values are times."""
        return self.reading.is_time

    @property
    def is_text(self) -> bool:
        """Whether the values are text, of numbers too, but not of times."""
        return self.reading.kind is Kind.TEXT and not self.reading.is_time

    @property
    def is_keylike(self) -> bool:
        """Whether the values could be keys: whole numbers or text without times."""
        if self.reading.is_time or self.reading.separator or not self.statistics.count:
            return False
        if self.reading.kind is Kind.FLOAT:
            return self.is_whole
        return self.reading.kind in (Kind.INT, Kind.TEXT) and self.reading.number_text != "float"


def measure_table(raw: RawTables, table: str, overrides: Overrides) -> dict[str, ColumnFacts]:
    """Measure every column of a table.

    Each batch of columns is read twice: a sample, to see how the values are to be read, and one
    aggregation over all rows, of those that the sample does not hold whole. Wide tables take several
    batches, so that memory stays bounded.
    """
    facts: dict[str, ColumnFacts] = {}
    for columns in _batches(raw, table):
        sample = raw.sample_columns(table, columns)
        readings = {
            c: read_column(c, raw.kinds(table)[c], sample.column(c), overrides.column(table, c))
            for c in columns
        }
        totals = _totals(raw, table, readings, sample)
        times = _sampled_times(raw, table, {c: r for c, r in readings.items() if r.is_time})
        for column in columns:
            found = totals[column]
            shape = _Shape(sample.column(column), times.get(column), raw.is_sampled(table))
            found |= {"rows": raw.num_rows(table), "storage": raw.storage(table, column)}
            if "distinct" not in found:
                found["distinct"] = _distinct(raw, table, column, sample.column(column), found)
            facts[column] = _combine(column, readings[column], found, shape)
    return facts


def _totals(
    raw: RawTables, table: str, readings: Mapping[str, Reading], sample: pa.Table
) -> dict[str, dict[str, Any]]:
    """Return what is found over all rows of each column."""
    totals: dict[str, dict[str, Any]] = {}
    if not raw.is_sampled(table):
        for column, reading in readings.items():
            found = measure_whole(sample.column(column), reading)
            if found is not None:
                totals[column] = found | {"exact": True}
    left = {c: r for c, r in readings.items() if c not in totals}
    named = _aggregate(raw, table, left) if left else {}
    for index, column in enumerate(left):
        start = f"{index}_"
        totals[column] = {n.removeprefix(start): v for n, v in named.items() if n.startswith(start)}
    return totals


@dataclass(frozen=True)
class _Shape:
    """The sampled values of a column, and for a time column their microseconds."""

    values: pa.ChunkedArray
    times: pa.ChunkedArray | None
    is_sampled: bool


def _batches(raw: RawTables, table: str) -> Iterator[list[str]]:
    columns = list(raw.kinds(table))
    for start in range(0, len(columns), _BATCH_COLUMNS):
        yield columns[start : start + _BATCH_COLUMNS]


def _sampled_times(raw: RawTables, table: str, readings: Mapping[str, Reading]) -> dict[str, pa.ChunkedArray]:
    if not readings:
        return {}
    source = raw.table(table, list(readings))
    expressions = {c: micros(source[c], r) for c, r in readings.items()}
    sample = raw.sample(table, source, expressions)
    return {c: sample.column(c) for c in expressions}


def _aggregate(raw: RawTables, table: str, readings: Mapping[str, Reading]) -> dict[str, Any]:
    source = raw.table(table, list(readings))
    is_whole = not raw.is_sampled(table)
    is_exact = is_whole or raw.num_rows(table) * len(readings) <= _MAX_EXACT_CELLS
    wanted: dict[str, Any] = {}
    for index, (column, reading) in enumerate(readings.items()):
        for name, expression in _aggregates(source[column], reading).items():
            wanted[f"{index}_{name}"] = expression
        if not is_whole and reading.kind not in (Kind.VECTOR, Kind.LIST):
            distinct = source[column].nunique() if is_exact else source[column].approx_nunique()
            wanted[f"{index}_distinct"] = distinct
    return raw.fetch_row(source.aggregate(**wanted)) | {f"{i}_exact": is_exact for i in range(len(readings))}


def _distinct(
    raw: RawTables, table: str, column: str, values: pa.ChunkedArray, found: Mapping[str, Any]
) -> int:
    """Count the distinct values of a sample that holds all rows; cheaper than in the query."""
    if raw.kinds(table)[column] in (Kind.VECTOR, Kind.LIST):
        return 0
    if (found.get("length_max") or 0) <= MAX_SAMPLED_CHARACTERS:
        return int(pc.count_distinct(values, mode="only_valid").as_py())
    return int(raw.fetch(raw.table(table, [column])[column].nunique().as_table()).column(0)[0].as_py())


def _aggregates(column: Any, reading: Reading) -> dict[str, Any]:
    wanted = {"count": column.count()}
    if reading.kind in (Kind.VECTOR, Kind.LIST):
        return wanted
    if reading.is_time:
        times = micros(column, reading)
        wanted |= {"read": times.count(), "min": times.min(), "max": times.max()}
        if reading.kind is Kind.TEXT:
            wanted["zoned"] = column.re_search(ZONE_PATTERN).sum()
        return wanted
    if reading.kind is Kind.TEXT:
        lengths = column.length()
        wanted |= {"length_mean": lengths.mean(), "length_max": lengths.max()}
    number = _number(column, reading)
    if number is not None:
        wanted |= {"min": number.min(), "max": number.max(), "mean": number.mean()}
        wanted["std"] = number.std(how="pop")
    if reading.kind is Kind.FLOAT:
        wanted["whole"] = ((column % 1 == 0) & (column.abs() < 2.0**53)).all()
    return wanted


def _number(column: Any, reading: Reading) -> Any | None:
    """Return the finite values as doubles, ``None`` when the column holds no numbers."""
    if reading.kind is Kind.FLOAT:
        return column.isinf().ifelse(None, column)
    if reading.kind in (Kind.INT, Kind.BOOL):
        return column.cast("float64")
    if reading.kind is Kind.TEXT and reading.number:
        return number_expression(column, reading.number.form)
    if reading.kind is Kind.TEXT and reading.number_text in ("int", "float"):
        return column.try_cast("float64")
    return None


def _combine(column: str, reading: Reading, found: Mapping[str, Any], shape: _Shape) -> ColumnFacts:
    count = int(found["count"])
    numbers = _sampled_numbers(reading, shape)
    statistics = ColumnStatistics(
        name=column,
        storage=found["storage"],
        count=count,
        nulls=int(found["rows"]) - count,
        distinct=min(count, int(found.get("distinct") or 0)),
        is_distinct_exact=bool(found["exact"]),
        is_sampled=shape.is_sampled,
        sampled_rows=len(shape.values),
        minimum=_float(found.get("min")),
        maximum=_float(found.get("max")),
        mean=_float(found.get("mean")),
        deviation=_float(found.get("std")),
        quantiles=_quantiles(numbers),
        histogram=_histogram(numbers),
        top_values=_top_values(reading, shape.values),
        length_mean=_float(found.get("length_mean")),
        length_max=found.get("length_max"),
    )
    return ColumnFacts(
        column,
        reading,
        statistics,
        bool(found.get("whole", reading.kind is Kind.INT)),
        count - int(found.get("read", count)),
        int(found.get("zoned") or 0),
        tuple(_some_texts(reading, shape.values)),
    )


def _float(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _sampled_numbers(reading: Reading, shape: _Shape) -> np.ndarray[Any, Any]:
    """Return the finite sampled numbers, of times their microseconds; empty for other columns."""
    if shape.times is not None:
        values = shape.times.drop_null()
    elif reading.kind in (Kind.INT, Kind.FLOAT):
        values = shape.values.drop_null()
    elif reading.kind is Kind.TEXT and reading.number_text == "float":
        form = reading.number.form if reading.number else None
        values = read_numbers(shape.values, form).drop_null()
    else:
        return np.empty(0)
    numbers = np.asarray(values.to_numpy(), dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def _quantiles(numbers: np.ndarray[Any, Any]) -> tuple[float, ...]:
    if not len(numbers):
        return ()
    return tuple(float(q) for q in np.quantile(numbers, QUANTILE_RANKS, method="inverted_cdf"))


def _histogram(numbers: np.ndarray[Any, Any]) -> Histogram | None:
    if not len(numbers):
        return None
    low, high = float(numbers.min()), float(numbers.max())
    if low == high:
        return Histogram((low, high), (len(numbers),))
    # Doubles too coarse for the range, or a range beyond them, have no even bins.
    if not np.isfinite(high - low) or max(abs(low), abs(high)) * 1e-14 > high - low:
        return None
    counts, edges = np.histogram(numbers, bins=_NUM_BINS, range=(low, high))
    return Histogram(tuple(map(float, edges)), tuple(map(int, counts)))


def _top_values(reading: Reading, values: pa.ChunkedArray) -> tuple[ValueCount, ...]:
    if reading.is_time or reading.kind in (Kind.VECTOR, Kind.LIST):
        return ()
    counted = pc.value_counts(values.drop_null())
    if not len(counted):
        return ()
    counts = counted.field("counts").to_numpy()
    # Stable, so that equal counts stay in the order of their first row.
    order = np.argsort(-counts, kind="stable")[:_NUM_TOP]
    names = counted.field("values")
    return tuple(ValueCount(_text(names[int(i)].as_py()), int(counts[i])) for i in order)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _some_texts(reading: Reading, values: pa.ChunkedArray) -> Sequence[str]:
    if reading.kind is not Kind.TEXT:
        return ()
    texts: Sequence[str] = pc.unique(values.drop_null())[:_NUM_TEXTS].to_pylist()
    return texts
