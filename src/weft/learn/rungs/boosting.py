"""LightGBM on the relational features, with a small search chosen on val."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core import Progress, Resources, Task, TaskType
from weft.learn.data import Outline, Rows, TrainingData
from weft.learn.metrics import get_metric
from weft.learn.rung import Budget, Config, Header, Model, log_odds, not_applicable
from weft.learn.rungs.boosting_model import BoostedModel, Member
from weft.learn.rungs.boosting_space import (
    SearchPlan,
    dataset_parameters,
    full_parameters,
    plan_search,
    propose,
    stopping_metric,
    top_sizes,
)
from weft.learn.rungs.constant import best_constant
from weft.learn.scoring import fallback_metric, score
from weft.learn.targets import MULTILABEL

_PATIENCE = 50
_SCREEN_ROUNDS = 60
_MIN_POSITIVES = 10
_MAX_FEATURES = 400


@dataclass(frozen=True)
class Trial:
    """One configuration that was tried, and what came of it."""

    parameters: dict[str, Any]
    columns: tuple[int, ...]
    rounds: int
    value: float


class LightGBMRung:
    """Boosted trees: a portfolio of good configurations, then random ones; the best few are bagged."""

    name = "lightgbm"
    cost = 40
    model = BoostedModel

    def supports(self, task: Task) -> bool:
        """Do every task but link prediction, which the rung ``ranker`` does."""
        return task.type is not TaskType.LINK_PREDICTION

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """One search per kind of train rows."""
        own: dict[str, Any] = {"budget_s": budget.cpu_s}
        others = [{**own, "variant": n, "train_cutoffs": n} for n in outline.alternatives]
        return [own, *others]

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

        Config: ``budget_s`` (CPU seconds to plan for), ``train_cutoffs`` (which train rows), ``quantiles``
        (levels to predict beside the value, for regression).

        Raises:
            UserError: ``LEARN010`` when there is no feature; ``LEARN012`` for unknown train rows.
        """
        if not data.features:
            raise not_applicable(self.name, "there are no features")
        rows = data.train_rows(str(config.get("train_cutoffs", "own")))
        search = _Search(data, rows, float(config.get("budget_s", 20.0)), seed, resources, deadline, progress)
        header = Header(data.task, data.classes, data.encoder)
        if data.task.type in MULTILABEL:
            return search.one_versus_rest(header)
        members = search.ensemble()
        quantiles = {str(float(q)): search.quantile(float(q)) for q in config.get("quantiles", ())}
        return BoostedModel(header, members, np.zeros(max(1, len(data.classes))), quantiles)


