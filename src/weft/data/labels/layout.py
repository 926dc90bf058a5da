"""Where the anchors of a training table lie and which split each belongs to.

A layout is made from the query, the options and a few times of the tables; no label is computed.
The rules are those of ``docs/concepts/splits.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from weft.core import History, Offset, Split, SplitOptions, UserError, format_time
from weft.data.labels.horizon import Horizon, earliest_us, horizon_of, latest_us, shift
from weft.data.tables import Tables
from weft.pql.query import Query

MAX_ANCHORS = 100_000


@dataclass(frozen=True)
class Layout:
    """The anchors of each split, with the times they were laid out between.

    Attributes:
        method: ``fractions``, ``given``, ``split_column``, ``static_time``, ``static_random`` or
            ``label_table``: by which rule the rows were divided.
        history: How much of the past each row may see.
        train: Anchors in microseconds UTC, oldest first; for a static query the first and last.
        val: The same.
        test: The same.
        straddling: Anchors left out because their label window reaches into the next split.
        starts: Where the target's windows begin, seen from an anchor.
        ends: Where they and those of ASSUMING end.
        window: The longest window of the target.
        step: Between anchors.
        num_frames: Coming frames that are forecast; 1 for any other task.
        first_fact_us: Earliest time of the tables that the target and ASSUMING aggregate.
        last_fact_us: The smallest of their newest times: what comes later is not complete.
    """

    method: str
    history: History
    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]
    straddling: tuple[int, ...] = ()
    starts: tuple[Offset, ...] = ()
    ends: tuple[Offset, ...] = ()
    window: Offset | None = None
    step: Offset | None = None
    num_frames: int = 1
    first_fact_us: int | None = None
    last_fact_us: int | None = None

    def anchors(self, split: Split) -> tuple[int, ...]:
        """Return the anchors of one split, oldest first."""
        by_split = {Split.TRAIN: self.train, Split.VAL: self.val, Split.TEST: self.test}
        return by_split[split]

    def split_by_anchor(self) -> dict[int, Split]:
        """Return the split of every anchor, oldest first."""
        return {anchor: split for split in Split for anchor in self.anchors(split)}

    def window_end_us(self, anchor_us: int) -> int:
        """Return the end of the label window that belongs to an anchor."""
        return max((shift(end, anchor_us) for end in self.ends), default=anchor_us)

    def cutoff_us(self, split: Split, anchor_us: int) -> int:
        """Return the instant up to which a row with this anchor sees history."""
        if self.history is History.FROZEN and split is not Split.TRAIN and self.anchors(split):
            return min(self.anchors(split)[0], anchor_us)
        return anchor_us


def plan_windows(tables: Tables, query: Query, options: SplitOptions, history: History) -> Layout:
    """Lay out the anchors of a query with windows, without computing a label.

    Raises:
        UserError: ``DATA070`` or ``DATA073`` when the data does not reach over three splits, ``DATA072``
            when an aggregated table holds no time, ``DATA074`` for a step or a window that cannot be used.
    """
    horizon = horizon_of(query, tables)
    step = options.step or horizon.window
    if step.nominal_us <= 0:
        raise UserError("DATA074", f"the step between anchors is {step}.", "give a step above zero.")
    given = "given" if options.test_start_us is not None else "fractions"
    method = "split_column" if options.split_column else given
    train, val, test, straddling = _RULES[method](tables, horizon, step, options)
    return Layout(
        method=method,
        history=history,
        train=train,
        val=val,
        test=test,
        straddling=straddling,
        starts=horizon.starts,
        ends=horizon.ends,
        window=horizon.window,
        step=step,
        num_frames=horizon.num_frames,
        first_fact_us=horizon.first_fact_us,
        last_fact_us=horizon.last_fact_us,
    )


Anchors = tuple[int, ...]
Divided = tuple[Anchors, Anchors, Anchors, Anchors]


def _by_fractions(tables: Tables, horizon: Horizon, step: Offset, options: SplitOptions) -> Divided:
    newest, oldest = _bounds(horizon, options)
    anchors = _limited(_stepping(newest, step, -1, lambda a: a >= oldest), options)
    divided = divide_anchors(anchors, options, horizon.end_us)
    if not all(divided[:3]):
        raise _too_little(horizon, step, newest, oldest)
    return divided


def _by_column(tables: Tables, horizon: Horizon, step: Offset, options: SplitOptions) -> Divided:
    newest, oldest = _bounds(horizon, options)
    anchors = _sorted(_limited(_stepping(newest, step, -1, lambda a: a >= oldest), options))
    if not anchors:
        raise _no_anchor(horizon, newest, oldest)
    return anchors, anchors, anchors, ()


def divide_anchors(newest_first: list[int], options: SplitOptions, end_us: Callable[[int], int]) -> Divided:
    """Divide anchors by fractions so that every window of a split ends by the next split's first anchor.

    Returns:
        Anchors of train, val and test, and those left out; train or val is empty when there are too few.
    """
    num_test, num_val = (share(len(newest_first), f) for f in (options.test_fraction, options.val_fraction))
    test, rest, out_test = _newest(newest_first, num_test, end_us)
    val, train, out_val = _newest(rest, num_val, end_us)
    return _sorted(train), _sorted(val), _sorted(test), _sorted(out_test + out_val)


def _given(tables: Tables, horizon: Horizon, step: Offset, options: SplitOptions) -> Divided:
    val_start, test_start = options.val_start_us, options.test_start_us
    assert val_start is not None and test_start is not None
    count = options.num_eval_anchors
    last = latest_us(horizon.last_fact_us, options.end_us)
    first = options.start_us if options.start_us is not None else earliest_us(tables)
    test = _stepping(test_start, step, 1, lambda a: horizon.end_us(a) <= last, count)
    val = _stepping(val_start, step, 1, lambda a: horizon.end_us(a) <= test_start, count)
    before = _stepping(val_start, step, -1, lambda a: a >= first)[1:]
    straddling = [a for a in before if horizon.end_us(a) > val_start]
    train = _limited([a for a in before if horizon.end_us(a) <= val_start], options)
    _check_given(horizon, options, last, first, {"test": test, "val": val, "train": train})
    return _sorted(train), _sorted(val), _sorted(test), _sorted(straddling)


def _check_given(
    horizon: Horizon, options: SplitOptions, last: int, first: int, found: dict[str, list[int]]
) -> None:
    if all(found.values()):
        return
    val_start, test_start = options.val_start_us or 0, options.test_start_us or 0
    reasons = {
        "test": f"the window of the first test anchor, {format_time(test_start)}, ends "
        f"{format_time(horizon.end_us(test_start))}, after the last fact at {format_time(last)}",
        "val": f"the window of the first val anchor, {format_time(val_start)}, ends "
        f"{format_time(horizon.end_us(val_start))}, after the test split's start {format_time(test_start)}",
        "train": f"no window ends by {format_time(val_start)} and starts on or after "
        f"the first time of the data, {format_time(first)}",
    }
    name = next(split for split in ("test", "val", "train") if not found[split])
    raise UserError(
        "DATA073",
        f"the {name} split has no anchor: {reasons[name]}.",
        "move val_start and test_start, or shorten the target's window.",
    )


def _bounds(horizon: Horizon, options: SplitOptions) -> tuple[int, int]:
    """Return the newest anchor there can be, and the earliest that is allowed."""
    last = latest_us(horizon.last_fact_us, options.end_us)
    oldest = horizon.demanded_us if options.start_us is None else options.start_us
    return horizon.newest_anchor_us(last), oldest


def _stepping(
    first: int, step: Offset, sign: int, fits: Callable[[int], bool], count: int | None = None
) -> list[int]:
    """Walk from ``first`` in whole steps as long as each anchor fits."""
    found: list[int] = []
    for anchor in _walk(first, step, sign):
        if not fits(anchor) or (count is not None and len(found) == count):
            return found
        found.append(anchor)
        if len(found) > MAX_ANCHORS:
            raise UserError(
                "DATA074",
                f"anchors that are {step} apart are more than {MAX_ANCHORS:,} over the data.",
                "give a longer step or a time range.",
            )
    return found


def _walk(first: int, step: Offset, sign: int) -> Iterator[int]:
    previous = None
    k = 0
    while True:
        anchor = shift(step, first, sign * k)
        if anchor == previous:
            return
        yield anchor
        previous, k = anchor, k + 1


def _limited(newest_first: list[int], options: SplitOptions) -> list[int]:
    return newest_first if options.max_anchors is None else newest_first[: options.max_anchors]


def share(count: int, fraction: float) -> int:
    """Return how many of ``count`` a fraction is: rounded down, at least one."""
    # The small addend keeps 0.3 of 10 at 3 although 0.3 * 10 is a little less in binary.
    return max(1, int(count * fraction + 1e-9))


def _newest(
    rest: list[int], count: int, end_us: Callable[[int], int]
) -> tuple[list[int], list[int], list[int]]:
    """Take the newest anchors, then leave out those whose window reaches past the first of them."""
    taken, older = rest[:count], rest[count:]
    if not taken:
        return [], [], []
    clear = [a for a in older if end_us(a) <= taken[-1]]
    return taken, clear, [a for a in older if end_us(a) > taken[-1]]


def _sorted(anchors: list[int]) -> Anchors:
    return tuple(sorted(anchors))


def _too_little(horizon: Horizon, step: Offset, newest: int, oldest: int) -> UserError:
    anchor = newest
    for _ in range(2):
        anchor = _next_clear(anchor, step, horizon)
    missing = max(oldest - anchor, 1)
    found = (
        f"anchors may lie between {format_time(oldest)} and {format_time(newest)}, {_span(newest - oldest)}"
        if newest >= oldest
        else f"the first anchor may be {format_time(oldest)}, and {format_time(newest)} is the last whose "
        "window ends within the data"
    )
    return UserError(
        "DATA070",
        f"the data is too short for three splits: {found}, and train, val and test with windows that do not "
        f"overlap need {_span(newest - anchor)}; {_span(missing)} are missing.",
        f"shorten the target's window ({horizon.window}), give val and test times of your own, "
        "or add older or newer rows.",
    )


def _next_clear(anchor: int, step: Offset, horizon: Horizon) -> int:
    for earlier in _walk(anchor, step, -1):
        if horizon.end_us(earlier) <= anchor:
            return earlier
    return anchor


def _no_anchor(horizon: Horizon, newest: int, oldest: int) -> UserError:
    return UserError(
        "DATA070",
        f"the data is too short for one anchor: the newest may be {format_time(newest)}, the oldest "
        f"{format_time(oldest)}; {_span(oldest - newest)} are missing.",
        f"shorten the target's window ({horizon.window}), or add older or newer rows.",
    )


def _span(length_us: int) -> str:
    """Write a length in the largest unit that leaves at least one."""
    for name, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if length_us >= size * 1_000_000:
            return f"{length_us / size / 1e6:,.1f}".removesuffix(".0") + f" {name}"
    return f"{length_us / 1e6:g} seconds"


_RULES = {"given": _given, "fractions": _by_fractions, "split_column": _by_column}
