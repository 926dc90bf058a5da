"""SQL that reads the values of a snapshot's column as its `Dtype`."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from weft.core import Column, Dtype, UserError
from weft.data.engine import quote_name, quote_text
from weft.data.numbers import NumberFormat, number_sql, parse_number_format
from weft.data.sources.literals import MISSING

SQL_TYPE = {
    Dtype.INT: "BIGINT",
    Dtype.FLOAT: "DOUBLE",
    Dtype.BOOL: "BOOLEAN",
    Dtype.STRING: "VARCHAR",
    Dtype.TIMESTAMP: "TIMESTAMP",
    Dtype.VECTOR: "FLOAT[]",
}
_EPOCH_US = {"epoch_s": 1e6, "epoch_ms": 1e3, "epoch_us": 1.0, "epoch_ns": 1e-3}
_CLOCK_ZONE = r":\d{2}(\.\d+)?\s?(Z|z|UTC|GMT|[+-]\d{2}(:?\d{2})?)$"
_WHOLE = r"[+-]?\d+(\.0*)?"


@dataclass(frozen=True)
class Cast:
    """How one column is read.

    Attributes:
        column: What it becomes.
        source: Type in the snapshot: a `Dtype`.
        sql: Expression over the snapshot's table.
        given: Expression that is true where there is a value to read, for casts that may fail on
            one; ``None`` for casts that cannot fail.
        zoned: For times in text, an expression that is true where the text names its zone.
        is_stated: The user named the format of the times: what does not fit it is missing.
    """

    column: Column
    source: Dtype
    sql: str
    given: str | None = None
    zoned: str | None = None
    is_stated: bool = False

    @property
    def failed(self) -> str | None:
        """Expression that is true where a value could not be read."""
        return None if self.given is None else f"({self.given}) AND ({self.sql}) IS NULL"


def source_dtype(kind: pa.DataType) -> Dtype:
    """Return how the snapshot stores a column."""
    if pa.types.is_boolean(kind):
        return Dtype.BOOL
    if pa.types.is_integer(kind):
        return Dtype.INT
    if pa.types.is_floating(kind):
        return Dtype.FLOAT
    if pa.types.is_temporal(kind):
        return Dtype.TIMESTAMP
    return Dtype.VECTOR if pa.types.is_list(kind) else Dtype.STRING


def make_cast(table: str, column: Column, source: Dtype, *, is_utc: bool = False) -> Cast:
    """Return how to read ``column``, stored as ``source``.

    Args:
        table: Its table, for messages.
        column: With the dtype wanted.
        source: How the snapshot stores it.
        is_utc: The source's times had a zone, so that they are UTC now whatever ``time_zone`` says.

    Raises:
        UserError: ``SCH013`` when values of one kind never are of the other.
    """
    name = quote_name(column.name)
    if column.dtype is Dtype.TIMESTAMP:
        return _time_cast(table, column, source, name, is_utc=is_utc)
    form = column.number_format and parse_number_format(column.number_format)
    if form and source is Dtype.STRING and column.dtype in (Dtype.INT, Dtype.FLOAT):
        return Cast(column, source, _number_sql(name, form, column.dtype), _given(name, source))
    makers = {
        Dtype.INT: _int_sql,
        Dtype.FLOAT: _float_sql,
        Dtype.BOOL: _bool_sql,
        Dtype.STRING: _string_sql,
        Dtype.VECTOR: _vector_sql,
    }
    sql = makers[column.dtype](name, source)
    if sql is None:
        raise _impossible(table, column, source)
    if sql == name or column.dtype is Dtype.STRING:
        return Cast(column, source, sql)
    return Cast(column, source, sql, _given(name, source))


def _impossible(table: str, column: Column, source: Dtype) -> UserError:
    return UserError(
        "SCH013",
        f"{table}.{column.name} holds {source.value} and cannot be read as {column.dtype.value}.",
        "choose another type for it.",
    )


def _given(name: str, source: Dtype) -> str:
    if source is not Dtype.STRING:
        return f"{name} IS NOT NULL"
    missing = ", ".join(quote_text(word) for word in MISSING.to_pylist())
    return f"{name} IS NOT NULL AND trim({name}) NOT IN ({missing})"


def _int_sql(name: str, source: Dtype) -> str | None:
    text = f"trim({name})"
    return {
        Dtype.INT: name,
        Dtype.BOOL: f"CAST({name} AS BIGINT)",
        Dtype.FLOAT: f"CASE WHEN {name} = trunc({name}) THEN TRY_CAST({name} AS BIGINT) END",
        Dtype.STRING: f"CASE WHEN regexp_full_match({text}, '{_WHOLE}') THEN TRY_CAST({text} AS BIGINT) END",
    }.get(source)


def _float_sql(name: str, source: Dtype) -> str | None:
    text = f"TRY_CAST(trim({name}) AS DOUBLE)"
    return {
        Dtype.FLOAT: name,
        Dtype.INT: f"CAST({name} AS DOUBLE)",
        Dtype.BOOL: f"CAST({name} AS DOUBLE)",
        Dtype.STRING: f"CASE WHEN NOT isnan({text}) THEN {text} END",
    }.get(source)


def _number_sql(name: str, form: NumberFormat, dtype: Dtype) -> str:
    number = number_sql(name, form)
    if dtype is Dtype.FLOAT:
        return number
    return f"CASE WHEN ({number}) = trunc({number}) THEN TRY_CAST(({number}) AS BIGINT) END"


def _bool_sql(name: str, source: Dtype) -> str | None:
    number = f"CASE {name} WHEN 0 THEN false WHEN 1 THEN true END"
    word = f"lower(trim({name}))"
    return {
        Dtype.BOOL: name,
        Dtype.INT: number,
        Dtype.FLOAT: number,
        Dtype.STRING: f"CASE WHEN {word} IN ('true', 't', 'yes', 'y', '1') THEN true "
        f"WHEN {word} IN ('false', 'f', 'no', 'n', '0') THEN false END",
    }.get(source)


def _string_sql(name: str, source: Dtype) -> str | None:
    if source is Dtype.STRING:
        return name
    if source is Dtype.FLOAT:
        # 7.0 is the id 7: a column of whole numbers with nulls is often stored as fractions.
        return (
            f"CASE WHEN {name} = trunc({name}) AND abs({name}) < 9e15 "
            f"THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) ELSE CAST({name} AS VARCHAR) END"
        )
    return f"CAST({name} AS VARCHAR)"


def _vector_sql(name: str, source: Dtype) -> str | None:
    return {Dtype.VECTOR: name, Dtype.STRING: f"TRY_CAST({name} AS FLOAT[])"}.get(source)


def _time_cast(table: str, column: Column, source: Dtype, name: str, *, is_utc: bool) -> Cast:
    form = column.time_format
    if source is Dtype.TIMESTAMP:
        sql = name if is_utc else _from_zone(name, column.time_zone)
        return Cast(column, source, sql)
    if source in (Dtype.INT, Dtype.FLOAT, Dtype.STRING) and form in _EPOCH_US:
        return Cast(column, source, _epoch_sql(name, source, _EPOCH_US[form]), _given(name, source))
    if source is Dtype.STRING and form in (None, "iso"):
        return _iso_cast(column, name)
    if source in (Dtype.INT, Dtype.STRING) and form not in (None, "iso"):
        return _pattern_cast(column, source, name, str(form))
    raise _impossible(table, column, source)


def _from_zone(sql: str, zone: str | None) -> str:
    return sql if zone in (None, "UTC") else f"timezone('UTC', timezone({quote_text(str(zone))}, {sql}))"


def _epoch_sql(name: str, source: Dtype, factor: float) -> str:
    if source is Dtype.INT and factor >= 1:
        ticks = f"CAST({name} AS HUGEINT) * {int(factor)}"
    elif source is Dtype.INT:
        ticks = f"CAST({name} // 1000 AS HUGEINT)"
    else:
        number = f"TRY_CAST({name} AS DOUBLE)"
        ticks = f"TRY_CAST(round({number} * {factor}) AS HUGEINT)"
    # The years 1 to 9999, outside which no library agrees on what a time is.
    is_inside = f"{ticks} BETWEEN -62135596800000000 AND 253402300799999999"
    return f"CASE WHEN {is_inside} THEN make_timestamp(CAST({ticks} AS BIGINT)) END"


def _iso_cast(column: Column, name: str) -> Cast:
    text = f"replace(trim({name}), ',', '.')"
    zoned = f"regexp_matches(trim({name}), '{_CLOCK_ZONE}')"
    tight = rf"regexp_replace({text}, '\s+(Z|z|UTC|GMT|[+-]\d{{2}}(:?\d{{2}})?)$', '\1')"
    tight = f"replace(replace(replace({tight}, 'UTC', 'Z'), 'GMT', 'Z'), 'z', 'Z')"
    naive = _from_zone(f"TRY_CAST({text} AS TIMESTAMP)", column.time_zone)
    sql = (
        rf"CASE WHEN NOT regexp_matches(trim({name}), '^\d{{1,4}}-\d') THEN NULL "
        f"WHEN {zoned} THEN CAST(TRY_CAST({tight} AS TIMESTAMPTZ) AS TIMESTAMP) ELSE {naive} END"
    )
    has_clock = f"contains({name}, ':')"
    only_named = zoned if column.time_zone is None else None
    given = _given(name, Dtype.STRING)
    return Cast(
        column, Dtype.STRING, sql, given, only_named and f"CASE WHEN {has_clock} THEN {only_named} END"
    )


def _pattern_cast(column: Column, source: Dtype, name: str, pattern: str) -> Cast:
    text = f"CAST({name} AS VARCHAR)" if source is Dtype.INT else f"trim({name})"
    parsed = f"try_strptime({text}, {quote_text(pattern)})"
    if "%z" in pattern:
        sql = f"CAST({parsed} AS TIMESTAMP)"
    else:
        sql = _from_zone(parsed, column.time_zone)
    return Cast(column, source, sql, _given(name, source))
