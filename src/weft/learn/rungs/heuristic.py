"""The rule of thumb: the one feature that tells most, found on train alone and named in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core import FeatureKind, Progress, Resources, Task, TaskType
from weft.learn.data import Outline, Rows, TrainingData
from weft.learn.rung import Budget, Config, Header, Model, not_applicable
from weft.learn.rungs.constant import best_constant
from weft.learn.rungs.distribution import (
    Distribution,
    assign_bins,
    find_edges,
    fit_distribution,
)
from weft.learn.rungs.rule import RuleModel
from weft.learn.scoring import gain_of
from weft.learn.targets import Targets

_SCREEN_ROWS = 20_000
_SHORTLIST = 12
_PRIOR_ROWS = 10.0


@dataclass(frozen=True)
class Curve:
    """A monotone curve over one numerical feature.

    Attributes:
        feature: Position of the feature.
        rises: The prediction goes up with the feature, or down.
        knots: Ascending values of the feature.
        heights: The prediction at each knot; lines in between, flat outside.
        missing: The prediction where the feature is missing.
        prior: The prediction knowing nothing.
    """

    feature: int
    rises: bool
    knots: tuple[float, ...]
    heights: tuple[float, ...]
    missing: float
    prior: float

    def apply(self, matrix: np.ndarray) -> np.ndarray:
        """Predict from encoded features."""
        column = matrix[:, self.feature].astype(np.float64)
        known = np.isfinite(column)
        found = np.interp(np.where(known, column, self.knots[0]), self.knots, self.heights)
        return np.where(known, found, self.missing)


class HeuristicModel(RuleModel):
    """Predicts from a single feature."""

    rung = "heuristic"
    numbers = Curve

    @property
    def words(self) -> str:
        """Say the rule: "the more results in the last 365 days, the likelier"."""
        feature = self.header.encoder.features[self.rule.feature]
        if not isinstance(self.rule, Curve):
            return f"what train shows for each value of {feature.words}"
        outcome = {TaskType.BINARY: ("likelier", "less likely")}.get(
            self.header.task.type, ("higher the prediction", "lower the prediction")
        )
        return f"the {_more(feature.words)}, the {outcome[0] if self.rule.rises else outcome[1]}"


class HeuristicRung:
    """The best single feature, with its direction and a monotone calibration, all on train."""

    name = "heuristic"
    cost = 20
    model = HeuristicModel

    def supports(self, task: Task) -> bool:
        """Do every task but link prediction."""
        return task.type is not TaskType.LINK_PREDICTION

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """There is one."""
        return [{}]

    def fit(
        self,
        data: TrainingData,
        config: Config,
        seed: int,
        *,
        resources: Resources,
        deadline: float | None,
        progress: Progress,
    ) -> Model:
        """Screen all features on a sample of train, then fit the best few and keep one.

        Raises:
            UserError: ``LEARN010`` when no feature varies.
        """
        header = Header(data.task, data.classes, data.encoder)
        sample = _sample(data.train, seed)
        merits = np.array([_merit(sample, i, data) for i in range(len(data.features))])
        shortlist = [int(i) for i in np.argsort(-merits, kind="stable")[:_SHORTLIST] if merits[i] > 0]
        if not shortlist:
            raise not_applicable(self.name, "no feature goes with the label on train")
        models = [HeuristicModel(header, _fit_rule(data, i)) for i in shortlist]
        return max(models, key=lambda m: _quality(m, data))


def _more(words: str) -> str:
    for start in ("the number of ", "number of ", "how many "):
        if words.startswith(start):
            return f"more {words[len(start) :]}"
    return f"higher {words}"


def _sample(rows: Rows, seed: int) -> Rows:
    if len(rows) <= _SCREEN_ROWS:
        return rows
    chosen = np.sort(np.random.default_rng(seed).choice(len(rows), _SCREEN_ROWS, replace=False))
    return rows.take(chosen)


def _merit(rows: Rows, position: int, data: TrainingData) -> float:
    """Return the share of the labels' variance that the bins of a feature explain.

    Bins are charged for their number, as in the adjusted R², so that many values alone gain nothing.
    """
    column = rows.matrix[:, position]
    categorical = data.features[position].kind is FeatureKind.CATEGORICAL
    edges = () if categorical else find_edges(column)
    bins = assign_bins(column, edges)
    counts = np.bincount(bins)
    used = int((counts > 0).sum())
    if used < 2 or len(rows) <= used + 1:
        return 0.0
    shares = [_explained(bins, counts, y) for y in _responses(rows, data)]
    explained = float(np.mean(shares)) if shares else 0.0
    return 1 - (1 - explained) * (len(rows) - 1) / (len(rows) - used)


def _responses(rows: Rows, data: TrainingData) -> list[np.ndarray]:
    """Return what is to be explained: the label (its rank for numbers), or up to 20 classes."""
    values = rows.targets.values
    if values.ndim == 2:
        return [values[:, c].astype(float) for c in np.argsort(-values.sum(axis=0), kind="stable")[:20]]
    if data.task.type is TaskType.MULTICLASS:
        counts = np.bincount(values[values >= 0], minlength=len(data.classes))
        return [(values == c).astype(float) for c in np.argsort(-counts, kind="stable")[:20]]
    if data.task.type is TaskType.BINARY:
        return [values]
    return [np.searchsorted(np.sort(values), values).astype(float)]


def _explained(bins: np.ndarray, counts: np.ndarray, response: np.ndarray) -> float:
    centered = response - response.mean()
    total = float(centered @ centered)
    sums = np.bincount(bins, weights=centered)
    return float((sums**2 / np.maximum(counts, 1)).sum() / total) if total > 0 else 0.0


def _fit_rule(data: TrainingData, position: int) -> Curve | Distribution:
    metric = data.outline.chosen_metric
    prior = best_constant(data.task, metric, data.train.targets, len(data.classes))
    categorical = data.features[position].kind is FeatureKind.CATEGORICAL
    if prior.ndim:
        edges = () if categorical else find_edges(data.train.matrix[:, position])
        return fit_distribution(data.train, position, prior, _PRIOR_ROWS, edges)
    if categorical:
        return _fit_levels(data, position, float(prior))
    return _fit_curve(data, position, float(prior))


def _fit_levels(data: TrainingData, position: int, prior: float) -> Curve:
    """Give each category its own level: a curve over the codes that need not be monotone."""
    codes = data.train.matrix[:, position].astype(np.int64)
    knots = np.unique(codes)
    heights = [_level(data, data.train.targets.values[codes == k], prior) for k in knots]
    return Curve(position, True, tuple(map(float, knots)), tuple(heights), prior, prior)


def _fit_curve(data: TrainingData, position: int, prior: float) -> Curve:
    from sklearn.isotonic import isotonic_regression

    column, values = data.train.matrix[:, position], data.train.targets.values
    bins = assign_bins(column, find_edges(column))
    present = [b for b in np.unique(bins) if b > 0]
    knots = np.array([float(np.mean(column[bins == b], dtype=np.float64)) for b in present])
    heights = np.array([_level(data, values[bins == b], prior) for b in present])
    weights = np.array([(bins == b).sum() for b in present], dtype=float)
    missing = _level(data, values[bins == 0], prior) if (bins == 0).any() else prior
    if not present:
        return Curve(position, True, (0.0,), (missing,), missing, prior)
    fits = {r: isotonic_regression(heights, sample_weight=weights, increasing=r) for r in (True, False)}
    errors = {r: float(weights @ (fit - heights) ** 2) for r, fit in fits.items()}
    rises = errors[True] <= errors[False]
    curve = tuple(float(h) for h in fits[rises])
    return Curve(position, rises, tuple(knots.tolist()), curve, missing, prior)


def _level(data: TrainingData, values: np.ndarray, prior: float) -> float:
    """Return the best constant of some rows, drawn towards the prior when they are few."""
    own = float(best_constant(data.task, data.outline.chosen_metric, _targets(values), 0))
    return (len(values) * own + _PRIOR_ROWS * prior) / (len(values) + _PRIOR_ROWS)


def _targets(values: np.ndarray) -> Targets:
    return Targets(values, np.ones(len(values), dtype=np.int64))


def _quality(model: HeuristicModel, data: TrainingData) -> float:
    predicted = model.score(data.train.matrix)
    return gain_of(data.outline.chosen_metric, data.task.type, data.train.targets, predicted)
