"""The aggregates: each a function of a view, which is the rows that every seed may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from weft.core import MICROSECONDS_PER_DAY, UserError
from weft.data.features.columns import Categories, Numbers
from weft.data.features.recipe import Recipe
from weft.data.features.rows import ALWAYS, Block
from weft.data.features.segments import Floats, Ints, Slices, find_after

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class RowHistory:
    """What an aggregate of a user's own reads: values and times of rows, and each seed's slice of them.

    Attributes:
        values: Shape ``(num_rows,)``, float64, NaN is null, oldest first within a seed's slice.
        times: Shape ``(num_rows,)``, microseconds UTC.
        starts: Shape ``(num_seeds,)``: first row of each seed.
        stops: Shape ``(num_seeds,)``: one past the last row of each seed; no row is later than the cutoff.
        cutoffs: Shape ``(num_seeds,)``, microseconds UTC.
    """

    values: Floats
    times: Ints
    starts: Ints
    stops: Ints
    cutoffs: Ints


@runtime_checkable
class UserAggregate(Protocol):
    """An aggregate registered under the entry point group ``weft.aggregates``."""

    name: str
    words: str

    def compute(self, history: RowHistory) -> Floats:
        """Return one number per seed, NaN where there is none."""
        ...


class View:
    """The visible rows of sorted seeds in one block."""

    def __init__(self, block: Block, keys: Ints, cutoffs: Ints, anchors: Ints) -> None:
        self.block = block
        self.cutoffs = cutoffs
        self.anchors = anchors
        self._windows: dict[int, Slices] = {}
        first = np.searchsorted(block.keys, keys, "left").astype(np.int64)
        after = np.searchsorted(block.keys, keys, "right").astype(np.int64)
        self.whole = Slices(first, first, find_after(block.times, first, after, cutoffs))

    def slices(self, recipe: Recipe) -> Slices:
        """Return the rows that a recipe aggregates."""
        chosen = self.whole if recipe.window_us is None else self.window(recipe.window_us)
        return chosen if recipe.last is None else chosen.last(recipe.last)

    def window(self, window_us: int) -> Slices:
        """Return the rows in (cutoff - window, cutoff]."""
        if window_us not in self._windows:
            starts = find_after(
                self.block.times, self.whole.first, self.whole.stops, self.cutoffs - window_us
            )
            self._windows[window_us] = Slices(self.whole.first, starts, self.whole.stops)
        return self._windows[window_us]

    def between(self, after: Ints, until: Ints) -> Slices:
        """Return the rows in (after, until], none of them later than the cutoff."""
        starts = find_after(self.block.times, self.whole.first, self.whole.stops, after)
        stops = find_after(self.block.times, starts, self.whole.stops, until)
        return Slices(self.whole.first, starts, stops)

    def times_at(self, positions: Ints, inside: npt.NDArray[np.bool_]) -> Floats:
        """Return times in microseconds; NaN where not ``inside`` or timeless."""
        result = np.full(len(positions), np.nan)
        times = self.block.times[positions[inside]]
        result[inside] = np.where(times == ALWAYS, np.nan, times.astype(np.float64))
        return result

    def history(self, recipe: Recipe) -> RowHistory:
        """Return what an aggregate of a user's own reads."""
        slices = self.slices(recipe)
        values = self.block.numbers(recipe.source).values
        return RowHistory(values, self.block.times, slices.starts, slices.stops, self.cutoffs)


Compute = Callable[[View, Recipe], Values]


def aggregate(view: View, recipe: Recipe) -> Values:
    """Compute one feature for the seeds of a view."""
    compute = BUILT_IN.get(recipe.aggregate)
    if compute is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            return _finite(compute(view, recipe))
    own = user_aggregates().get(recipe.aggregate)
    if own is None:
        raise UserError(
            "DATA091",
            f"the aggregate '{recipe.aggregate}' is not registered here.",
            "install the package that provides it under the entry point group weft.aggregates.",
        )
    values = np.asarray(own.compute(view.history(recipe)), dtype=np.float64)
    if values.shape != view.cutoffs.shape:
        raise UserError(
            "DATA092",
            f"the aggregate '{own.name}' returned shape {values.shape} for {len(view.cutoffs)} seeds.",
            "return one number per seed.",
        )
    return values


def _finite(values: Values) -> Values:
    """Make what is beyond the largest float missing."""
    return np.where(np.isinf(values), np.nan, values) if values.dtype.kind == "f" else values


def user_aggregates() -> Mapping[str, UserAggregate]:
    """Load the aggregates that installed packages register."""
    found: dict[str, UserAggregate] = {}
    for point in sorted(metadata.entry_points(group="weft.aggregates"), key=lambda p: p.name):
        loaded = point.load()
        own = loaded() if isinstance(loaded, type) else loaded
        if not isinstance(own, UserAggregate) or own.name in BUILT_IN:
            raise UserError(
                "DATA093",
                f"the entry point '{point.name}' of weft.aggregates is no aggregate with a name of its own.",
                "give it name, words and compute(history), with a name that Weft does not use.",
            )
        found[own.name] = own
    return found


def days(microseconds: Values) -> Floats:
    """Turn microseconds into days."""
    return np.asarray(microseconds, np.float64) / MICROSECONDS_PER_DAY


def _numbers(view: View, recipe: Recipe) -> Numbers:
    return view.block.numbers(recipe.source)


