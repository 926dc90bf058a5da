"""How a raw column is to be read: its storage, its time format, its separator; from a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Dtype, Stype
from weft.data.numbers import parse_number_format
from weft.data.profile import formats
from weft.data.profile.engine import at_zone, epoch_us, try_strptime
from weft.data.profile.numerals import NumberText, find_number_format, number_like, present_texts
from weft.data.profile.overrides import ColumnOverride
from weft.data.profile.raw import Kind

_STORAGE = {
    Kind.INT: Dtype.INT,
    Kind.FLOAT: Dtype.FLOAT,
    Kind.BOOL: Dtype.BOOL,
    Kind.TEXT: Dtype.STRING,
    Kind.TIME: Dtype.TIMESTAMP,
    Kind.VECTOR: Dtype.VECTOR,
    Kind.LIST: Dtype.STRING,
}
_NUM_TEXTS = 1000
_EPOCHS_US = {"epoch_s": 1_000_000.0, "epoch_ms": 1000.0, "epoch_us": 1.0, "epoch_ns": 0.001}


@dataclass(frozen=True)
class Reading:
    """How to read one column.

    Attributes:
        kind: Storage in the snapshot.
        dtype: Storage in the prepared tables.
        time_format: As in `weft.core.Column`.
        time_zone: As in `weft.core.Column`; only the user gives one.
        rival: A second pattern, of times or of numbers, that fits the sample as well.
        zones: Zones that the sampled texts name, ``""`` for none.
        separator: As in `weft.core.Column`; ``"json"`` and ``"<>"`` are special.
        number_text: ``"int"``, ``"digits"`` or ``"float"`` when text holds numbers.
        is_given: The user gave the time format.
        number: How texts spell numbers that are not plain.
    """

    kind: Kind
    dtype: Dtype
    time_format: str | None = None
    time_zone: str | None = None
    rival: str | None = None
    zones: tuple[str, ...] = ()
    separator: str | None = None
    number_text: str | None = None
    is_given: bool = False
    number: NumberText | None = None

    @property
    def is_time(self) -> bool:
        """Whether the values are times, however stored."""
        return self.dtype is Dtype.TIMESTAMP


def read_column(name: str, kind: Kind, sample: pa.ChunkedArray, said: ColumnOverride) -> Reading:
    """Decide how a column is read, from its name and a sample; what the user says comes first."""
    reading = Reading(kind, _STORAGE[kind])
    if said.number_format:
        reading = _given_numbers(reading, said.number_format)
    elif said.time_format:
        reading = replace(reading, dtype=Dtype.TIMESTAMP, time_format=said.time_format, is_given=True)
    elif said.dtype is None and (said.stype is None or said.stype.value == "timestamp"):
        reading = _sniff(name, reading, sample, is_list=said.separator is not None)
    elif kind is Kind.TEXT and _is_said_number(said):
        reading = _find_said_numbers(name, reading, _texts(sample))
    elif (
        said.separator is None and kind is Kind.TEXT and said.stype and said.stype.value == "multicategorical"
    ):
        reading = replace(reading, separator=formats.find_separator(_texts(sample), 0.0) or ",")
    if said.dtype:
        reading = replace(reading, dtype=said.dtype)
    if said.separator is not None:
        reading = replace(reading, separator=said.separator)
    return replace(reading, time_zone=said.time_zone)


def _is_said_number(said: ColumnOverride) -> bool:
    if said.stype is not None:
        return said.stype is Stype.NUMERICAL
    return said.dtype in (Dtype.INT, Dtype.FLOAT)


def _given_numbers(reading: Reading, said: str) -> Reading:
    form = parse_number_format(said)
    assert form is not None, said
    number = NumberText(form, 1.0, f"its values are read as '{form}', set by the user")
    return replace(reading, dtype=Dtype.FLOAT, number_text="float", number=number)


def _find_said_numbers(name: str, reading: Reading, texts: Sequence[str]) -> Reading:
    """Read a text column that the user calls a number by those of its texts that look like numbers."""
    some = number_like(texts)
    plain = formats.find_number_text(some)
    if plain in ("int", "digits") and len(some) == len(present_texts(texts)):
        return replace(reading, number_text=plain)
    number = None if plain else find_number_format(name, some)
    return replace(reading, dtype=Dtype.FLOAT, number_text="float", number=number)


def _sniff(name: str, reading: Reading, sample: pa.ChunkedArray, *, is_list: bool) -> Reading:
    if reading.kind is Kind.TEXT:
        return _sniff_text(name, reading, sample, is_list=is_list)
    if reading.kind in (Kind.INT, Kind.FLOAT):
        return _sniff_number(name, reading, sample)
    if reading.kind is Kind.LIST:
        return replace(reading, separator="json")
    return reading


def _sniff_number(name: str, reading: Reading, sample: pa.ChunkedArray) -> Reading:
    low, high = pc.min_max(sample).as_py().values()
    if low is None or low == high == 0:
        return reading
    unit = formats.find_epoch(name, low, high)
    if unit is None and reading.kind is Kind.INT:
        unit = formats.find_number_date(name, pc.unique(sample.drop_null())[:_NUM_TEXTS].to_pylist())
    return replace(reading, dtype=Dtype.TIMESTAMP, time_format=unit) if unit else reading


def _texts(sample: pa.ChunkedArray) -> Sequence[str]:
    """Return up to a thousand distinct texts of the sample, spread over it."""
    values = pc.unique(sample.drop_null())
    step = max(1, len(values) // _NUM_TEXTS)
    texts: Sequence[str] = values.take(pa.array(range(0, len(values), step), pa.int64()))[
        :_NUM_TEXTS
    ].to_pylist()
    return texts


def _sniff_text(name: str, reading: Reading, sample: pa.ChunkedArray, *, is_list: bool) -> Reading:
    texts = _texts(sample)
    number = formats.find_number_text(texts)
    if number:
        return _sniff_number_text(name, replace(reading, number_text=number), texts)
    found = formats.find_time_text(texts)
    if found:
        return replace(
            reading,
            dtype=Dtype.TIMESTAMP,
            time_format=found.time_format,
            rival=found.rival,
            zones=found.zones,
        )
    if formats.find_embedding_length(texts):
        return replace(reading, dtype=Dtype.VECTOR)
    if not is_list and find_number_format(name, texts):
        # A thousand texts agree; the others may tell what a mark means, or that it is none of a number.
        known = find_number_format(name, pc.unique(sample.drop_null()).to_pylist())
        if known:
            return replace(reading, dtype=Dtype.FLOAT, number_text="float", number=known, rival=known.rival)
    distinct_share = len(pc.unique(sample)) / max(1, len(sample) - sample.null_count)
    return replace(reading, separator=formats.find_separator(texts, distinct_share))


def _sniff_number_text(name: str, reading: Reading, texts: Sequence[str]) -> Reading:
    if reading.number_text == "float":
        return replace(reading, dtype=Dtype.FLOAT)
    numbers = [int(t) for t in texts]
    unit = formats.find_epoch(name, min(numbers), max(numbers)) if numbers else None
    if unit is None and all(len(t) in (6, 8) for t in texts):
        unit = formats.find_number_date(name, numbers) if reading.number_text == "int" else None
    return replace(reading, dtype=Dtype.TIMESTAMP, time_format=unit) if unit else reading


def micros(column: Any, reading: Reading) -> Any:
    """Return the expression for a time column's values as microseconds UTC, null where unreadable."""
    if reading.time_format in _EPOCHS_US:
        number = column.try_cast("float64") if reading.kind is Kind.TEXT else column
        return (number * _EPOCHS_US[reading.time_format]).round().cast("int64")
    if reading.kind is Kind.TIME:
        moment = column
    elif reading.time_format in (None, "iso"):
        # With a zone in the type, so that an offset in the text counts; without, DuckDB drops it.
        moment = column.cast("string").strip().try_cast("timestamp('UTC')")
    else:
        moment = try_strptime(column.cast("string").strip(), reading.time_format)
    if reading.time_zone:
        moment = at_zone(reading.time_zone, moment.cast("timestamp"))
    return epoch_us(moment)
