"""LightGBM on the relational features, with a small search chosen on val."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.core import Progress, Resources, Task, TaskType
from weft.learn.choice import ERROR_FOLDS
from weft.learn.data import ALL, Outline, TrainingData
from weft.learn.folds import number_folds
from weft.learn.matrices import take
from weft.learn.rung import Budget, Config, Header, Model, log_odds, not_applicable
from weft.learn.rungs.boosting_model import BoostedModel, Member
from weft.learn.rungs.boosting_search import BoostingData, Search
from weft.learn.rungs.boosting_space import plan_search, stopping_metric
from weft.learn.rungs.constant import best_constant
from weft.learn.scoring import ValScore, score_val
from weft.learn.targets import MULTILABEL, Targets

_MIN_POSITIVES = 10


class LightGBMRung:
    """Boosted trees: a portfolio of good configurations, then random ones; the best few are bagged."""

    name = "lightgbm"
    cost = 40
    appetite = 1.0
    model = BoostedModel

    def supports(self, task: Task) -> bool:
        """Do every task but link prediction, which the rung ``ranker`` does."""
        return task.type is not TaskType.LINK_PREDICTION

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """One search, on every kind of train rows at once."""
        return [{"budget_s": budget.cpu_s, "train_cutoffs": ALL}]

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
        """Search, then fit the best few configurations with several seeds each.

        Config: ``budget_s`` (CPU seconds to plan for), ``train_cutoffs`` (which train rows).

        Raises:
            UserError: ``LEARN010`` when there is no feature; ``LEARN012`` for unknown train rows.
        """
        if not data.features:
            raise not_applicable(self.name, "there are no features")
        rows = data.train_rows(str(config.get("train_cutoffs", ALL)))
        budget_s = float(config.get("budget_s", Budget().cpu_s))
        limits: dict[str, Any] = {
            "seed": seed,
            "resources": resources,
            "deadline": deadline,
            "progress": progress,
        }
        header = Header(data.task, data.classes, data.encoder)
        if data.task.type in MULTILABEL:
            return _one_versus_rest(header, data, rows.targets, rows.matrix, budget_s, limits)
        boosting = _boosting_data(data, rows.matrix, rows.targets)
        plan = plan_search(len(boosting.matrix), budget_s, len(data.train))
        search = Search(boosting, plan, **limits)
        model = BoostedModel(header, search.ensemble(), np.zeros(max(1, len(data.classes))))
        model.val_prediction = search.held_out(number_folds(data.val.seeds))
        return model


def _boosting_data(data: TrainingData, matrix: np.ndarray, targets: Targets) -> BoostingData:
    """Leave out rows of classes that train does not have: LightGBM cannot name them."""
    chosen = data.outline.chosen_metric

    folds = number_folds(data.val.seeds, ERROR_FOLDS)

    def value(prediction: np.ndarray, rows: np.ndarray | None) -> ValScore:
        some = slice(None) if rows is None else rows
        targets = data.val.targets if rows is None else data.val.targets.take(rows)
        return score_val(chosen, data.task.type, targets, prediction[some], folds[some])

    is_multiclass = data.task.type is TaskType.MULTICLASS
    known = data.val.targets.values >= 0 if is_multiclass else np.ones(len(data.val), dtype=bool)
    lacking = targets.values < 0 if is_multiclass else np.zeros(len(targets), dtype=bool)
    fitted = np.flatnonzero(~lacking)
    has_both = len(np.unique(data.val.targets.values)) > 1
    return BoostingData(
        matrix=take(matrix, fitted) if lacking.any() else matrix,
        labels=targets.values[fitted],
        val_matrix=data.val.matrix,
        val_labels=data.val.targets.values,
        stopping_rows=known,
        categorical=data.encoder.categorical,
        num_outputs=len(data.classes) if is_multiclass else 1,
        task_type=data.task.type,
        metric=chosen,
        stopping=stopping_metric(data.task.type, chosen, has_both),
        value=value,
    )


def _one_versus_rest(
    header: Header,
    data: TrainingData,
    targets: Targets,
    matrix: np.ndarray,
    budget_s: float,
    limits: dict[str, Any],
) -> Model:
    """Fit one booster per class that is frequent enough; the others keep their share of train.

    The configuration is searched on the most frequent class that is not always true.
    """
    counts = targets.values.sum(axis=0, dtype=np.int64)
    base = log_odds(best_constant(data.task, data.outline.chosen_metric, targets, len(counts)))
    usable = np.flatnonzero((counts >= _MIN_POSITIVES) & (counts < len(targets)))
    if not len(usable):
        return BoostedModel(header, (), base)

    first = int(usable[np.argmax(counts[usable])])
    search = Search(
        _class_data(data, targets, matrix, first), plan_search(len(matrix), budget_s / 3), **limits
    )
    labels = [(int(c), _class_data(data, targets, matrix, int(c))) for c in usable]
    boosters = search.per_class(labels, 2 * budget_s / 3)
    members = tuple(Member(text, columns, c, 1.0) for c, text, columns in boosters)
    base[[c for c, _, _ in boosters]] = 0.0
    return BoostedModel(header, members, base)


def _class_data(data: TrainingData, targets: Targets, matrix: np.ndarray, c: int) -> BoostingData:
    """Turn one class into a yes-or-no question."""
    truth = data.val.targets.values[:, c].astype(np.float64)

    def value(prediction: np.ndarray, rows: np.ndarray | None) -> ValScore:
        some = slice(None) if rows is None else rows
        p, yes = np.clip(prediction[some], 1e-7, 1 - 1e-7), truth[some]
        log_likelihood = float(np.mean(yes * np.log(p) + (1 - yes) * np.log1p(-p)))
        return ValScore(log_likelihood, np.empty(0))

    return BoostingData(
        matrix=matrix,
        labels=targets.values[:, c].astype(np.float64),
        val_matrix=data.val.matrix,
        val_labels=truth,
        stopping_rows=np.ones(len(truth), dtype=bool),
        categorical=data.encoder.categorical,
        num_outputs=1,
        task_type=data.task.type,
        metric="log_loss",
        stopping="binary_logloss",
        value=value,
    )
