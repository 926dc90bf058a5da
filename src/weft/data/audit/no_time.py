"""Tables without a time of their own: which time they take from their parents, or that they have none."""

from __future__ import annotations

from collections.abc import Iterator

from weft.core import Finding, Severity, Table
from weft.data.audit.context import AuditContext

RULE = "no_time"


def find(context: AuditContext) -> Iterator[Finding]:
    """Say for every table without a time column from when on its rows are seen."""
    for table in context.schema.tables:
        if table.time_column is None:
            evidence, advice = _words(context, table)
            yield Finding(RULE, Severity.NOTE, table.name, (), evidence, advice)


def _words(context: AuditContext, table: Table) -> tuple[str, str]:
    links = context.schema.links_from(table.name)
    timed = [k for k in links if k.parent != table.name and context.num_timed(k.parent)]
    rows, known = context.num_rows(table.name), context.num_timed(table.name)
    if timed and known:
        parents = ", ".join(f"{_time_of(context, k.parent)} by {', '.join(k.columns)}" for k in timed)
        newest = "the newest of " if len(timed) > 1 else ""
        evidence = (
            f"it has no time of its own and takes {newest}{parents}; {known:,} of {rows:,} rows get one"
        )
        if known < rows:
            evidence += ", and the others are seen at every anchor"
        return evidence, "set a time column if the rows came to be at another time"
    if links:
        parents = ", ".join(sorted({k.parent for k in links}))
        evidence = f"it has no time, and none of the tables it points to ({parents}) has one"
    else:
        evidence = "it has no time and points to no table that has one"
    return (
        f"{evidence}: its {rows:,} rows are seen at every anchor",
        "set a time column, or keep it so when its rows were known all along",
    )


def _time_of(context: AuditContext, table: str) -> str:
    own = context.schema.table(table).time_column
    return f"{table}.{own}" if own else f"the time of {table}"
