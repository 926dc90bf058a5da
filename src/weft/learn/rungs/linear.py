"""A regularized linear model on evenly spread features: cheap, smooth, unlike trees, so it blends well."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from weft.core import FeatureKind, Progress, Resources, Task, TaskType, from_plain, to_plain
from weft.learn.data import Outline, Rows, TrainingData
from weft.learn.encoder import FIRST_CODE, MISSING_CODE
from weft.learn.matrices import take
from weft.learn.metrics import get_metric
from weft.learn.rung import Budget, Config, Header, Model, not_applicable, sigmoid
from weft.learn.scoring import fallback_metric, score

_NUM_KNOTS = 33
_MOST_CODES = 12
_MAX_FEATURES = 200
_MAX_ROWS = 15_000
_PENALTIES = (1e-3, 1e-2, 1e-1)
_MAX_STEPS = 40


@dataclass(frozen=True)
class Term:
    """One column of the design.

    Attributes:
        feature: Position of the feature.
        knots: Ascending quantiles of train that spread a number evenly over -1 to 1; empty for others.
        code: The category that is marked by 1; ``None`` for numbers.
        is_missing: Marks rows where the number is missing by 1.
    """

    feature: int
    knots: tuple[float, ...] = ()
    code: int | None = None
    is_missing: bool = False

    def column(self, matrix: np.ndarray) -> np.ndarray:
        """Compute the column from encoded features; 0 where a number is missing."""
        values = np.asarray(matrix[:, self.feature], dtype=np.float64)
        if self.code is not None:
            return np.asarray(values == self.code, dtype=np.float64)
        missing = np.isnan(values)
        if self.is_missing:
            return np.asarray(missing, dtype=np.float64)
        places = np.interp(np.where(missing, 0.0, values), self.knots, np.linspace(-1, 1, len(self.knots)))
        return np.where(missing, 0.0, places)


class LinearModel(Model):
    """A weighted sum of terms; log-odds or softmax where the task is a classification."""

    rung = "linear"

    def __init__(
        self, header: Header, terms: tuple[Term, ...], weights: np.ndarray, means: np.ndarray
    ) -> None:
        super().__init__(header)
        self.terms = terms
        self.weights = weights
        self.means = means

    @property
    def words(self) -> str:
        """Say what is added up."""
        return f"a weighted sum over {len({t.feature for t in self.terms})} features"

    def raw(self, matrix: np.ndarray) -> np.ndarray:
        """Add up the terms, ``(n,)`` or ``(n, classes)``."""
        total = design(self.terms, matrix, self.means) @ self.weights[:-1] + self.weights[-1]
        return np.asarray(total if self.header.classes else total[:, 0])

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """Predict from encoded features."""
        return to_prediction(self.header.task, self.raw(matrix))

    def contribution_matrix(self, matrix: np.ndarray, class_index: int | None = None) -> np.ndarray | None:
        """Give each term, measured from its mean over train, to its feature."""
        weights = self.weights[:, class_index or 0]
        divided = np.zeros((len(matrix), matrix.shape[1] + 1))
        columns = design(self.terms, matrix, self.means) * weights[:-1]
        for place, term in enumerate(self.terms):
            divided[:, term.feature] += columns[:, place]
        divided[:, -1] = weights[-1]
        return divided

    def state(self) -> dict[str, Any]:
        """Return terms and weights."""
        return {
            "terms": [to_plain(t) for t in self.terms],
            "weights": self.weights.tolist(),
            "means": self.means.tolist(),
        }

    @classmethod
    def from_state(cls, header: Header, state: dict[str, Any], directory: Path) -> Self:
        """Rebuild from terms and weights."""
        terms = tuple(from_plain(Term, t) for t in state["terms"])
        outputs = max(1, len(header.classes))
        weights = np.asarray(state["weights"], dtype=np.float64).reshape(-1, outputs)
        return cls(header, terms, weights, np.asarray(state["means"], dtype=np.float64))


class LinearRung:
    """Ridge or logistic regression with the penalty chosen on val."""

    name = "linear"
    cost = 30
    model: type[Model] = LinearModel

    def supports(self, task: Task) -> bool:
        """Do tasks with one answer per row."""
        return task.type in (
            TaskType.BINARY,
            TaskType.REGRESSION,
            TaskType.MULTICLASS,
            TaskType.FORECASTING,
        )

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """One per kind of train rows."""
        return [{}, *({"variant": n, "train_cutoffs": n} for n in outline.alternatives)]

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
        """Fit every penalty on train and keep the best on val.

        Raises:
            UserError: ``LEARN010`` when no feature varies.
        """
        rows = _usable(data.train_rows(str(config.get("train_cutoffs", "own"))), data.task, seed)
        terms = _choose_terms(data, rows)
        if not terms:
            raise not_applicable(self.name, "no feature varies on train")
        columns = design(terms, rows.matrix, np.zeros(len(terms)))
        means = columns.mean(axis=0)
        columns -= means
        goals = _goals(data, rows)
        header = Header(data.task, data.classes, data.encoder)
        held = design(terms, data.val.matrix, means)
        found: list[tuple[float, np.ndarray]] = []
        weights = np.zeros((len(terms) + 1, goals.shape[1]))
        for place, penalty in enumerate(sorted(_PENALTIES, reverse=True)):
            # Each penalty starts from the stronger one's weights, which are near.
            weights = _solve(data.task, columns, goals, penalty, weights)
            raw = held @ weights[:-1] + weights[-1]
            predicted = to_prediction(data.task, raw if data.classes else raw[:, 0])
            found.append((_quality(data, predicted), weights))
            progress.update(place + 1, len(_PENALTIES), f"penalty {penalty:g}")
        return LinearModel(header, terms, max(found, key=lambda f: f[0])[1], means)


def design(terms: tuple[Term, ...], matrix: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Compute the columns of the terms, less their means."""
    columns = np.empty((len(matrix), len(terms)))
    for place, term in enumerate(terms):
        columns[:, place] = term.column(matrix) - means[place]
    return columns


