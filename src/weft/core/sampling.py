"""What to sample: hops, fanouts, strategies, as frozen data."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from weft.core.arguments import MOST_UINT64, check_integer, check_word
from weft.core.batch import Scope, Toward
from weft.core.errors import UserError

ALL = -1
MAX_HOPS = 6
_MOST_FANOUT = 2**32 - 2
LinkKey = str | tuple[str, Toward]


class Choice(enum.StrEnum):
    """Which visible neighbors are kept where there are more than the fanout."""

    LAST = "last"
    UNIFORM = "uniform"
    WINDOW = "window"
    RECENT_WEIGHTED = "recent_weighted"


_LENGTHS = {Choice.WINDOW: "window_us", Choice.RECENT_WEIGHTED: "half_life_us"}


@dataclass(frozen=True)
class Strategy:
    """How neighbors are chosen among those not later than the anchor.

    Attributes:
        choice: ``LAST``: the most recent. ``UNIFORM``: without replacement, each set with the same chance.
            ``WINDOW``: the most recent of those in (anchor - window, anchor]. ``RECENT_WEIGHTED``: one after
            the other without replacement, with chances that halve with every half-life of age. Rows without
            a time are visible always: older than any other, inside every window, weighted as the oldest.
        window_us: Length of the window, microseconds.
        half_life_us: Half-life of the weights, microseconds.

    Raises:
        UserError: ``GRAPH042`` for an unknown choice, and a window or half-life missing or not positive.
    """

    choice: Choice = Choice.LAST
    window_us: int | None = None
    half_life_us: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "choice", check_word("GRAPH042", "a strategy", self.choice, Choice))
        for name in ("window_us", "half_life_us"):
            value = getattr(self, name)
            if value is None and _LENGTHS.get(self.choice) == name:
                raise UserError(
                    "GRAPH042",
                    f"the strategy '{self.choice.value}' was given no {name}.",
                    f"give Strategy('{self.choice.value}', {name}=…), a number of microseconds.",
                )
            if value is not None:
                what = f"{name} of a strategy"
                object.__setattr__(self, name, check_integer("GRAPH042", what, value, least=1))

    @staticmethod
    def of(given: Any) -> Strategy:
        """Return a strategy as it is, and the one that a word names."""
        return given if isinstance(given, Strategy) else Strategy(given)

    @property
    def span_us(self) -> int:
        """Return the window or half-life, 0 for strategies without either."""
        spans = {Choice.WINDOW: self.window_us, Choice.RECENT_WEIGHTED: self.half_life_us}
        return spans.get(self.choice) or 0


@dataclass(frozen=True)
class SampleOptions:
    """What is sampled around a seed.

    Attributes:
        fanouts: One entry per hop, 1 to 6 of them: how many children each row keeps, for all links; or a
            mapping of links to such numbers, where a link is its name (both directions) or (name, `Toward`),
            and ``"*"`` stands for those not named. `ALL` keeps every visible child, 0 does not walk the
            link. A row has one parent per link, which is kept unless the number is 0.
        strategy: How children are chosen; the word of a choice is enough where it needs no length.
        strategies: The same for single links, by name.
        scope: Neighborhoods per seed, or shared by the seeds of one anchor time.
        crossed: Bridge tables: their parents are reached in the hop that reaches their rows.
        columns: Tables whose rows come with their values; ``None`` is all of them.
        seed: Of the random draws.

    Raises:
        UserError: ``GRAPH042`` for options that make no sense.
    """

    fanouts: tuple[int | Mapping[LinkKey, int], ...] = (10, 10)
    strategy: Strategy = field(default_factory=Strategy)
    strategies: Mapping[str, Strategy] = field(default_factory=dict)
    scope: Scope = Scope.DISJOINT
    crossed: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        fixed = {
            "fanouts": _checked_fanouts(self.fanouts),
            "strategy": Strategy.of(self.strategy),
            "strategies": _checked_strategies(self.strategies),
            "scope": check_word("GRAPH042", "the scope", self.scope, Scope),
            "crossed": _checked_names("crossed", self.crossed),
            "columns": None if self.columns is None else _checked_names("columns", self.columns),
            "seed": check_integer("GRAPH042", "the seed of a sampling", self.seed, most=MOST_UINT64),
        }
        for name, value in fixed.items():
            object.__setattr__(self, name, value)

    def fanout(self, hop: int, link: str, toward: Toward) -> int:
        """Return how many neighbors a row keeps over a link in one direction at a hop, counted from 0."""
        given = self.fanouts[hop]
        if not isinstance(given, Mapping):
            return given
        for key in ((link, toward), link, "*"):
            if key in given:
                return given[key]
        return 0


def _checked_fanouts(given: Any) -> tuple[int | Mapping[LinkKey, int], ...]:
    if not isinstance(given, Iterable) or isinstance(given, str | Mapping):
        raise UserError(
            "GRAPH042",
            f"the fanouts are {given!r}.",
            "give one entry per hop, such as (10, 5), or (10,) for one.",
        )
    hops = tuple(given)
    if not 1 <= len(hops) <= MAX_HOPS:
        raise UserError(
            "GRAPH042", f"{len(hops)} hops were asked for.", f"give 1 to {MAX_HOPS} fanouts, one per hop."
        )
    return tuple(
        {_checked_link(k): _checked_fanout(n) for k, n in hop.items()}
        if isinstance(hop, Mapping)
        else _checked_fanout(hop)
        for hop in hops
    )


def _checked_strategies(given: Any) -> Mapping[str, Strategy]:
    if not isinstance(given, Mapping):
        raise UserError(
            "GRAPH042",
            f"the strategies are {given!r}.",
            "give a mapping of links, or strategy=… for all links.",
        )
    for link in given:
        if not isinstance(link, str):
            raise UserError(
                "GRAPH042", f"strategies name {link!r}.", "name links; both directions share a strategy."
            )
    return {link: Strategy.of(one) for link, one in given.items()}


def _checked_fanout(given: Any) -> int:
    return check_integer(
        "GRAPH042", "a fanout (0 leaves a link out, -1 keeps all)", given, least=ALL, most=_MOST_FANOUT
    )


def _checked_link(key: Any) -> LinkKey:
    if isinstance(key, str):
        return key
    if not isinstance(key, tuple) or len(key) != 2 or not isinstance(key[0], str):
        raise UserError(
            "GRAPH042",
            f"{key!r} is no link of a fanout.",
            "give its name, or (name, 'parent' or 'children').",
        )
    return key[0], check_word("GRAPH042", f"the direction of '{key[0]}'", key[1], Toward)


def _checked_names(option: str, given: Any) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        example = f"({given!r},)" if isinstance(given, str) else "('orders',)"
        raise UserError("GRAPH042", f"{option} is {given!r}.", f"give names of tables, such as {example}.")
    return tuple(given)
