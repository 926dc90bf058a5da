"""Metrics: a registry, each with its direction, what it needs and its bounds."""

from __future__ import annotations

import functools
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from weft.core import Task, UserError
from weft.learn.metrics.classification import CLASSIFICATION_METRICS
from weft.learn.metrics.metric import Metric, Needs, Weighted, mean_metric
from weft.learn.metrics.ranking import (
    RANKING_NAMES,
    named_of_classes,
    named_of_items,
    rank_items,
    ranking_metric,
)
from weft.learn.metrics.regression import REGRESSION_METRICS

METRIC_GROUP = "weft.metrics"
_BUILT_IN = {m.name: m for m in (*CLASSIFICATION_METRICS, *REGRESSION_METRICS)}


def metric_names() -> tuple[str, ...]:
    """List the metrics that are installed; ``@k`` stands for any length of list."""
    return tuple(sorted({*_BUILT_IN, *RANKING_NAMES, *_plugged_in()}))


@functools.cache
def get_metric(name: str) -> Metric:
    """Return the metric called ``name``, such as ``auroc`` or ``map@12``.

    Raises:
        UserError: ``LEARN007`` when there is none; ``LEARN011`` when its package does not load.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    if name in (added := _plugged_in()):
        return _load(added[name])
    base, _, length = name.partition("@")
    found = ranking_metric(base, int(length)) if length.isdigit() else None
    if found is None:
        raise UserError(
            "LEARN007", f"there is no metric '{name}'.", f"choose among {', '.join(metric_names())}."
        )
    return found


def metrics_for(task: Task) -> tuple[Metric, ...]:
    """List the metrics that are reported for ``task``, the one that candidates are chosen by first."""
    chosen = get_metric(task.metric)
    ranked = [get_metric(n.replace("@k", f"@{task.top_k}")) for n in RANKING_NAMES] if task.top_k else []
    added = [get_metric(n) for n in sorted(_plugged_in())]
    fitting = [m for m in (*_BUILT_IN.values(), *ranked, *added) if task.type in m.tasks]
    return (chosen, *(m for m in fitting if m.name != chosen.name))


def _load(entry_point: EntryPoint) -> Metric:
    try:
        loaded: Any = entry_point.load()
        found = loaded if isinstance(loaded, Metric) else loaded()
        if not isinstance(found, Metric):
            raise TypeError(f"it is a {type(found).__name__}, not a weft.learn.Metric")
    except Exception as error:
        raise UserError(
            "LEARN011",
            f"'{entry_point.name}' of the group {entry_point.group} does not load: "
            f"{type(error).__name__}: {error}.",
            "repair or remove the package that registers it.",
        ) from error
    return found


@functools.cache
def _plugged_in() -> dict[str, EntryPoint]:
    return {e.name: e for e in entry_points(group=METRIC_GROUP)}


__all__ = [
    "METRIC_GROUP",
    "Metric",
    "Needs",
    "Weighted",
    "get_metric",
    "mean_metric",
    "metric_names",
    "metrics_for",
    "named_of_classes",
    "named_of_items",
    "rank_items",
]
