"""What preparing dropped, merged or could not resolve, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from weft.core import Finding, Link, Schema, Severity, Table
from weft.data.prepare.links import LinkCounts
from weft.data.prepare.times import InheritedTimes


class _Counts(Protocol):
    @property
    def rows_read(self) -> int: ...
    @property
    def rows_kept(self) -> int: ...
    @property
    def null_time(self) -> int: ...
    @property
    def null_key(self) -> int: ...
    @property
    def duplicate_key(self) -> int: ...


def of_table(name: str, table: Table, counts: _Counts) -> list[Finding]:
    """Return a note per reason for which rows were dropped."""
    time = (table.time_column,) if table.time_column else ()
    reasons = (
        (
            "null_time",
            time,
            counts.null_time,
            "have no time",
            "fill the times in, or choose another time column.",
        ),
        ("null_key", table.primary_key, counts.null_key, "have no key", "fill the keys in."),
        (
            "duplicate_key",
            table.primary_key,
            counts.duplicate_key,
            "have the key of an earlier row",
            "take the copies out, or choose another key.",
        ),
    )
    return [
        Finding(
            rule,
            Severity.NOTE,
            name,
            columns,
            f"{number:,} of {counts.rows_read:,} rows {words} and are dropped.",
            advice,
        )
        for rule, columns, number, words, advice in reasons
        if number
    ]


def of_times(name: str, links: Iterable[Link], counts: _Counts, inherited: InheritedTimes) -> list[Finding]:
    """Return a finding per reason for which a row's time is unknown: an alarm when no row is left."""
    links = list(links)
    parents = " or ".join(sorted({k.parent for k in links}))
    columns = tuple(sorted({c for k in links for c in k.columns}))
    severity = Severity.NOTE if counts.rows_kept else Severity.ALARM
    reasons = (
        (
            "missing_parent",
            inherited.missing_parent,
            f"take their time from rows of {parents} that are missing or have none",
            "add the missing rows, fill their times in, or take the link out.",
        ),
        (
            "no_parent",
            inherited.no_parent,
            f"point to no row of {parents}, from which nearly all others take their time,",
            "fill the keys in, name a time column, or take the link out if the rows were always there.",
        ),
    )
    found = []
    for rule, lost, words, advice in reasons:
        if number := len(lost.positions):
            more = ", …" if number > len(lost.shown) else ""
            share = f"{number:,} of {counts.rows_read:,} rows"
            evidence = f"{share} {words} and are dropped: {', '.join(lost.shown)}{more}."
            found.append(Finding(rule, severity, name, columns, evidence, advice))
    return found


def of_links(schema: Schema, counts: Mapping[str, LinkCounts]) -> list[Finding]:
    """Return a finding per link with keys that have no parent: an alarm when none has one."""
    found = []
    for link in sorted(schema.links):
        count = counts[link.name]
        keyed = count.rows - count.nulls
        if not count.dangling:
            continue
        severity = Severity.ALARM if count.dangling == keyed else Severity.NOTE
        share = f"{count.dangling:,} of {keyed:,} keys ({count.dangling / keyed:.1%})"
        evidence = f"{share} have no row in {link.parent}."
        found.append(
            Finding(
                "dangling_keys",
                severity,
                link.table,
                link.columns,
                evidence,
                "add the missing rows, or take the link out.",
            )
        )
    return found


def of_circles(links: Iterable[Link]) -> list[Finding]:
    """Return a note per link of a circle of timeless tables."""
    return [
        Finding(
            "circular_times",
            Severity.NOTE,
            link.table,
            link.columns,
            f"'{link.name}' is part of a circle of tables without a time and gives none.",
            "name a time column for one of the tables.",
        )
        for link in links
    ]