class _Search:
    """One fit: holds the data in LightGBM's form and the trials made so far."""

    def __init__(
        self,
        data: TrainingData,
        rows: Rows,
        budget_s: float,
        seed: int,
        resources: Resources,
        deadline: float | None,
        progress: Progress,
    ) -> None:
        self.data, self.rows, self.val = data, rows, data.val
        self.seed, self.threads = seed, resources.threads
        self.deadline, self.progress = deadline, progress
        self.metric_name = data.outline.chosen_metric
        kind = data.task.type
        self.num_outputs = len(data.classes) if kind is TaskType.MULTICLASS else 1
        both = self.val.targets.values.ndim == 2 or len(np.unique(self.val.targets.values)) > 1
        self.stopping = stopping_metric(kind, self.metric_name, both)
        budget_s = budget_s / 3 if kind in MULTILABEL else budget_s
        self.plan: SearchPlan = plan_search(len(rows), len(data.features), self.num_outputs, budget_s)
        self.trials: list[Trial] = []

    def ensemble(self) -> tuple[Member, ...]:
        """Run the trials and fit the best few on all train rows."""
        sample = self._sample(self.plan.search_rows)
        ranked = self._screen(sample, self.rows.targets.values)
        self._try_all(sample, ranked, self.rows.targets.values, self.val.targets.values)
        kept = sorted(self.trials, key=lambda t: -t.value)[: self.plan.kept]
        whole = sample if len(sample) == len(self.rows) else np.arange(len(self.rows))
        members: list[Member] = []
        for trial in kept:
            for bag in range(self.plan.bag):
                if members and self._is_late():
                    break
                seed = self.seed * 1_000 + len(members) + 1
                booster = self._train(trial.parameters, trial.columns, whole, seed)
                members.append(Member(_text(booster), trial.columns, None, 1.0))
                self.progress.update(
                    self.plan.num_trials + len(members), self._total(), f"{trial.value:.4f} bag {bag + 1}"
                )
        return tuple(Member(m.text, m.columns, None, 1 / len(members)) for m in members)

    def one_versus_rest(self, header: Header) -> Model:
        """Fit one booster per class that is frequent enough; the others keep their share of train."""
        values, val = self.rows.targets.values, self.val.targets.values
        frequent = int(np.argmax(values.sum(axis=0)))
        sample = self._sample(self.plan.search_rows)
        ranked = self._screen(sample, values[:, frequent])
        self._try_all(sample, ranked, values[:, frequent], val[:, frequent])
        best = max(self.trials, key=lambda t: t.value)
        base = log_odds(best_constant(self.data.task, self.metric_name, self.rows.targets, values.shape[1]))
        sets = self._datasets(np.arange(len(values)), best.columns, values[:, frequent], val[:, frequent])
        members: list[Member] = []
        for c in np.flatnonzero(values.sum(axis=0) >= _MIN_POSITIVES):
            if members and self._is_late():
                break
            if values[:, c].all():
                continue
            self.progress.update(float(c), float(values.shape[1]), f"class {header.classes[c]}")
            for dataset, labels in zip(sets, (values, val), strict=True):
                dataset.set_label(labels[:, c].astype(np.float64))
            booster = self._boost(best.parameters, sets, len(values), self.seed + int(c), "binary_logloss")
            members.append(Member(_text(booster), best.columns, int(c), 1.0))
            base[c] = 0.0
        return BoostedModel(header, tuple(members), base)

    def quantile(self, level: float) -> tuple[Member, ...]:
        """Fit the quantile of the given level with the best configuration found."""
        best = max(self.trials, key=lambda t: t.value)
        parameters = {**best.parameters, "objective": "quantile", "alpha": level}
        rows = np.arange(len(self.rows))
        sets = self._datasets(rows, best.columns, self.rows.targets.values, self.val.targets.values)
        booster = self._boost(parameters, sets, len(rows), self.seed, "quantile")
        return (Member(_text(booster), best.columns, None, 1.0),)

    def _total(self) -> float:
        return float(self.plan.num_trials + self.plan.kept * self.plan.bag)

    def _is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def _sample(self, size: int) -> np.ndarray:
        if size >= len(self.rows):
            return np.arange(len(self.rows))
        return np.sort(np.random.default_rng(self.seed).choice(len(self.rows), size, replace=False))

    def _screen(self, sample: np.ndarray, labels: np.ndarray) -> tuple[int, ...]:
        """Order the features by gain in a first quick fit and drop those of no use."""
        columns = tuple(range(len(self.data.features)))
        first = propose(self.plan, self.data.task.type, self.metric_name, self.seed)[0]
        sets = self._datasets(sample, columns, labels, self.val.targets.values, with_val=False)
        booster = self._boost(first, sets, len(sample), self.seed, self.stopping, rounds=_SCREEN_ROUNDS)
        gain = booster.feature_importance("gain")
        ordered = [int(i) for i in np.argsort(-gain, kind="stable") if gain[i] > 0]
        return tuple(ordered[:_MAX_FEATURES]) or columns[:1]

    def _try_all(
        self, sample: np.ndarray, ranked: Sequence[int], labels: np.ndarray, val_labels: np.ndarray
    ) -> None:
        sizes = top_sizes(len(ranked))
        proposals = propose(self.plan, self.data.task.type, self.metric_name, self.seed)
        sets_by_size: dict[int, Any] = {}
        for number, proposal in enumerate(proposals):
            if self.trials and self._is_late():
                return
            size = sizes[proposal["top"]]
            columns = tuple(sorted(ranked[:size]))
            if size not in sets_by_size:
                sets_by_size[size] = self._datasets(sample, columns, labels, val_labels)
            booster = self._boost(proposal, sets_by_size[size], len(sample), self.seed, self.stopping)
            value = self._value(booster, columns, val_labels)
            self.trials.append(Trial(proposal, columns, booster.num_trees(), value))
            self.progress.update(number + 1, self._total(), f"best {max(t.value for t in self.trials):.4f}")

    def _value(self, booster: Any, columns: tuple[int, ...], val_labels: np.ndarray) -> float:
        """Score a trial on val; higher is better."""
        if self.val.targets.values.ndim == 2:
            raw = booster.predict(self.val.matrix[:, list(columns)])
            p = np.clip(raw, 1e-7, 1 - 1e-7)
            return float(np.mean(val_labels * np.log(p) + (1 - val_labels) * np.log1p(-p)))
        predicted = np.asarray(booster.predict(self.val.matrix[:, list(columns)]))
        for name in (self.metric_name, fallback_metric(self.data.task.type)):
            metric = get_metric(name)
            value = score(metric, self.val.targets, predicted)
            if value is not None:
                return metric.gain(value, 0.0)
        return 0.0

    def _train(
        self, parameters: dict[str, Any], columns: tuple[int, ...], rows: np.ndarray, seed: int
    ) -> Any:
        key = (columns, len(rows))
        if getattr(self, "_last_key", None) != key:
            self._last_sets = self._datasets(rows, columns, self.rows.targets.values, self.val.targets.values)
            self._last_key = key
        return self._boost(parameters, self._last_sets, len(rows), seed, self.stopping)

    def _datasets(
        self,
        rows: np.ndarray,
        columns: tuple[int, ...],
        labels: np.ndarray,
        val_labels: np.ndarray,
        *,
        with_val: bool = True,
    ) -> tuple[Any, ...]:
        import lightgbm

        kinds = set(self.data.encoder.categorical)
        options: dict[str, Any] = {
            "params": dataset_parameters(self.threads),
            "categorical_feature": [i for i, c in enumerate(columns) if c in kinds],
            "free_raw_data": True,
        }
        chosen = labels[rows] >= 0 if self.num_outputs > 1 else np.ones(len(rows), dtype=bool)
        matrix = self.rows.matrix[np.ix_(rows[chosen], np.array(columns))]
        train = lightgbm.Dataset(matrix, labels[rows[chosen]].astype(np.float64), **options)
        train.construct()
        if not with_val:
            return (train,)
        known = val_labels >= 0 if self.num_outputs > 1 else np.ones(len(val_labels), dtype=bool)
        val = lightgbm.Dataset(
            self.val.matrix[known][:, list(columns)],
            val_labels[known].astype(np.float64),
            reference=train,
            **options,
        )
        val.construct()
        return (train, val)

    def _boost(
        self,
        trial: dict[str, Any],
        sets: tuple[Any, ...],
        num_rows: int,
        seed: int,
        stopping: str,
        rounds: int | None = None,
    ) -> Any:
        import lightgbm

        parameters = full_parameters(trial, num_rows, stopping, seed, self.threads)
        if self.num_outputs > 1:
            parameters["num_class"] = self.num_outputs
        valid = sets[1:] if len(sets) > 1 and sets[1].num_data() else ()
        callbacks = [lightgbm.early_stopping(_PATIENCE, verbose=False)] if valid else []
        booster = lightgbm.train(
            parameters,
            sets[0],
            num_boost_round=rounds or self.plan.max_rounds,
            valid_sets=list(valid),
            callbacks=callbacks,
        )
        kept = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        return lightgbm.Booster(model_str=booster.model_to_string(num_iteration=kept))


def _text(booster: Any) -> str:
    """Write a booster so that the number of threads that fitted it leaves no trace."""
    return re.sub(r"\[num_threads: \d+\]", "[num_threads: 0]", str(booster.model_to_string()))
