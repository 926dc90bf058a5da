"""A checked query in plain English."""

from __future__ import annotations

from weft.core import Dtype, Offset, TaskType, format_time
from weft.pql.query import (
    Aggregate,
    AggregateName,
    And,
    Answer,
    Arithmetic,
    ColumnValue,
    Comparison,
    Condition,
    Expression,
    InList,
    IsNull,
    Literal,
    Mode,
    Not,
    Or,
    Query,
    TextMatch,
    Window,
)
from weft.pql.tree import aggregates_in, is_condition

_TASKS = {
    TaskType.BINARY: "binary classification",
    TaskType.REGRESSION: "regression",
    TaskType.MULTICLASS: "multiclass classification",
    TaskType.MULTILABEL: "multilabel classification",
    TaskType.MULTILABEL_RANKING: "multilabel ranking",
    TaskType.LINK_PREDICTION: "link prediction (recommendation)",
    TaskType.FORECASTING: "forecasting",
}
_AGGREGATES = {
    AggregateName.COUNT: "the number of rows that have {}",
    AggregateName.COUNT_DISTINCT: "the number of different values of {}",
    AggregateName.SUM: "the sum of {}",
    AggregateName.AVG: "the average of {}",
    AggregateName.MIN: "the smallest {}",
    AggregateName.MAX: "the largest {}",
    AggregateName.FIRST: "the first {}",
    AggregateName.LAST: "the last {}",
    AggregateName.LIST_DISTINCT: "the different values of {}",
    AggregateName.STDDEV: "the standard deviation of {}",
    AggregateName.MEDIAN: "the median of {}",
}
_COMPARISONS = {
    "=": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
}
_TIME_COMPARISONS = {"<": "is before", "<=": "is not after", ">": "is after", ">=": "is not before"}
_TEXT_TESTS = {
    "LIKE": "matches",
    "CONTAINS": "contains",
    "STARTS": "starts with",
    "ENDS": "ends with",
}
_ZERO_WHEN_EMPTY = (AggregateName.COUNT, AggregateName.COUNT_DISTINCT, AggregateName.SUM)


def describe(query: Query) -> str:
    """Say in plain English what a query predicts, over which windows, and for whom.

    One sentence a line: the task, the joins, the rows, what is assumed, and what has no label.
    """
    task = query.task
    lines = [
        f"Predicts, for each row of {task.entity_table} ({task.entity_column}): {_target_words(query)}.",
        f"Task: {_TASKS[task.type]}{', static' if task.is_static else ''}, scored by {task.metric}.",
        _anchor_words(query),
        *_join_lines(query),
        _row_words(query),
    ]
    if query.assuming is not None:
        lines.append(
            f"Assumes that {say(query.assuming)}: other rows are left out of training, and predictions "
            "suppose it."
        )
    lines += _missing_lines(query)
    if query.mode is not Mode.PREDICT:
        does = "prints the plan and runs nothing" if query.mode is Mode.EXPLAIN else "fits and scores"
        lines.append(f"{query.mode.value} {does}; nothing is predicted.")
    return "\n".join(lines)


def say(node: Expression | Condition, *, frames: int | None = None) -> str:
    """Put a condition or value into words; ``frames`` is the number of coming frames of a forecast."""
    if isinstance(node, (ColumnValue, Literal, Aggregate, Arithmetic)):
        return _say_value(node, frames)
    return _say_condition(node)


def _target_words(query: Query) -> str:
    words = say(query.target, frames=query.task.num_frames)
    if is_condition(query.target):
        return f"whether {words}"
    if query.answer is Answer.RANK:
        return f"the {query.task.top_k} likeliest of {words}"
    if query.answer is Answer.CLASSIFY:
        return f"a probability for each of {words}"
    return words


def _anchor_words(query: Query) -> str:
    if query.task.is_static:
        return (
            "No window: rows whose target is known train, rows whose target is NULL are predicted, and the "
            "target is never among the inputs."
        )
    horizon = query.task.horizon
    assert horizon is not None
    if query.task.num_frames:
        horizon = Offset(horizon.value * query.task.num_frames, horizon.unit)
    return f"Looks {_span_words(horizon)} ahead of the anchor; inputs are what is known at the anchor."


def _join_lines(query: Query) -> list[str]:
    joins: dict[str, str] = {}
    for clause in (query.target, query.where, query.assuming):
        for aggregate in aggregates_in(clause):
            path = ", ".join(link.name for link in aggregate.path)
            joins.setdefault(path, aggregate.table)
    return [
        f"Rows of {table} belong to {query.task.entity_table} by {path}." for path, table in joins.items()
    ]


