"""The target column of a static query: it must not reach its own features."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from weft.core import Finding, Severity
from weft.data.audit.context import AuditContext
from weft.pql.query import ColumnValue, Query

RULE = "target_in_features"


def find(context: AuditContext) -> Iterator[Finding]:
    """Name the columns whose own value a static query predicts."""
    query = context.query
    if query is None or not query.task.is_static:
        return
    for table, column in sorted(target_columns(query)):
        yield Finding(
            RULE,
            Severity.NOTE,
            table,
            (column,),
            "it is what the query predicts",
            "it is never a feature of its own prediction; nothing to do",
        )


def target_columns(query: Query) -> set[tuple[str, str]]:
    """Return the tables and columns that a query's target names."""
    return read_columns(query.target)


def read_columns(part: Any) -> set[tuple[str, str]]:
    """Return the tables and columns that a part of a query names."""
    return {(c.table, c.column) for c in _columns(part)}


def _columns(node: Any) -> Iterator[ColumnValue]:
    if isinstance(node, ColumnValue):
        yield node
    elif dataclasses.is_dataclass(node):
        for item in dataclasses.fields(node):
            yield from _columns(getattr(node, item.name))
    elif isinstance(node, (tuple, list)):
        for part in node:
            yield from _columns(part)
