"""The query's target over windows that have ended: its aggregates, and the whole expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from weft.core import MICROSECONDS_PER_DAY, Offset
from weft.data.features.aggregates import View
from weft.data.features.recipe import Recipe
from weft.data.features.segments import Floats, Ints
from weft.data.features.target import TargetPart
from weft.pql.query import (
    Aggregate,
    AggregateName,
    And,
    Arithmetic,
    Comparison,
    Condition,
    Expression,
    InList,
    IsNull,
    Literal,
    Not,
    Or,
    Query,
)

_SUPPORTED = {
    AggregateName.COUNT,
    AggregateName.SUM,
    AggregateName.AVG,
    AggregateName.MIN,
    AggregateName.MAX,
    AggregateName.STDDEV,
}
YEAR_US = 365 * MICROSECONDS_PER_DAY


def can_shift(query: Query, parts: Sequence[TargetPart]) -> bool:
    """Tell whether the target can be computed over past windows from sums of rows."""
    is_plain = _is_plain(query.target) and (query.assuming is None or _is_plain(query.assuming))
    return bool(parts) and all(_is_numeric(p) for p in parts) and is_plain


def season_starts(anchors: Ints, cutoffs: Ints, horizon: Offset, lag: int) -> Ints:
    """Return the anchor whole years earlier, in the newest year whose window has ended by the cutoff."""
    past = anchors + horizon.nominal_us - cutoffs
    years = np.maximum(-(-past // YEAR_US), 1) + lag - 1
    starts: Ints = anchors - years * YEAR_US
    return starts


def shift(instants: Ints, offset: Offset) -> Ints:
    """Return instants moved by an offset, months and years by the calendar."""
    distinct, back = np.unique(instants, return_inverse=True)
    moved: Ints = np.array([offset.after(int(t)) for t in distinct], np.int64)[back]
    return moved


def compute_leaf(view: View, recipe: Recipe, parts: Sequence[TargetPart]) -> Floats:
    """Compute one aggregate of the target over a past window."""
    assert recipe.source.target is not None and recipe.lag is not None
    number = int(recipe.source.target.partition(":")[2])
    part, horizon = parts[number].aggregate, parts[number].horizon
    assert part.window is not None
    if recipe.value == "season":
        instants = season_starts(view.anchors, view.cutoffs, horizon, recipe.lag)
    else:
        instants = shift(view.cutoffs, Offset(-recipe.lag * horizon.value, horizon.unit))
    start, end = part.window.start, part.window.end
    until = shift(instants, end)
    after = np.full_like(until, np.iinfo(np.int64).min) if start is None else shift(instants, start)
    slices = view.between(after, until)
    numbers = view.block.numbers(recipe.source)
    if part.name is AggregateName.COUNT:
        return numbers.sum(slices) if part.column is None else numbers.count(slices)
    compute: dict[AggregateName, Callable[[Any], Floats]] = {
        AggregateName.SUM: numbers.sum,
        AggregateName.AVG: numbers.mean,
        AggregateName.MIN: numbers.minimum,
        AggregateName.MAX: numbers.maximum,
        AggregateName.STDDEV: numbers.std,
    }
    return compute[part.name](slices)


def evaluate(node: Expression | Condition, leaves: Sequence[Floats]) -> Floats:
    """Evaluate a tree from its aggregates, left to right; NaN is undefined, truth is 1."""
    return _evaluate(node, iter(leaves))


def _is_numeric(part: TargetPart) -> bool:
    column = part.aggregate.column
    numeric = column is None or column.dtype.value in ("int64", "float64", "bool")
    return numeric and part.aggregate.name in _SUPPORTED and part.aggregate.window is not None


def _is_plain(node: Any) -> bool:
    if isinstance(node, (Aggregate, Literal)):
        return True
    if isinstance(node, (Comparison, Arithmetic)):
        return _is_plain(node.left) and _is_plain(node.right)
    if isinstance(node, (IsNull, Not, InList)):
        return _is_plain(node.operand)
    return isinstance(node, (And, Or)) and all(_is_plain(o) for o in node.operands)


_OPERATORS: Mapping[str, Callable[[Floats, Floats], npt.NDArray[Any]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": lambda a, b: np.where(b == 0, np.nan, a / np.where(b == 0, 1.0, b)),
    "=": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def _evaluate(node: Any, leaves: Any) -> Floats:
    if isinstance(node, Aggregate):
        return np.asarray(next(leaves), np.float64)
    if isinstance(node, Literal):
        return np.float64(np.nan if node.value is None else float(node.value))  # type: ignore[return-value]
    if isinstance(node, (Comparison, Arithmetic)):
        left, right = _evaluate(node.left, leaves), _evaluate(node.right, leaves)
        result = np.asarray(_OPERATORS[node.op](left, right), np.float64)
        return np.where(np.isnan(left) | np.isnan(right), np.nan, result)
    if isinstance(node, IsNull):
        return np.isnan(_evaluate(node.operand, leaves)).astype(np.float64)
    if isinstance(node, Not):
        return 1.0 - _evaluate(node.operand, leaves)
    if isinstance(node, InList):
        value = _evaluate(node.operand, leaves)
        known = [float(v.value) for v in node.values if v.value is not None]
        return np.where(np.isnan(value), np.nan, np.isin(value, known).astype(np.float64))
    return _connect([_evaluate(o, leaves) for o in node.operands], 0.0 if isinstance(node, And) else 1.0)


def _connect(operands: Sequence[Floats], decisive: float) -> Floats:
    """Combine truths: one decisive operand decides; else an undefined one makes it undefined."""
    stacked = np.stack(np.broadcast_arrays(*operands))
    undefined = np.isnan(stacked).any(axis=0)
    return np.where((stacked == decisive).any(axis=0), decisive, np.where(undefined, np.nan, 1.0 - decisive))
