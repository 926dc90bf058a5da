"""What becomes of flagged columns: left out, unless the user keeps them or says from when they count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from weft.core import Finding, Schema, Severity, UserError, parse_time
from weft.data.audit import target_in_features


@dataclass(frozen=True)
class Decisions:
    """Which columns no feature may read, and which only from a stated time on.

    Attributes:
        excluded: Pairs of table and column that are not used.
        as_of: Pairs of table and column → microseconds UTC; the values are used for anchors after it only.
        kept: Pairs that were flagged and are used all the same.
    """

    excluded: frozenset[tuple[str, str]] = frozenset()
    as_of: dict[tuple[str, str], int] = field(default_factory=dict)
    kept: frozenset[tuple[str, str]] = frozenset()


def decide(
    findings: Iterable[Finding],
    decisions: Mapping[str, Any] | None = None,
    *,
    schema: Schema | None = None,
) -> Decisions:
    """Combine the findings with the user's decisions.

    Columns with an alarm are left out unless the user says ``"keep"`` or ``{"as_of": time}``; any column
    can be dropped with ``"drop"``. What a static query predicts is left out whatever is said.

    Args:
        findings: Of the audit and of the profile.
        decisions: ``"table.column"`` → ``"drop"``, ``"keep"`` or ``{"as_of": "2024-01-31"}``.
        schema: Where given, the tables and columns named must be in it.

    Raises:
        UserError: ``DATA062`` for a decision that is none of these, ``DATA063`` for a name without a column.

    Example:
        >>> decide([], {"posts.score": "drop"}).excluded
        frozenset({('posts', 'score')})
    """
    findings = tuple(findings)
    said = {_split(name, schema): _read(name, value) for name, value in (decisions or {}).items()}
    flagged = {(f.table, c) for f in findings if f.severity is Severity.ALARM for c in f.columns}
    targets = {(f.table, c) for f in findings if f.rule == target_in_features.RULE for c in f.columns}
    as_of = {key: value for key, value in said.items() if isinstance(value, int) and key not in targets}
    dropped = {key for key, value in said.items() if value == "drop"}
    kept = {key for key, value in said.items() if value == "keep"}
    excluded = ((flagged | dropped) - kept - set(as_of)) | targets
    return Decisions(frozenset(excluded), as_of, frozenset((flagged & kept) - targets))


def _split(name: str, schema: Schema | None) -> tuple[str, str]:
    if schema is not None:
        for table in schema.tables:
            for column in table.columns:
                if name == f"{table.name}.{column.name}":
                    return table.name, column.name
    table_name, dot, column_name = name.partition(".")
    if schema is None and dot and table_name and column_name:
        return table_name, column_name
    if schema is not None and dot:
        schema.table(table_name).column(column_name)
    raise UserError(
        "DATA063",
        f"the decision on '{name}' names no column.",
        "write it as table.column, such as posts.score.",
    )


def _read(name: str, value: Any) -> str | int:
    if value in ("drop", "keep"):
        return str(value)
    if isinstance(value, Mapping) and set(value) == {"as_of"}:
        return parse_time(str(value["as_of"]))
    raise UserError(
        "DATA062",
        f"the decision on '{name}' is {value!r}.",
        "choose drop, keep, or as_of with a time, such as {as_of: 2024-01-31}.",
    )