def _row_words(query: Query) -> str:
    table = query.task.entity_table
    words = f"In the table: every row of {table}"
    tests = [] if query.task.is_static else ["that exists at the anchor"]
    if query.where is not None:
        tests.append(f"for which {say(query.where)}")
    words = " ".join([words, " and ".join(tests)]).rstrip()
    if query.entities is not None:
        keys = ", ".join(_say_literal(v) for v in query.entities)
        words += f"; predictions are for {keys} only"
    return f"{words}."


def _missing_lines(query: Query) -> list[str]:
    if query.answer is Answer.CLASSIFY:
        return ["Without rows in the window, the set is empty and kept."]
    undefined = [a for a in aggregates_in(query.target) if a.name not in _ZERO_WHEN_EMPTY]
    tables = list(dict.fromkeys(a.table for a in undefined))
    if not tables:
        return []
    place = "" if query.task.is_static else " in the window"
    return [f"No label where {' or '.join(tables)} has no row{place} that gives a value."]


def _say_value(node: Expression, frames: int | None) -> str:
    if isinstance(node, ColumnValue):
        words = f"{node.table}.{node.column}"
        return f"{words} (by {', '.join(link.name for link in node.path)})" if node.path else words
    if isinstance(node, Literal):
        return _say_literal(node)
    if isinstance(node, Arithmetic):
        sides = (_say_side(node.left, frames), _say_side(node.right, frames))
        return f" {node.op} ".join(sides)
    return _say_aggregate(node, frames)


def _say_side(node: Expression, frames: int | None) -> str:
    words = _say_value(node, frames)
    return f"({words})" if isinstance(node, Arithmetic) else words


def _say_aggregate(node: Aggregate, frames: int | None) -> str:
    if node.column is None:
        words = f"the number of rows of {node.table}"
    else:
        words = _AGGREGATES[node.name].format(f"{node.table}.{node.column.column}")
    if node.where is not None:
        words += f" where {say(node.where)}"
    if node.window is not None:
        words += f" {_window_words(node.window, frames)}"
    return words


def _window_words(window: Window, frames: int | None) -> str:
    start, end = window.start, window.end
    if frames is not None:
        return f"in each of the {frames} frames of {_span_words(end)} after the anchor"
    if start is None:
        return "up to the anchor" if end.value == 0 else f"up to {_bound_words(end)} the anchor"
    if start.value == 0:
        return f"in the {_span_words(end)} after the anchor"
    if end.value == 0:
        return f"in the {_span_words(start)} up to the anchor"
    side = "after" if start.value > 0 else "before"
    return f"from {abs(start.value)} to {_span_words(end)} {side} the anchor"


def _bound_words(offset: Offset) -> str:
    return f"{_span_words(offset)} {'after' if offset.value > 0 else 'before'}"


def _span_words(offset: Offset) -> str:
    value = abs(offset.value)
    return f"{value:,} {offset.unit.value.removesuffix('s') if value == 1 else offset.unit.value}"


def _say_condition(node: Condition) -> str:
    if isinstance(node, Comparison):
        return _say_comparison(node)
    if isinstance(node, IsNull):
        return f"{say(node.operand)} is missing"
    if isinstance(node, InList):
        return f"{say(node.operand)} is one of {', '.join(map(_say_literal, node.values))}"
    if isinstance(node, TextMatch):
        return f"{say(node.operand)} {_TEXT_TESTS[node.op]} '{node.text}'"
    if isinstance(node, Not):
        if isinstance(node.operand, IsNull):
            return f"{say(node.operand.operand)} is known"
        return f"not ({say(node.operand)})"
    joint = " and " if isinstance(node, And) else " or "
    return joint.join(f"({say(n)})" if isinstance(n, (And, Or)) else say(n) for n in node.operands)


def _say_comparison(node: Comparison) -> str:
    left, right = node.left, node.right
    if isinstance(right, Literal) and right.value is None:
        return f"{say(left)} {node.op} NULL (which never holds: use IS NULL)"
    if node.op == "=" and right == Literal(True, Dtype.BOOL):
        return f"{say(left)} is true"
    is_time = isinstance(right, Literal) and right.dtype is Dtype.TIMESTAMP
    verb = _TIME_COMPARISONS.get(node.op) if is_time else None
    return f"{say(left)} {verb or _COMPARISONS[node.op]} {say(right)}"


def _say_literal(node: Literal) -> str:
    if node.dtype is Dtype.TIMESTAMP and node.value is not None:
        return format_time(int(node.value))
    if node.dtype is Dtype.STRING:
        return f"'{node.value}'"
    return "NULL" if node.value is None else str(node.value).lower()
