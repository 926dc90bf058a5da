"""Columns that the query itself reads though only their latest value is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from weft.core import Finding, Severity
from weft.data.audit.target_in_features import read_columns
from weft.pql.query import Query

RULE = "query_reads_latest"


def find(query: Query, flagged: Iterable[Finding]) -> Iterator[Finding]:
    """Name the flagged columns that decide which rows are in the label table, or what their labels are.

    Leaving such a column out of the features does not help: anchors of the past are divided by what was
    written later.

    Args:
        query: The question.
        flagged: What the rules before found; alarms count.
    """
    alarms = {(f.table, c) for f in flagged if f.severity is Severity.ALARM for c in f.columns}
    places = {
        "WHERE": (query.where, "who is in the table at an anchor of the past"),
        "ASSUMING": (query.assuming, "which rows train"),
        "the target": (query.target, "what the label of an anchor of the past is"),
    }
    for place, (part, decided) in places.items():
        for table, column in sorted(read_columns(part) & alarms):
            yield Finding(
                RULE,
                Severity.ALARM,
                table,
                (column,),
                f"{place} of the query reads it, so its latest value decides {decided}",
                "write the condition with what was known then, such as an aggregate up to the anchor",
            )
