"""The next configurations, from those that were tried: a tree-structured Parzen estimator by Optuna."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from weft.learn.search.space import Choices, Range, Space, arrange, complete, plain

_STARTUP = 6


@dataclass(frozen=True)
class Trial:
    """One configuration and how it did.

    Attributes:
        config: Of the network.
        gain: Score on val, higher is better.
    """

    config: Mapping[str, Any]
    gain: float


def propose(space: Space, finished: Sequence[Trial], count: int, seed: int) -> list[dict[str, Any]]:
    """Suggest configurations that promise more than those that were tried.

    The same trials and seed give the same suggestions. A trial outside of the space counts as the nearest
    point inside.

    Args:
        space: What may be tried.
        finished: What was tried, in any order.
        count: How many to suggest; they differ from each other.
        seed: Of the estimator (Bergstra, 2011, multivariate as in Falkner, 2018).
    """
    import optuna

    with _quiet():
        sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, constant_liar=True, n_startup_trials=_STARTUP
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        dimensions = {name: _distribution(space[name]) for name in sorted(space)}
        for trial in sorted(finished, key=lambda t: (t.gain, str(sorted(t.config.items())))):
            study.add_trial(_told(trial, space, dimensions))
        suggested: list[dict[str, Any]] = []
        for _ in range(count):
            asked = study.ask(fixed_distributions=dimensions).params
            suggested.append(arrange({name: _meant(space[name], asked[name]) for name in asked}))
    return suggested


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the estimator tells of its own studies to itself, and leave its settings as they were."""
    import optuna

    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(before)


def improves(gains: Sequence[float], patience: int) -> bool:
    """Whether the best of some trials, in the order they were made, is among the last ones.

    Args:
        gains: Scores on val, higher is better.
        patience: How many trials may pass without a better one.
    """
    if len(gains) <= patience:
        return True
    return max(gains[-patience:]) > max(gains[:-patience])


def _told(trial: Trial, space: Space, dimensions: Mapping[str, Any]) -> Any:
    """Write a finished trial as the estimator reads it."""
    import optuna

    point = complete(trial.config, space)
    known = {name: _written(space[name], value) for name, value in point.items()}
    return optuna.trial.create_trial(params=known, distributions=dict(dimensions), value=trial.gain)


def _distribution(dimension: Choices | Range) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Range) and dimension.step:
        low, high = (math.ceil(dimension.low / dimension.step), int(dimension.high / dimension.step))
        return IntDistribution(low, high, log=dimension.is_log)
    if isinstance(dimension, Range):
        return FloatDistribution(dimension.low, dimension.high, log=dimension.is_log)
    # Lists and booleans are told by their place: the estimator takes plain words and numbers.
    return CategoricalDistribution(tuple(range(len(dimension.values))))


def _written(dimension: Choices | Range, value: Any) -> Any:
    if isinstance(dimension, Range):
        return round(value / dimension.step) if dimension.step else float(value)
    return [plain(v) for v in dimension.values].index(plain(value))


def _meant(dimension: Choices | Range, value: Any) -> Any:
    if isinstance(dimension, Range):
        return value * dimension.step if dimension.step else value
    return dimension.values[value]
