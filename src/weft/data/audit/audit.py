"""The audit: every rule over the prepared tables, each finding with its evidence in the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from weft.core import Finding, Progress, Severity, Silent
from weft.data.audit import (
    appears_after_anchor,
    equals_aggregate,
    follows_activity,
    grows_with_age,
    key_encodes_time,
    later_than_row,
    later_than_use,
    no_time,
    points_to_later_rows,
    predicts_label,
    query_reads_latest,
    target_in_features,
)
from weft.data.audit.context import AuditContext
from weft.data.profile.model import TableStatistics
from weft.data.tables import Tables
from weft.pql.query import Query

Rule = Callable[[AuditContext], Iterator[Finding]]

RULES: dict[str, Rule] = {
    module.RULE: module.find
    for module in (
        equals_aggregate,
        later_than_row,
        later_than_use,
        points_to_later_rows,
        predicts_label,
        target_in_features,
        no_time,
        key_encodes_time,
        appears_after_anchor,
        follows_activity,
        grows_with_age,
    )
}


def audit_tables(
    tables: Tables,
    statistics: Sequence[TableStatistics] = (),
    query: Query | None = None,
    labels: pa.Table | None = None,
    *,
    progress: Progress | None = None,
) -> tuple[Finding, ...]:
    """Look for values that were not known when their rows came to be, and for what else may mislead.

    Args:
        tables: The prepared tables.
        statistics: Of the profile.
        query: The question; without it the rules about labels are left out.
        labels: Its label table.
        progress: Told after each rule.

    Returns:
        Alarms first, then notes, each group in order of table and column.
    """
    progress = progress or Silent()
    context = AuditContext(tables, {s.table: s for s in statistics}, query, labels)
    found: list[Finding] = []
    for index, (name, rule) in enumerate(RULES.items()):
        known = {(f.table, f.columns) for f in found if f.severity is Severity.ALARM}
        # Numbers at the end of the range of doubles: what overflows agrees with nothing.
        with np.errstate(over="ignore", invalid="ignore"):
            found += [f for f in rule(context) if (f.table, f.columns) not in known]
        progress.update(index + 1, len(RULES), name)
    if query is not None and not query.task.is_static:
        found += query_reads_latest.find(query, tuple(found))
    return tuple(sorted(found, key=lambda f: (f.severity is not Severity.ALARM, f.table, f.columns, f.rule)))
