"""The verdict: is the best model worth its cost, said in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from weft.core import Split
from weft.learn.bootstrap import Interval, interval
from weft.learn.candidate import Candidate
from weft.learn.choice import best_on_val
from weft.learn.metrics import Metric

# Rungs up to the heuristic follow one rule that a person could apply by hand.
_RULES_COST = 20


@dataclass(frozen=True)
class Comparison:
    """How much better the winner is than another model on the same rows; positive is better.

    Attributes:
        model: The other model.
        difference: In units of the metric.
        low: Lower end of the 95 % interval.
        high: Upper end.
    """

    model: str
    difference: float
    low: float
    high: float

    @property
    def is_significant(self) -> bool:
        """Whether the interval leaves out zero on the winner's side."""
        return self.low > 0


@dataclass(frozen=True)
class Verdict:
    """What won, and whether that is more than noise.

    Attributes:
        sentence: For people.
        winner: The model that was chosen on val.
        simplest: The cheapest model that is not significantly worse; may be the winner.
        difference: Of the winner over the simplest, ``None`` when they are one.
        is_significant: Whether no simpler model is as good.
    """

    sentence: str
    winner: str
    simplest: str
    difference: Comparison | None
    is_significant: bool


def compare(
    metric: Metric, samples: np.ndarray, scores: Sequence[float | None], names: Sequence[str], winner: int
) -> tuple[Comparison, ...]:
    """Compare the winner with every other model on the same bootstrap samples.

    Args:
        metric: What is scored.
        samples: Shape ``(models, resamples)``, from `weft.learn.bootstrap.resample`.
        scores: Score of each model on all rows.
        names: Of the models.
        winner: Position of the winner.
    """
    found = []
    for i, name in enumerate(names):
        score, best = scores[i], scores[winner]
        if i == winner or score is None or best is None:
            continue
        sign = 1.0 if metric.higher_is_better else -1.0
        spread: Interval | None = interval(sign * (samples[winner] - samples[i]))
        if spread is not None:
            found.append(Comparison(name, sign * (best - score), spread.low, spread.high))
    return tuple(found)


def judge(
    metric: Metric,
    candidates: Sequence[Candidate],
    winner: Candidate,
    score: float | None,
    spread: Interval | None,
    comparisons: Sequence[Comparison],
    split: str,
) -> Verdict:
    """Say in one sentence what won, what simple means reach, and whether a simpler model would do.

    Args:
        metric: What is scored.
        candidates: All that have a score.
        winner: The one that was chosen on val.
        score: Of the winner on ``split``.
        spread: Its interval.
        comparisons: Of the winner with the others, on ``split``.
        split: Where the comparison was made.
    """
    by_name = {c.model: c for c in comparisons}
    cheaper = [c for c in candidates if c.cost < winner.cost and c.model in by_name]
    ordered = sorted(cheaper, key=lambda c: (c.cost, c.fit_s))
    close = next((c for c in ordered if not by_name[c.model].is_significant), None)
    head = _head(metric, candidates, winner, score, spread, split) + _baseline(
        metric, candidates, winner, split
    )
    if close is not None:
        against = by_name[close.model]
        how = "even does better there" if against.high < 0 else "is not significantly worse"
        sentence = f"{head}; the simpler {close.model} {how} ({_gap(against)}), so it may do."
        return Verdict(sentence, winner.model, close.model, against, False)
    if not ordered:
        is_alone = not any(c.cost < winner.cost for c in candidates)
        return Verdict(f"{head}, {_alone(winner, is_alone)}.", winner.model, winner.model, None, is_alone)
    best = min((by_name[c.model] for c in ordered), key=lambda c: c.difference)
    behind = f"{best.difference:.4g} [{best.low:.4g}, {best.high:.4g}] behind"
    sentence = f"{head}, significantly better than anything simpler; {best.model} comes closest, {behind}."
    return Verdict(sentence, winner.model, winner.model, best, True)


def _alone(winner: Candidate, is_alone: bool) -> str:
    """Say why the winner is compared with nothing simpler."""
    if not is_alone:
        return "and the simpler models cannot be compared with it there"
    return "and nothing is simpler" if winner.cost == 0 else "and nothing simpler was tried"


def _head(
    metric: Metric,
    candidates: Sequence[Candidate],
    winner: Candidate,
    score: float | None,
    spread: Interval | None,
    split: str,
) -> str:
    best = candidates[best_on_val(metric, candidates)].model
    chosen = f"{winner.model} is best on val"
    if best != winner.model:
        chosen = f"{winner.model} is chosen, as val cannot tell it from {best},"
    if score is None:
        return f"{chosen}; its {metric.name} is undefined on {split}"
    inside = f" [{spread.low:.4g}, {spread.high:.4g}]" if spread else ""
    return f"{chosen} and reaches {metric.name} {score:.4g}{inside} on {split}"


def _baseline(metric: Metric, candidates: Sequence[Candidate], winner: Candidate, split: str) -> str:
    """Say what a constant and the rule that is best on val reach, as far as they are not the winner."""
    told = []
    constant = next((c for c in candidates if c.cost == 0 and c.model != winner.model), None)
    if constant is not None and (reached := _score_on(constant, split)) is not None:
        told.append(f"a constant reaches {reached:.4g}")
    rules = [c for c in candidates if 0 < c.cost <= _RULES_COST and c.val is not None]
    rule = max(rules, key=lambda c: metric.gain(c.val or 0.0, 0.0), default=None)
    if rule is not None and rule.cost < winner.cost and (reached := _score_on(rule, split)) is not None:
        told.append(f"the best simple rule, “{rule.words}”, reaches {reached:.4g}")
    return f" ({'; '.join(told)})" if told else ""


def _score_on(candidate: Candidate, split: str) -> float | None:
    return candidate.test if split == Split.TEST.value else candidate.val


def _gap(comparison: Comparison) -> str:
    return f"{comparison.difference:+.4g} [{comparison.low:+.4g}, {comparison.high:+.4g}]"
