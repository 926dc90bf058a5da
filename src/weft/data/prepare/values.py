"""Values that cannot be read as what the schema says: refused, or counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from weft.core import Dtype, Finding, Schema, Severity, Table, UserError
from weft.data.engine import fetch_row, quote_name
from weft.data.items import JSON, unreadable_sql
from weft.data.prepare.casts import Cast
from weft.data.sources.parquet import first_line

_NUM_SHOWN = 5


def check_times(engine: Any, view: str, table: str, casts: Iterable[Cast]) -> None:
    """Refuse columns of times with values that are no times, or with a zone in some rows only.

    A column whose format the user named has its unreadable values counted by `count_unread` instead.

    Raises:
        UserError: ``DATA037`` or ``DATA038`` names rows, ``DATA039`` an unknown zone or format.
    """
    for cast in casts:
        if cast.column.dtype is not Dtype.TIMESTAMP:
            continue
        num_failed = _count_failed(engine, view, table, cast)
        if cast.is_stated:
            continue
        if num_failed:
            place = f"tables.{table}.columns.{cast.column.name}"
            raise UserError(
                "DATA037",
                f"{_values(num_failed)} of {table}.{cast.column.name} {_no_times(cast, num_failed)}: "
                f"{_shown(engine, view, cast, str(cast.failed))}.",
                f"mend the rows, or set {place}.time_format; what does not fit it is then missing.",
            )
        _check_zones(engine, view, table, cast)


def _count_failed(engine: Any, view: str, table: str, cast: Cast) -> int:
    import duckdb

    counted = cast.failed or f"({cast.sql}) IS NULL AND false"
    try:
        return int(fetch_row(engine, f"SELECT count(*) FROM {view} WHERE {counted}")[0])
    except (duckdb.NotImplementedException, duckdb.InvalidInputException) as error:
        raise UserError(
            "DATA039",
            f"the times of {table}.{cast.column.name} cannot be read{_format_words(cast)}: "
            f"{first_line(error)}",
            "name a zone such as 'Europe/Berlin', and a format such as iso, epoch_s or '%d.%m.%Y %H:%M'.",
        ) from error


def _values(number: int) -> str:
    return "1 value" if number == 1 else f"{number:,} values"


def _no_times(cast: Cast, number: int) -> str:
    return f"{'is no time' if number == 1 else 'are no times'}{_format_words(cast)}"


def _format_words(cast: Cast) -> str:
    words = [f"in format '{cast.column.time_format}'"] if cast.column.time_format else []
    words += [f"in zone '{cast.column.time_zone}'"] if cast.column.time_zone else []
    return "".join(f" {w}" for w in words)


def _check_zones(engine: Any, view: str, table: str, cast: Cast) -> None:
    if cast.zoned is None:
        return
    with_zone, without = fetch_row(
        engine, f"SELECT count(*) FILTER ({cast.zoned}), count(*) FILTER (NOT ({cast.zoned})) FROM {view}"
    )
    if with_zone and without:
        rare, words = (f"NOT ({cast.zoned})", "lack") if without <= with_zone else (cast.zoned, "name")
        raise UserError(
            "DATA038",
            f"{table}.{cast.column.name} mixes times with and without a zone: "
            f"{min(with_zone, without):,} of {with_zone + without:,} {words} one, "
            f"{_shown(engine, view, cast, rare)}.",
            "set the column's time_zone to the zone of the times that name none.",
        )


def _shown(engine: Any, view: str, cast: Cast, condition: str) -> str:
    name = quote_name(cast.column.name)
    found = engine.execute(
        f"SELECT file_row_number + 1, CAST({name} AS VARCHAR) FROM {view} WHERE {condition} "
        f"ORDER BY file_row_number LIMIT {_NUM_SHOWN}"
    ).fetchall()
    return ", ".join(f"row {number} '{value[:60]}'" for number, value in found)


def check_keys(engine: Any, view: str, table: Table, schema: Schema, casts: Mapping[str, Cast]) -> None:
    """Refuse key columns with values that cannot be read: their rows would vanish unseen.

    Raises:
        UserError: ``SCH014`` names rows.
    """
    linked = {c for k in schema.links if k.table == table.name for c in k.columns}
    linked |= {c for k in schema.links if k.parent == table.name for c in k.parent_columns}
    for name in sorted(linked | set(table.primary_key)):
        cast = casts[name]
        if cast.failed is None or cast.column.dtype is Dtype.TIMESTAMP:
            continue
        num_failed = _count_failed(engine, view, table.name, cast)
        if num_failed:
            raise UserError(
                "SCH014",
                f"{num_failed:,} keys in {table.name}.{name} cannot be read as "
                f"{cast.column.dtype.value}: {_shown(engine, view, cast, cast.failed)}.",
                "store the key as string, or mend the rows.",
            )


def count_unread(engine: Any, view: str, table: str, casts: Iterable[Cast]) -> list[Finding]:
    """Return a finding per column with values that cannot be read and become null.

    Raises:
        UserError: ``DATA064`` where most values of a column cannot be read, ``DATA037`` where they are
            to be times, ``DATA040`` for vectors of different lengths.
    """
    casts = list(casts)
    findings = []
    checked = [c for c in casts if c.failed and (c.is_stated or c.column.dtype is not Dtype.TIMESTAMP)]
    for start in range(0, len(checked), 200):
        part = checked[start : start + 200]
        counts = ", ".join(f"count(*) FILTER ({c.failed}), count(*) FILTER ({c.given})" for c in part)
        row = fetch_row(engine, f"SELECT {counts} FROM {view}")
        for cast, number, given in zip(part, row[::2], row[1::2], strict=True):
            if number:
                findings.append(_unread(engine, view, table, cast, number, given))
    for cast in casts:
        if cast.column.dtype is Dtype.VECTOR:
            _check_lengths(engine, view, table, cast)
        if cast.column.separator == JSON and cast.source is Dtype.STRING:
            findings += _unread_lists(engine, view, table, cast)
    return findings


def _unread(engine: Any, view: str, table: str, cast: Cast, number: int, given: int) -> Finding:
    """Return what is said about a few unreadable values; most of a column is a mistake about the column."""
    is_time = cast.column.dtype is Dtype.TIMESTAMP
    verb, becomes = ("is", "becomes") if number == 1 else ("are", "become")
    words = (
        f"{number:,} of {_values(given)}",
        _no_times(cast, number) if is_time else f"{verb} not {cast.column.dtype.value}",
    )
    shown = _shown(engine, view, cast, str(cast.failed))
    place = f"tables.{table}.columns.{cast.column.name}"
    is_number = cast.source is Dtype.STRING and cast.column.dtype in (Dtype.INT, Dtype.FLOAT)
    advice = "mend the rows, or choose another type for the column."
    if is_number:
        advice = f"mend the rows, set {place}.number_format, or choose another type for the column."
    if is_time:
        advice = f"mend the rows, or set another {place}.time_format."
    if 2 * number > given:
        raise UserError(
            "DATA037" if is_time else "DATA064",
            f"{words[0]} of {table}.{cast.column.name} {words[1]}: {shown}.",
            advice,
        )
    return Finding(
        "unreadable_values",
        Severity.ALARM,
        table,
        (cast.column.name,),
        f"{words[0]} ({number / given:.1%}) {words[1]} and {becomes} null: {shown}.",
        advice,
    )


def _unread_lists(engine: Any, view: str, table: str, cast: Cast) -> list[Finding]:
    unread = unreadable_sql(quote_name(cast.column.name))
    number = int(fetch_row(engine, f"SELECT count(*) FILTER ({unread}) FROM {view}")[0])
    if not number:
        return []
    return [
        Finding(
            "unreadable_values",
            Severity.ALARM,
            table,
            (cast.column.name,),
            f"{_values(number)} {'is no JSON, so that its' if number == 1 else 'are no JSON, so that their'} "
            "items are not known: "
            f"{_shown(engine, view, cast, unread)}.",
            "mend the rows, or set another separator for the column.",
        )
    ]


def _check_lengths(engine: Any, view: str, table: str, cast: Cast) -> None:
    shortest, longest = fetch_row(engine, f"SELECT min(len({cast.sql})), max(len({cast.sql})) FROM {view}")
    if shortest != longest:
        raise UserError(
            "DATA040",
            f"the vectors of {table}.{cast.column.name} have from {shortest} to {longest} numbers.",
            "give all rows vectors of one length, or choose another type for the column.",
        )
