"""How a budget becomes rounds of trials, before any data are read: each trial is a node of a Plan."""

from __future__ import annotations

import enum
from dataclasses import dataclass

_LEAST_S = 15.0
_SHARE = 0.6
_LONGER = 3
_WAVE = 4
_MOST_TRIALS = 48


class Kind(enum.StrEnum):
    """What the trials of a round are."""

    PORTFOLIO = "portfolio"
    SEARCH = "search"
    LONGER = "longer"


@dataclass(frozen=True)
class Round:
    """Trials that may run side by side, after all trials of the rounds before.

    Attributes:
        kind: Good configurations known beforehand; what earlier trials suggest; or the best ones again,
            going on from their weights with a larger budget.
        trials: How many at most.
        budget_s: CPU seconds of each; 0 is no limit.
    """

    kind: Kind
    trials: int
    budget_s: float


def plan_rounds(budget_s: float, trials: int = 0) -> tuple[Round, ...]:
    """Divide a budget: successive halving over a portfolio and what is then proposed.

    A small budget is one configuration. A larger one spends three fifths on short trials and the rest
    on three times longer ones of the best third (successive halving, Jamieson and Talwalkar, 2016).

    Args:
        budget_s: CPU seconds for all trials; not looked at where ``trials`` is given.
        trials: Number of trials instead, each of its own full length.
    """
    if trials:
        return _waves(trials, 0.0)
    if budget_s < 2 * _LEAST_S + _LONGER * _LEAST_S / 2:
        return (Round(Kind.PORTFOLIO, 1, budget_s),)
    each = max(_LEAST_S, budget_s * _SHARE / _MOST_TRIALS)
    short = int(budget_s * _SHARE / each)
    rest = budget_s - short * each
    longer = max(1, int(rest / (_LONGER * each)))
    return (*_waves(short, each), Round(Kind.LONGER, longer, rest / longer))


def _waves(trials: int, budget_s: float) -> tuple[Round, ...]:
    first = min(_WAVE, trials)
    rounds = [Round(Kind.PORTFOLIO, first, budget_s)]
    for begun in range(first, trials, _WAVE):
        rounds.append(Round(Kind.SEARCH, min(_WAVE, trials - begun), budget_s))
    return tuple(rounds)
