"""From a profile to what the report says about tables and links."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from weft.core import Column, Stype, Table, Task
from weft.report.document import ColumnFacts, LinkFacts, TableFacts, TopValue
from weft.report.formats import number_text, time_text

if TYPE_CHECKING:
    from weft.data import ColumnStatistics, LinkStatistics, Profile

MAX_TOP = 5
_NUMBERS = {Stype.NUMERICAL, Stype.TIMESTAMP}


def table_facts(
    profile: Profile,
    task: Task | None = None,
    *,
    targets: Collection[str] = (),
    notes: Mapping[str, str] | None = None,
) -> tuple[TableFacts, ...]:
    """Turn the statistics of a profile into the tables of a report.

    Args:
        profile: Of the snapshot.
        task: Says which table is the entity's, and which the items'.
        targets: Tables that the target aggregates.
        notes: ``table.column`` → what became of the column, such as "left out by the audit".
    """
    notes = notes or {}
    return tuple(
        _table(profile, table, _role(table.name, task, targets), notes) for table in profile.schema.tables
    )


def link_facts(profile: Profile) -> tuple[LinkFacts, ...]:
    """Turn the links of a profile, with their match rates, into those of a report."""
    measured = {s.link.name: s for table in profile.statistics for s in table.links}
    told = {link: profile.link_evidence(link) for link in profile.schema.links}
    return tuple(
        LinkFacts(
            link.table,
            link.columns,
            link.parent,
            link.parent_columns,
            *_measures(measured.get(link.name)),
            evidence.source if evidence else "",
        )
        for link, evidence in told.items()
    )


def _measures(found: LinkStatistics | None) -> tuple[float | None, float | None, int | None]:
    return (None, None, None) if found is None else (found.match_rate, found.degree_mean, found.degree_max)


def _role(table: str, task: Task | None, targets: Collection[str]) -> str:
    if task and table == task.entity_table:
        return "entity"
    if task and table == task.item_table:
        return "item"
    return "target" if table in targets else ""


def _table(profile: Profile, table: Table, role: str, notes: Mapping[str, str]) -> TableFacts:
    statistics = profile.table(table.name)
    known = {column.name: column for column in statistics.columns}
    time = known.get(table.time_column or "")
    first, last = (time.minimum, time.maximum) if time else (None, None)
    return TableFacts(
        name=table.name,
        rows=statistics.num_rows,
        primary_key=table.primary_key,
        time_column=table.time_column,
        role=role,
        first_us=None if first is None or last is None else int(first),
        last_us=None if first is None or last is None else int(last),
        columns=tuple(
            _column(column, known[column.name], notes.get(f"{table.name}.{column.name}", ""))
            for column in table.columns
            if column.name in known
        ),
    )


def _column(column: Column, found: ColumnStatistics, note: str) -> ColumnFacts:
    is_number = column.stype in _NUMBERS
    low, high = (_bound(column, value) if is_number else None for value in (found.minimum, found.maximum))
    is_telling = not is_number and column.stype is not Stype.ID
    top = tuple(TopValue(v.value, v.count) for v in found.top_values[:MAX_TOP]) if is_telling else ()
    return ColumnFacts(
        name=column.name,
        stype=column.stype.value,
        dtype=column.dtype.value,
        null_share=found.null_rate,
        num_distinct=found.distinct,
        low=low if high is not None else None,
        high=high if low is not None else None,
        mean=found.mean if column.stype is Stype.NUMERICAL else None,
        histogram=found.histogram.counts if found.histogram and is_number else (),
        top=top,
        note=note,
    )


def _bound(column: Column, value: float | None) -> str | None:
    if value is None:
        return None
    return time_text(int(value)) if column.stype is Stype.TIMESTAMP else number_text(value)