def _categories(view: View, recipe: Recipe) -> Categories:
    return view.block.categories(recipe.source)


def _count(view: View, recipe: Recipe) -> Values:
    return view.slices(recipe).sizes.astype(np.float64)


def _share_of_rows(view: View, recipe: Recipe) -> Values:
    return _divide(_count(view, recipe), view.whole.sizes.astype(np.float64))


def _last_time(view: View) -> Floats:
    return view.times_at(view.whole.stops - 1, view.whole.sizes > 0)


def _first_time(view: View) -> Floats:
    return view.times_at(view.whole.starts, view.whole.sizes > 0)


def _recency(view: View, recipe: Recipe) -> Values:
    return days(view.cutoffs - _last_time(view))


def _anchor_recency(view: View, recipe: Recipe) -> Values:
    return days(view.anchors - _last_time(view))


def _tenure(view: View, recipe: Recipe) -> Values:
    return days(view.cutoffs - _first_time(view))


def _mean_gap(view: View, recipe: Recipe) -> Values:
    slices = view.slices(recipe)
    some = slices.sizes > 1
    span = view.times_at(slices.stops - 1, some) - view.times_at(slices.starts, some)
    return _divide(days(span), slices.sizes - 1.0)


def _recency_in_gaps(view: View, recipe: Recipe) -> Values:
    return _divide(_recency(view, recipe), _mean_gap(view, recipe))


def _nulls(view: View, recipe: Recipe) -> Values:
    slices = view.slices(recipe)
    if view.block.is_categorical(recipe.source):
        count = _categories(view, recipe).count(slices)
    else:
        count = _numbers(view, recipe).count(slices)
    return 1.0 - _divide(count, slices.sizes.astype(np.float64))


def _last(view: View, recipe: Recipe) -> Values:
    if view.block.is_categorical(recipe.source):
        return _categories(view, recipe).last(view.whole)
    return _numbers(view, recipe).at(view.whole.stops - 1, view.whole.sizes > 0)


def _first(view: View, recipe: Recipe) -> Values:
    return _numbers(view, recipe).at(view.whole.starts, view.whole.sizes > 0)


def _age(view: View, recipe: Recipe) -> Values:
    """A date after the cutoff may have been written there later, so it is read as missing."""
    last = _last(view, recipe)
    return days(view.anchors - np.where(last <= view.cutoffs, last, np.nan))


def _planned_age(view: View, recipe: Recipe) -> Values:
    return days(view.anchors - _last(view, recipe))


def _trend(view: View, recipe: Recipe) -> Values:
    numbers = _numbers(view, recipe)
    return numbers.mean(view.slices(recipe)) - numbers.mean(view.whole)


def _slope(view: View, recipe: Recipe) -> Values:
    """Least squares over the position among the last rows, newest 0, per row."""
    assert recipe.last is not None
    values = _numbers(view, recipe).recent(view.whole, recipe.last)
    at = np.where(np.isnan(values), np.nan, -np.arange(recipe.last, dtype=np.float64))
    count = (~np.isnan(values)).sum(axis=1)
    some = np.where(count > 1, count, np.nan)
    mean_at, mean = np.nansum(at, axis=1) / some, np.nansum(values, axis=1) / some
    away = at - mean_at[:, None]
    return _divide(np.nansum(away * (values - mean[:, None]), axis=1), np.nansum(away**2, axis=1))


def _decayed(view: View, recipe: Recipe) -> Values:
    """Mean with weights that halve every ``last`` rows, over four half-lives."""
    assert recipe.last is not None
    values = _numbers(view, recipe).recent(view.whole, 4 * recipe.last)
    weights = np.where(np.isnan(values), 0.0, 0.5 ** (np.arange(4 * recipe.last) / recipe.last))
    return _divide((np.nan_to_num(values) * weights).sum(axis=1), weights.sum(axis=1))


def _share(view: View, recipe: Recipe) -> Values:
    assert recipe.value is not None
    return _categories(view, recipe).indicator(recipe.value).mean(view.slices(recipe))


def _mode_share(view: View, recipe: Recipe) -> Values:
    categories = _categories(view, recipe)
    return _divide(categories.mode_count(view.whole), categories.count(view.whole))


def _divide(top: Values, bottom: Values) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan))


BUILT_IN: dict[str, Compute] = {
    "count": _count,
    "share_of_rows": _share_of_rows,
    "recency": _recency,
    "anchor_recency": _anchor_recency,
    "tenure": _tenure,
    "mean_gap": _mean_gap,
    "recency_in_gaps": _recency_in_gaps,
    "nulls": _nulls,
    "last": _last,
    "value": _last,
    "first": _first,
    "age": _age,
    "planned_age": _planned_age,
    "mean": lambda v, r: _numbers(v, r).mean(v.slices(r)),
    "sum": lambda v, r: _numbers(v, r).sum(v.slices(r)),
    "min": lambda v, r: _numbers(v, r).minimum(v.slices(r)),
    "max": lambda v, r: _numbers(v, r).maximum(v.slices(r)),
    "std": lambda v, r: _numbers(v, r).std(v.slices(r)),
    "trend": _trend,
    "slope": _slope,
    "decayed": _decayed,
    "share": _share,
    "mode": lambda v, r: _categories(v, r).mode(v.whole),
    "mode_share": _mode_share,
    "distinct": lambda v, r: _categories(v, r).distinct(v.whole),
    "entropy": lambda v, r: _categories(v, r).entropy(v.whole),
}
