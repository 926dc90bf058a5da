"""A regularized linear model on evenly spread features: cheap, smooth, unlike trees, so it blends well."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from weft.core import Progress, Resources, Task, TaskType, from_plain, to_plain
from weft.learn.data import ALL, Outline, Rows, TrainingData
from weft.learn.rung import Budget, Config, Header, Model, not_applicable, sigmoid
from weft.learn.rungs.linear_terms import Term, add_up, design, design_chunks, list_terms, strength
from weft.learn.scoring import gain_of

_TASKS = (TaskType.BINARY, TaskType.REGRESSION, TaskType.MULTICLASS, TaskType.FORECASTING)
_PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
_MAX_STEPS = 40
_MAX_FEATURES = 400
_SCREEN_ROWS = 5_000
# Cells of the design: penalties are tried on few, the best is fitted on more; many classes make each dearer.
_PATH_CELLS = 5_000_000
_FINAL_CELLS = 20_000_000
_FEW_CLASSES = 4
_LEAST_ROWS = 1_000
# Errors below this share of the mean absolute deviation count as squared, larger ones as absolute.
_BEND = 0.05

# (sums, goals) -> (losses, derivatives by the sums)
Loss = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


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
        total = add_up(self.terms, matrix, self.means, self.weights)
        return np.asarray(total if self.header.classes else total[:, 0])

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """Predict from encoded features."""
        return _to_prediction(self.header.task, self.raw(matrix))

    def contribution_matrix(self, matrix: np.ndarray, class_index: int | None = None) -> np.ndarray | None:
        """Give each term, measured from its mean over train, to its feature."""
        weights = self.weights[:, class_index or 0]
        divided = np.zeros((len(matrix), matrix.shape[1] + 1))
        for rows, columns in design_chunks(self.terms, matrix, self.means):
            for place, term in enumerate(self.terms):
                divided[rows, term.feature] += columns[:, place] * weights[place]
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
        weights = np.asarray(state["weights"], dtype=np.float64).reshape(len(terms) + 1, -1)
        return cls(header, terms, weights, np.asarray(state["means"], dtype=np.float64))


class LinearRung:
    """Logistic, softmax, least-squares or Huber regression, with the ridge penalty chosen on val."""

    name = "linear"
    cost = 30
    model: type[Model] = LinearModel

    def supports(self, task: Task) -> bool:
        """Do tasks with one answer per row."""
        return task.type in _TASKS

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """One, fitted on every kind of train rows at once."""
        return [{"train_cutoffs": ALL}]

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
        """Follow the penalties from strong to weak on a sample of train, then fit the best on more of it.

        Config: ``train_cutoffs`` (which train rows).

        Raises:
            UserError: ``LEARN010`` when no feature varies, or the task has no single answer.
        """
        if not self.supports(data.task):
            raise not_applicable(self.name, f"a {data.task.type.value} task has several answers per row")
        rows = data.train_rows(str(config.get("train_cutoffs", ALL)))
        known = _known_rows(rows, data.task, seed)
        terms = _choose_terms(data, rows, np.sort(known[:_SCREEN_ROWS]))
        if not terms:
            raise not_applicable(self.name, "no feature varies on train")
        fit = _Fit(data, rows, known, terms)
        progress.update(0, 2, f"{len(terms)} terms")
        path = fit.path(deadline)
        penalty, weights = path[fit.best([w for _, w in path])]
        progress.update(1, 2, f"penalty {penalty:g}")
        found = [weights, *fit.refine(penalty, weights)]
        return fit.model(found[fit.best(found)])


class _Fit:
    """The rows, terms and goals of one fit; goals that are numbers are centered and scaled."""

    def __init__(self, data: TrainingData, rows: Rows, known: np.ndarray, terms: tuple[Term, ...]) -> None:
        self.data, self.rows, self.known, self.terms = data, rows, known, terms
        first = self._sample(_PATH_CELLS)
        self.means = np.zeros(len(terms))
        self.columns = self._design(first)
        self.means = self.columns.mean(axis=0, dtype=np.float64)
        self.columns -= self.means.astype(np.float32)
        self.center, self.spread = _scale(data, rows.targets.values[first])
        self.goals = self._goals(first)
        self.is_whole = len(first) == len(known)

    def path(self, deadline: float | None) -> list[tuple[float, np.ndarray]]:
        """Solve from the strongest penalty on; each starts from the one before, which is near."""
        weights = np.zeros((len(self.terms) + 1, self.goals.shape[1]))
        found: list[tuple[float, np.ndarray]] = []
        for penalty in _PENALTIES if len(self.data.classes) <= _FEW_CLASSES else _PENALTIES[::3]:
            if found and deadline is not None and time.monotonic() > deadline:
                break
            weights = _minimize(self._loss(), self.columns, self.goals, penalty, weights)
            found.append((penalty, weights))
        return found

    def refine(self, penalty: float, start: np.ndarray) -> list[np.ndarray]:
        """Solve on more rows, which bear a weaker penalty as well."""
        if self.is_whole:
            return []
        chosen = self._sample(_FINAL_CELLS)
        columns, goals = self._design(chosen), self._goals(chosen)
        return [_minimize(self._loss(), columns, goals, p, start) for p in (penalty, penalty / 3)]

    def best(self, found: Sequence[np.ndarray]) -> int:
        """Return which weights predict val best."""
        side_by_side = np.hstack([self._unscaled(w) for w in found])
        raw = add_up(self.terms, self.data.val.matrix, self.means, side_by_side)
        parts = np.split(raw, len(found), axis=1)
        return int(np.argmax([_quality(self.data, part) for part in parts]))

    def model(self, weights: np.ndarray) -> LinearModel:
        """Make the model, in the unit of the labels."""
        header = Header(self.data.task, self.data.classes, self.data.encoder)
        return LinearModel(header, self.terms, self._unscaled(weights), self.means)

    def _sample(self, cells: int) -> np.ndarray:
        width = len(self.terms) * max(1.0, len(self.data.classes) / _FEW_CLASSES)
        return np.sort(self.known[: max(_LEAST_ROWS, int(cells / width))])

    def _design(self, rows: np.ndarray) -> np.ndarray:
        return design(self.terms, self.rows.matrix, self.means, rows)

    def _goals(self, rows: np.ndarray) -> np.ndarray:
        values = self.rows.targets.values[rows]
        if self.data.task.type is TaskType.MULTICLASS:
            return np.asarray(values[:, None] == np.arange(len(self.data.classes)), dtype=np.float64)
        return np.asarray((values[:, None] - self.center) / self.spread)

    def _unscaled(self, weights: np.ndarray) -> np.ndarray:
        scaled = weights * self.spread
        scaled[-1] += self.center
        return np.asarray(scaled)

    def _loss(self) -> Loss:
        if self.data.task.type is TaskType.BINARY:
            return _logistic
        if self.data.task.type is TaskType.MULTICLASS:
            return _multinomial
        return _bent if self.data.outline.chosen_metric in ("mae", "mape") else _squared


def _known_rows(rows: Rows, task: Task, seed: int) -> np.ndarray:
    """Return in random order the rows whose class train has."""
    known = np.arange(len(rows))
    if task.type is TaskType.MULTICLASS:
        known = np.flatnonzero(rows.targets.values >= 0)
    return np.random.default_rng(seed).permutation(known)


def _choose_terms(data: TrainingData, rows: Rows, chosen: np.ndarray) -> tuple[Term, ...]:
    """Make the terms of every feature and keep those of the features that go most with the label."""
    values = rows.targets.values[chosen]
    if data.task.type is TaskType.MULTICLASS:
        goals = np.asarray(values[:, None] == np.arange(len(data.classes)), dtype=np.float64)
    else:
        # Ranks, so that a few large labels do not decide.
        goals = np.searchsorted(np.sort(values), values)[:, None].astype(np.float64)
    goals = goals - goals.mean(axis=0)
    found: list[tuple[float, list[Term]]] = []
    for position, feature in enumerate(data.features):
        shown = rows.matrix[:, position][chosen]
        terms = list_terms(position, feature, shown)
        found.append((max((strength(t, shown, goals) for t in terms), default=0.0), terms))
    best = np.argsort([-s for s, _ in found], kind="stable")[:_MAX_FEATURES]
    return tuple(t for i in sorted(best.tolist()) if found[i][0] > 0 for t in found[i][1])


def _scale(data: TrainingData, values: np.ndarray) -> tuple[float, float]:
    """Return center and spread of labels that are numbers."""
    if data.task.type in (TaskType.BINARY, TaskType.MULTICLASS):
        return 0.0, 1.0
    center = float(np.median(values) if data.outline.chosen_metric in ("mae", "mape") else values.mean())
    spread = float(np.abs(values - center).mean())
    return center, spread if spread > 0 else 1.0


def _minimize(
    loss: Loss, columns: np.ndarray, goals: np.ndarray, penalty: float, start: np.ndarray
) -> np.ndarray:
    """Minimize mean loss + penalty × squared weights by L-BFGS (Liu and Nocedal, 1989)."""
    from scipy.optimize import minimize

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(start.shape)
        losses, error = loss(columns @ weights[:-1].astype(np.float32) + weights[-1], goals)
        error /= len(goals)
        slope = columns.T @ error.astype(np.float32) + 2 * penalty * weights[:-1]
        total = float(losses.mean()) + penalty * float((weights[:-1] ** 2).sum())
        return total, np.vstack([slope, error.sum(axis=0)]).ravel()

    found = minimize(value, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _MAX_STEPS})
    return np.asarray(found.x).reshape(start.shape)


def _logistic(raw: np.ndarray, goals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.logaddexp(0, raw) - goals * raw, sigmoid(raw) - goals


def _multinomial(raw: np.ndarray, goals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shifted = raw - raw.max(axis=1, keepdims=True)
    exp = np.exp(shifted)
    total = exp.sum(axis=1, keepdims=True)
    return np.log(total[:, 0]) - (goals * shifted).sum(axis=1), exp / total - goals


def _bent(raw: np.ndarray, goals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The absolute error, rounded near zero (Charbonnier et al., 1994)."""
    error = raw - goals
    bent = np.sqrt(_BEND**2 + error**2)
    return bent - _BEND, error / bent


def _squared(raw: np.ndarray, goals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    error = raw - goals
    return 0.5 * error**2, error


def _quality(data: TrainingData, raw: np.ndarray) -> float:
    predicted = _to_prediction(data.task, raw if data.classes else raw[:, 0])
    return gain_of(data.outline.chosen_metric, data.task.type, data.val.targets, predicted)


def _to_prediction(task: Task, raw: np.ndarray) -> np.ndarray:
    """Turn sums into probabilities where the task asks for them."""
    if task.type is TaskType.BINARY:
        return sigmoid(raw)
    if task.type is not TaskType.MULTICLASS:
        return raw
    exp = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=1, keepdims=True))
