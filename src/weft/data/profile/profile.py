"""Profile a snapshot: read it, measure it, and work out keys, times, links and meanings."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from weft.core import Column, Dtype, Evidence, Progress, Resources, Schema, Silent, Stype, Table, UserError
from weft.data.declared import Declared
from weft.data.engine import engine_errors
from weft.data.profile.containment import Facts
from weft.data.profile.keys import KeyChoice, choose_keys, declared_columns
from weft.data.profile.links import LinkChoice, choose_links
from weft.data.profile.model import Profile, TableStatistics
from weft.data.profile.names import TableNames
from weft.data.profile.overrides import Overrides, check_overrides
from weft.data.profile.quality import check_times, find_problems
from weft.data.profile.raw import Kind, RawTables
from weft.data.profile.statistics import measure_table
from weft.data.profile.stypes import choose_stype, column_evidence, make_column
from weft.data.profile.times import TimeChoice, add_moments, choose_times


def profile_snapshot(
    paths: Mapping[str, Path],
    *,
    declared: Declared | None = None,
    overrides: Overrides | None = None,
    resources: Resources,
    progress: Progress | None = None,
    now_us: int | None = None,
) -> Profile:
    """Profile raw tables: schema with evidence, statistics, and what is wrong with the data.

    Args:
        paths: Table name → raw Parquet file.
        declared: What the source says about keys, times and links; beats what is inferred.
        overrides: What the user says; beats both.
        resources: Memory limit and threads.
        progress: Told after each table.
        now_us: The present, for future dates; by default the clock's.

    Raises:
        UserError: ``SCH001`` or ``SCH002`` when a declaration or override names what is not there,
            ``SCH023`` to ``SCH027`` for a given link, time or number that cannot be, ``DATA060`` and
            ``DATA061`` for a time column whose values need the user's word.
    """
    declared, overrides = declared or Declared(), overrides or Overrides()
    progress = progress or Silent()
    now_us = int(time.time() * 1_000_000) if now_us is None else now_us
    with (
        engine_errors("profiling the tables"),
        tempfile.TemporaryDirectory(prefix="weft-profile-") as scratch,
    ):
        raw = RawTables(paths, resources, Path(scratch))
        try:
            return _profile(raw, declared, overrides, progress, now_us)
        finally:
            raw.close()


def _profile(
    raw: RawTables, declared: Declared, overrides: Overrides, progress: Progress, now_us: int
) -> Profile:
    _check_names(raw, declared, overrides)
    _check_number_formats(raw, overrides)
    facts: Facts = {}
    for index, table in enumerate(raw.names):
        facts[table] = measure_table(raw, table, overrides)
        progress.update(index + 1, len(raw.names) + 1, table)
    names = TableNames(raw.names)
    keys = choose_keys(raw, facts, names, declared, overrides)
    times = choose_times(raw, facts, names, declared, overrides)
    links = choose_links(raw, facts, {t: k.columns for t, k in keys.items()}, names, declared, overrides)
    parents = {c.link.parent for c in links}
    times = add_moments(facts, names, times, {c.link.table for c in links} - parents)
    schema, meanings = _build_schema(facts, keys, times, links, overrides)
    check_times(raw, facts, schema)
    findings = find_problems(raw, facts, schema, links, now_us)
    progress.update(len(raw.names) + 1, len(raw.names) + 1, "links")
    return Profile(
        schema,
        _all_evidence(keys, times, links, meanings),
        tuple(_table_statistics(raw, facts, links, t) for t in raw.names),
        findings,
        {t: c.proposed_end for t, c in times.items() if c.proposed_end},
        tuple((t, c.name) for t, columns in facts.items() for c in columns.values() if c.reading.is_given),
    )


def _check_names(raw: RawTables, declared: Declared, overrides: Overrides) -> None:
    """Refuse declarations and overrides about tables or columns that are not there."""
    tables = [
        Table(name, tuple(Column(c, Dtype.STRING, Stype.TEXT) for c in raw.kinds(name))) for name in raw.names
    ]
    schema = Schema(tuple(tables))
    check_overrides(overrides, schema)
    for table, named in declared_columns(declared).items():
        for column in sorted(named):
            schema.table(table).column(column)


def _check_number_formats(raw: RawTables, overrides: Overrides) -> None:
    """Refuse a number format for values that the source stores as numbers: their text is gone."""
    for table, said in overrides.tables.items():
        for name, column in said.columns.items():
            if column.number_format and raw.kinds(table)[name] is not Kind.TEXT:
                raise UserError(
                    "SCH027",
                    f"{table}.{name} is stored as {raw.storage(table, name)}, so that its number_format "
                    f"{column.number_format!r} has no text to read.",
                    "take the number_format out, or correct the values in a table of your own by sql.",
                )


def _build_schema(
    facts: Facts,
    keys: Mapping[str, KeyChoice],
    times: Mapping[str, TimeChoice],
    links: Sequence[LinkChoice],
    overrides: Overrides,
) -> tuple[Schema, list[Evidence]]:
    dtypes = _key_dtypes(links)
    tables, evidence = [], []
    for name, columns in facts.items():
        key_sets = [keys[name].columns, *(c.link.columns for c in links if c.link.table == name)]
        made = []
        for facts_of in columns.values():
            said = overrides.column(name, facts_of.name)
            own = min((k for k in key_sets if facts_of.name in k), key=len, default=())
            stype, confidence, reasons, source = choose_stype(facts_of, said, own)
            made.append(make_column(facts_of, stype, said, dtypes.get((name, facts_of.name))))
            evidence.append(column_evidence(name, made[-1], confidence, reasons, source))
        time_of = times[name]
        tables.append(Table(name, tuple(made), keys[name].columns, time_of.column, time_of.end_column))
    return Schema(tuple(tables), tuple(c.link for c in links)), evidence


def _key_dtypes(links: Sequence[LinkChoice]) -> dict[tuple[str, str], Dtype]:
    """Return the storage of every linked column; where links disagree text wins, as it loses nothing."""
    dtypes: dict[tuple[str, str], Dtype] = {}
    changed = True
    while changed:
        changed = False
        for choice in links:
            for index, common in enumerate(choice.commons):
                ends = (
                    (choice.link.table, choice.link.columns[index]),
                    (choice.link.parent, choice.link.parent_columns[index]),
                )
                known = {dtypes[e] for e in ends if e in dtypes} | {common.dtype}
                wanted = Dtype.STRING if Dtype.STRING in known else common.dtype
                for end in ends:
                    if dtypes.get(end) is not wanted:
                        dtypes[end], changed = wanted, True
    return dtypes


def _all_evidence(
    keys: Mapping[str, KeyChoice],
    times: Mapping[str, TimeChoice],
    links: Sequence[LinkChoice],
    meanings: Sequence[Evidence],
) -> tuple[Evidence, ...]:
    found = [choice.evidence(table) for table, choice in keys.items()]
    for table, choice in times.items():
        found += choice.evidence(table)
    return (*found, *(choice.evidence() for choice in links), *meanings)


def _table_statistics(
    raw: RawTables, facts: Facts, links: Sequence[LinkChoice], table: str
) -> TableStatistics:
    return TableStatistics(
        table,
        raw.num_rows(table),
        tuple(f.statistics for f in facts[table].values()),
        tuple(c.statistics for c in links if c.link.table == table),
    )