def to_prediction(task: Task, raw: np.ndarray) -> np.ndarray:
    """Turn sums into probabilities where the task asks for them."""
    if task.type is TaskType.BINARY:
        return sigmoid(raw)
    return _softmax(raw) if task.type is TaskType.MULTICLASS else raw


def _usable(rows: Rows, task: Task, seed: int) -> Rows:
    known = np.arange(len(rows))
    if task.type is TaskType.MULTICLASS:
        known = np.flatnonzero(rows.targets.values >= 0)
    if len(known) > _MAX_ROWS:
        known = np.sort(np.random.default_rng(seed).choice(known, _MAX_ROWS, replace=False))
    return rows.take(known)


def _goals(data: TrainingData, rows: Rows) -> np.ndarray:
    if data.task.type is not TaskType.MULTICLASS:
        return np.asarray(rows.targets.values[:, None])
    return np.asarray(rows.targets.values[:, None] == np.arange(len(data.classes)), dtype=np.float64)


def _choose_terms(data: TrainingData, rows: Rows) -> tuple[Term, ...]:
    """Make the terms of every feature and keep those of the features that go most with the label."""
    goals = _goals(data, rows)
    if goals.shape[1] == 1 and data.task.type is not TaskType.BINARY:
        goals = np.searchsorted(np.sort(goals[:, 0]), goals).astype(np.float64)
    goals = goals - goals.mean(axis=0)
    strengths: list[tuple[float, list[Term]]] = []
    for position, feature in enumerate(data.features):
        terms = _terms(position, feature.kind, take(rows.matrix, np.arange(len(rows)), [position])[:, 0])
        strengths.append((max((_strength(t, rows.matrix, goals) for t in terms), default=0.0), terms))
    best = np.argsort([-s for s, _ in strengths], kind="stable")[:_MAX_FEATURES]
    return tuple(t for i in sorted(best.tolist()) if strengths[i][0] > 0 for t in strengths[i][1])


def _terms(position: int, kind: FeatureKind, values: np.ndarray) -> list[Term]:
    if kind is FeatureKind.CATEGORICAL:
        codes, counts = np.unique(values, return_counts=True)
        if len(codes) < 2:
            return []
        frequent = codes[np.argsort(-counts, kind="stable")][:_MOST_CODES]
        return [Term(position, code=int(c)) for c in sorted(frequent) if c >= FIRST_CODE or c == MISSING_CODE]
    known = values[np.isfinite(values)]
    terms = []
    if len(known) and known.min() < known.max():
        grid = np.quantile(known.astype(np.float64), np.linspace(0, 1, _NUM_KNOTS))
        terms.append(Term(position, knots=tuple(np.unique(grid).tolist())))
    if 0 < len(known) < len(values):
        terms.append(Term(position, is_missing=True))
    return terms


def _strength(term: Term, matrix: np.ndarray, goals: np.ndarray) -> float:
    column = term.column(matrix)
    column = column - column.mean()
    spread = float(np.sqrt((column @ column) * (goals**2).sum()))
    return float(np.abs(column @ goals).max()) / spread if spread > 0 else 0.0


def _solve(
    task: Task, columns: np.ndarray, goals: np.ndarray, penalty: float, start: np.ndarray
) -> np.ndarray:
    """Minimize mean loss + penalty × squared weights; the last row of the result is the offset."""
    num, width = columns.shape
    if task.type in (TaskType.REGRESSION, TaskType.FORECASTING):
        offset = goals.mean(axis=0)
        gram = columns.T @ columns / num + penalty * np.eye(width)
        return np.vstack([np.linalg.solve(gram, columns.T @ (goals - offset) / num), offset])
    from scipy.optimize import minimize

    link = sigmoid if task.type is TaskType.BINARY else _softmax

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(width + 1, -1)
        p = link(columns @ weights[:-1] + weights[-1])
        error = (p - goals) / num
        gradient = np.vstack([columns.T @ error + 2 * penalty * weights[:-1], error.sum(axis=0)])
        given = np.where(goals > 0, p, 1 - p) if task.type is TaskType.BINARY else (p * goals).sum(axis=1)
        value = -np.log(np.maximum(given, 1e-12)).sum() / num + penalty * (weights[:-1] ** 2).sum()
        return float(value), gradient.ravel()

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _MAX_STEPS})
    return np.asarray(found.x).reshape(width + 1, -1)


def _softmax(raw: np.ndarray) -> np.ndarray:
    exp = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=1, keepdims=True))


def _quality(data: TrainingData, predicted: np.ndarray) -> float:
    for name in (data.outline.chosen_metric, fallback_metric(data.task.type)):
        metric = get_metric(name)
        value = score(metric, data.val.targets, predicted)
        if value is not None:
            return metric.gain(value, 0.0)
    return 0.0
