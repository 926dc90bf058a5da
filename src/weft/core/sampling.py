"""What to sample: hops, fanouts, strategies, as frozen data."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from weft.core.batch import Scope, Toward
from weft.core.errors import UserError

ALL = -1
MAX_HOPS = 6
LinkKey = str | tuple[str, Toward]


class Choice(enum.StrEnum):
    """Which visible neighbors are kept where there are more than the fanout."""

    LAST = "last"
    UNIFORM = "uniform"
    WINDOW = "window"
    RECENT_WEIGHTED = "recent_weighted"


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
        UserError: ``GRAPH042`` for a window or half-life that is missing or not positive.
    """

    choice: Choice = Choice.LAST
    window_us: int | None = None
    half_life_us: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "choice", Choice(self.choice))
        needed = {Choice.WINDOW: ("window_us", self.window_us)}
        needed[Choice.RECENT_WEIGHTED] = ("half_life_us", self.half_life_us)
        name, value = needed.get(self.choice, ("", 1))
        if value is None or value <= 0:
            raise UserError(
                "GRAPH042",
                f"the strategy '{self.choice.value}' needs a positive {name}, not {value}.",
                f"give {name} in microseconds.",
            )

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
        strategy: How children are chosen.
        strategies: The same for single links, by name.
        scope: Neighborhoods per seed, or shared by the seeds of one anchor time.
        crossed: Bridge tables: their parents are reached in the hop that reaches their rows.
        columns: Tables whose rows come with their values; ``None`` is all of them.
        seed: Of the random draws.

    Raises:
        UserError: ``GRAPH042`` for fanouts that make no sense.
    """

    fanouts: tuple[int | Mapping[LinkKey, int], ...] = (10, 10)
    strategy: Strategy = field(default_factory=Strategy)
    strategies: Mapping[str, Strategy] = field(default_factory=dict)
    scope: Scope = Scope.DISJOINT
    crossed: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "scope", Scope(self.scope))
        if not 1 <= len(self.fanouts) <= MAX_HOPS:
            raise UserError(
                "GRAPH042",
                f"{len(self.fanouts)} hops were asked for.",
                f"give 1 to {MAX_HOPS} fanouts, one per hop.",
            )
        for hop in self.fanouts:
            for number in hop.values() if isinstance(hop, Mapping) else (hop,):
                if not isinstance(number, int) or isinstance(number, bool) or number < ALL:
                    raise UserError(
                        "GRAPH042",
                        f"{number!r} is not a fanout.",
                        "give a number of neighbors, 0 to leave a link out, or -1 for all.",
                    )
        if not 0 <= self.seed < 2**64:
            raise UserError("GRAPH042", f"{self.seed} is not a seed.", "give an integer from 0 to 2**64 - 1.")

    def fanout(self, hop: int, link: str, toward: Toward) -> int:
        """Return how many neighbors a row keeps over a link in one direction at a hop, counted from 0."""
        given = self.fanouts[hop]
        if not isinstance(given, Mapping):
            return given
        for key in ((link, toward), link, "*"):
            if key in given:
                return given[key]
        return 0
