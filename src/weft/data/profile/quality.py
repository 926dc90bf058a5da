"""What is wrong with the data: keys, references, constants, times; each with its values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from weft.core import Finding, Schema, Severity, Table, UserError, format_time
from weft.data.profile.containment import Facts, exact_distinct
from weft.data.profile.links import LinkChoice
from weft.data.profile.raw import ROW_NUMBER, Kind, RawTables
from weft.data.profile.reading import micros
from weft.data.profile.statistics import ColumnFacts

_NUM_EXAMPLES = 3


def find_problems(
    raw: RawTables, facts: Facts, schema: Schema, links: Sequence[LinkChoice], now_us: int
) -> tuple[Finding, ...]:
    """Look for every kind of problem in every table; ``now_us`` is what counts as the present."""
    found: list[Finding] = []
    for table in schema.tables:
        found += _empty_table(raw, table)
        found += _key_problems(raw, facts, table)
        for column in facts[table.name].values():
            found += _column_problems(raw, table, column, now_us)
    for choice in links:
        found += _link_problems(choice)
    return tuple(found)


def check_times(raw: RawTables, facts: Facts, schema: Schema) -> None:
    """Refuse a time column whose zones are mixed or whose texts are not all times, unless the user set it.

    Raises:
        UserError: ``DATA060`` for mixed zones, ``DATA061`` for texts that are no times, each naming rows;
            ``SCH026`` for a time column that holds no times at all.
    """
    for table in schema.tables:
        for name in (table.time_column, table.end_time_column):
            if name:
                _check_time(raw, table.name, facts[table.name][name])


def _check_time(raw: RawTables, table: str, column: ColumnFacts) -> None:
    where = f"{table}.{column.name}"
    if not column.is_time:
        if column.statistics.count == 0:
            return
        raise UserError(
            "SCH026",
            f"{where} ({column.statistics.storage}) is to be a time column, but its values are no times that "
            f"are recognized, such as {_examples(column.texts) or column.statistics.minimum}.",
            f"set tables.{table}.columns.{column.name}.time_format, or choose another time column.",
        )
    if column.reading.is_given:
        return
    if _has_mixed_zones(column) and not column.reading.time_zone:
        raise UserError(
            "DATA060",
            f"{where} mixes times of several zones: {_zone_rows(raw, table, column)}.",
            f"set tables.{table}.columns.{column.name}.time_format to iso to read each with the "
            "zone it names and the others as UTC, or time_zone to the zone of those without.",
        )
    if column.unreadable:
        raise UserError(
            "DATA061",
            f"{column.unreadable:,} of {column.statistics.count:,} values of {where} are not times written "
            f"as '{column.reading.time_format}': {_unreadable_rows(raw, table, column)}.",
            f"set tables.{table}.columns.{column.name}.time_format; what does not fit it is then missing.",
        )


def _empty_table(raw: RawTables, table: Table) -> Iterator[Finding]:
    if raw.num_rows(table.name) == 0:
        yield _note("empty_table", table.name, (), "it has no rows", "leave the table out, or fill it")


def _key_problems(raw: RawTables, facts: Facts, table: Table) -> Iterator[Finding]:
    if not table.primary_key or not raw.num_rows(table.name):
        return
    columns = table.primary_key
    source = raw.table(table.name, columns)
    missing = source.filter([_any_null(source, columns)]).count()
    nulls = int(raw.fetch(missing).column(0)[0].as_py())
    if nulls:
        yield _note(
            "null_keys",
            table.name,
            columns,
            f"{nulls:,} of {raw.num_rows(table.name):,} rows have no key",
            "these rows are left out; fill the key in the source to keep them",
        )
    repeated = raw.num_rows(table.name) - nulls - _distinct_keys(raw, table.name, columns, bool(nulls))
    if repeated:
        yield _note(
            "duplicate_keys",
            table.name,
            columns,
            f"{repeated:,} {'row repeats' if repeated == 1 else 'rows repeat'} the key of an earlier row, "
            f"such as {_repeated_example(raw, table)}",
            "the first row of each key stays; remove the others in the source, or choose another key",
        )


def _any_null(source: object, columns: Sequence[str]) -> object:
    condition = source[columns[0]].isnull()  # type: ignore[index]
    for column in columns[1:]:
        condition = condition | source[column].isnull()  # type: ignore[index]
    return condition


def _distinct_keys(raw: RawTables, table: str, columns: Sequence[str], has_nulls: bool) -> int:
    if not has_nulls:
        return exact_distinct(raw, table, columns)
    source = raw.table(table, columns)
    keyed = source.filter([source[c].notnull() for c in columns]).select(*columns).distinct()
    return int(raw.fetch(keyed.count()).column(0)[0].as_py())


def _repeated_example(raw: RawTables, table: Table) -> str:
    import ibis

    columns = list(table.primary_key)
    source = raw.table(table.name, columns)
    keyed = source.filter([source[c].notnull() for c in columns])
    counted = keyed.group_by(columns).aggregate(n=ibis._.count())
    row = raw.fetch(counted.filter(counted.n > 1).order_by(columns).limit(1)).to_pylist()[0]
    return ", ".join(str(row[c]) for c in columns)


def _column_problems(raw: RawTables, table: Table, column: ColumnFacts, now_us: int) -> Iterator[Finding]:
    stats = column.statistics
    if stats.count == 0 and stats.nulls:
        yield _note("no_values", table.name, (column.name,), "every value is missing", "leave the column out")
    elif stats.distinct == 1 and stats.nulls == 0 and stats.count > 1:
        value = stats.top_values[0].value if stats.top_values else _time_words(stats.minimum)
        yield _note(
            "constant_column",
            table.name,
            (column.name,),
            f"every row has the same value, {value}",
            "it tells nothing; leave the column out",
        )
    if column.reading.number and column.reading.rival:
        yield _note(
            "ambiguous_numbers",
            table.name,
            (column.name,),
            f"'{column.reading.number.form}' and '{column.reading.rival}' both fit every value, such as "
            f"{_examples(column.texts)}",
            f"set tables.{table.name}.columns.{column.name}.number_format if the first is wrong",
        )
    if column.is_time and not column.reading.is_given:
        yield from _time_problems(raw, table, column, now_us)


def _time_problems(raw: RawTables, table: Table, column: ColumnFacts, now_us: int) -> Iterator[Finding]:
    stats = column.statistics
    if stats.maximum is not None and stats.maximum > now_us:
        yield _note(
            "future_dates",
            table.name,
            (column.name,),
            f"it reaches {_time_words(stats.maximum)}, after the present",
            "check whether these are plans or mistakes; no row dated later than an anchor is used for it",
        )
    if _has_mixed_zones(column) and not column.reading.time_zone:
        yield Finding(
            "mixed_time_zones",
            Severity.ALARM,
            table.name,
            (column.name,),
            f"its times are of several zones: {_zone_rows(raw, table.name, column)}",
            f"set tables.{table.name}.columns.{column.name}.time_format or time_zone",
        )
    if column.unreadable:
        yield Finding(
            "unparseable_times",
            Severity.ALARM,
            table.name,
            (column.name,),
            f"{column.unreadable:,} of {column.statistics.count:,} values are not times written as "
            f"'{column.reading.time_format}': {_unreadable_rows(raw, table.name, column)}",
            f"set tables.{table.name}.columns.{column.name}.time_format, or correct them in the source",
        )
    if column.reading.rival:
        yield _note(
            "ambiguous_dates",
            table.name,
            (column.name,),
            f"'{column.reading.time_format}' and '{column.reading.rival}' both fit every value",
            f"set tables.{table.name}.columns.{column.name}.time_format if the first is wrong",
        )


def _link_problems(choice: LinkChoice) -> Iterator[Finding]:
    stats, link = choice.statistics, choice.link
    if stats.dangling_rows:
        keyed = stats.rows - stats.null_rows
        yield Finding(
            "dangling_references",
            Severity.NOTE,
            link.table,
            link.columns,
            f"{stats.dangling_rows:,} of {keyed:,} keys ({stats.dangling_rows / keyed:.1%}) are not in "
            f"{link.parent}, such as {'; '.join(stats.dangling_examples)}",
            f"these rows get no {link.parent}; complete that table, or ignore this when the rest suffices",
        )


def _has_mixed_zones(column: ColumnFacts) -> bool:
    """Zones of text: several, or some values with and some without one."""
    if column.reading.kind is not Kind.TEXT:
        return False
    if column.reading.time_format == "iso" and 0 < column.zoned < column.statistics.count:
        return True
    named = {"+00:00" if z in ("Z", "UTC", "+00", "+0000") else z for z in column.reading.zones if z}
    return len(named) > 1


def _zone_rows(raw: RawTables, table: str, column: ColumnFacts) -> str:
    """Name a row for each of a few zones."""
    source = raw.table(table, [column.name])
    text = source[column.name]
    zone = text.re_extract(r":\d{2}(?:\.\d+)?\s?(Z|UTC|[+-]\d{2}(?::?\d{2})?)\s*$", 1)
    first = source.select(zone=zone, row=source[ROW_NUMBER], value=text).filter(text.notnull())
    grouped = first.group_by("zone").aggregate(row=first.row.min(), value=first.value.argmin(first.row))
    rows = raw.fetch(grouped.order_by("row").limit(_NUM_EXAMPLES)).to_pylist()
    return ", ".join(f"row {r['row'] + 1} '{r['value']}'" for r in rows)


def _unreadable_rows(raw: RawTables, table: str, column: ColumnFacts) -> str:
    source = raw.table(table, [column.name])
    value = source[column.name]
    bad = source.filter([value.notnull(), micros(value, column.reading).isnull()])
    chosen = bad.select(row=bad[ROW_NUMBER], value=bad[column.name].cast("string"))
    rows = raw.fetch(chosen.order_by("row").limit(_NUM_EXAMPLES)).to_pylist()
    return ", ".join(f"row {r['row'] + 1} '{r['value']}'" for r in rows)


def _examples(texts: Iterable[str]) -> str:
    return ", ".join(f"'{t}'" for t in list(texts)[:_NUM_EXAMPLES])


def _time_words(micros_value: float | None) -> str:
    return "" if micros_value is None else format_time(int(micros_value))


def _note(rule: str, table: str, columns: tuple[str, ...], evidence: str, advice: str) -> Finding:
    return Finding(rule, Severity.NOTE, table, columns, evidence, advice)
