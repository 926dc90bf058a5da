"""The search over boosted trees: trials in waves, then the mean of all that val cannot tell from the best.

Where val is small the best of many trials is the luckiest one; the mean of those within one standard error of
it is better on new rows. Where val is large the error is small, and few are left. The score that val shows is
honest about the choice: each part of val is predicted by the trials that are chosen on the other parts.

Boosters are grown side by side, one thread each: on machines that others use too, threads that wait for each
other inside one booster cost many times what they save. Waves have a fixed size and work is counted in trees,
so neither the number of threads nor the clock changes what is found.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core import Progress, Resources, TaskType
from weft.learn.folds import hold_out
from weft.learn.matrices import take
from weft.learn.rungs.boosting_model import Member, linked
from weft.learn.rungs.boosting_space import (
    SearchPlan,
    dataset_parameters,
    full_parameters,
    propose,
    top_sizes,
)
from weft.learn.scoring import ValScore

_PATIENCE = 50
_SCREEN_ROUNDS = 60
_MAX_FEATURES = 400
# Val rows scored after every tree: on large data they cost more than the tree.
_MAX_WATCHED = 10_000
_WAVE = 3
# On more val rows than this the choice among trials is hardly a matter of luck.
_MAX_HELD_OUT = 20_000


@dataclass(frozen=True)
class BoostingData:
    """What boosters are grown on.

    Attributes:
        matrix: Encoded train features.
        labels: Of the train rows.
        val_matrix: Encoded val features.
        val_labels: Of the val rows.
        stopping_rows: The val rows that early stopping may look at.
        categorical: Positions of categorical features.
        num_outputs: Classes of a multiclass task, else 1.
        task_type: Of the task.
        metric: What is to be good in the end.
        stopping: LightGBM's metric for early stopping.
        value: Scores predictions for val, on all rows or on some.
    """

    matrix: np.ndarray
    labels: np.ndarray
    val_matrix: np.ndarray
    val_labels: np.ndarray
    stopping_rows: np.ndarray
    categorical: tuple[int, ...]
    num_outputs: int
    task_type: TaskType
    metric: str
    stopping: str
    value: Callable[[np.ndarray, np.ndarray | None], ValScore]


@dataclass(frozen=True)
class Trial:
    """One configuration that was tried, and what came of it.

    Attributes:
        parameters: What was tried.
        columns: Positions of the features it reads.
        text: The booster.
        score: On val.
        raw: Raw scores for val; ``None`` where val is large.
    """

    parameters: dict[str, Any]
    columns: tuple[int, ...]
    text: str
    score: ValScore
    raw: np.ndarray | None


class Search:
    """One search: the trials made so far and the work they took."""

    def __init__(
        self,
        data: BoostingData,
        plan: SearchPlan,
        *,
        seed: int,
        resources: Resources,
        deadline: float | None,
        progress: Progress,
    ) -> None:
        self.data, self.plan, self.seed = data, plan, seed
        self.threads = max(1, resources.threads)
        self.rows = _sample_of(np.arange(len(data.matrix)), plan.rows, seed)
        self.watched = _sample_of(np.flatnonzero(data.stopping_rows), _MAX_WATCHED, seed)
        self.deadline, self.progress = deadline, progress
        self.spent_s = 0.0
        self.trials: list[Trial] = []

    def ensemble(self) -> tuple[Member, ...]:
        """Run the trials and return the mean of the boosters that are as good as the best."""
        self.try_all()
        kept = self._chosen([t.score for t in self.trials])
        return tuple(Member(t.text, t.columns, None, 1 / len(kept)) for t in kept)

    def held_out(self, folds: np.ndarray) -> np.ndarray | None:
        """Predict each part of val by the mean of the trials that would have been chosen on the others.

        Args:
            folds: Number of the part that each row of val belongs to, ``(n,)``.

        Returns:
            As the model predicts; ``None`` where val is large, or there are no parts.
        """
        raws = [t.raw for t in self.trials if t.raw is not None]
        parts = hold_out(folds)
        if len(raws) < len(self.trials) or not parts:
            return None
        kind = self.data.task_type
        out = np.empty_like(raws[0])
        for held, rest in parts:
            kept = self._chosen([self.data.value(linked(kind, raw), rest) for raw in raws])
            out[held] = np.mean([t.raw[held] for t in kept if t.raw is not None], axis=0)
        return linked(kind, out)

    def _chosen(self, scores: Sequence[ValScore]) -> list[Trial]:
        """Return the trials that scores cannot tell from the best, best first."""
        order = as_good_as_the_best(scores)[: self.plan.max_kept]
        return [self.trials[i] for i in order]

    def per_class(
        self, classes: Sequence[tuple[int, BoostingData]], budget_s: float
    ) -> list[tuple[int, str, tuple[int, ...]]]:
        """Grow one booster per class in the best configuration of the class that was searched."""
        self.try_all()
        best = max(self.trials, key=lambda t: t.score.value)
        tree_s = self.plan.tree_seconds(best.parameters, len(best.columns), len(self.watched))
        rounds = int(np.clip(budget_s / len(classes) / tree_s, 10, 500))
        sets = self._datasets(best.columns)
        grown: list[tuple[int, str, tuple[int, ...]]] = []
        for number, (c, data) in enumerate(classes):
            if grown and self._is_late():
                break
            for dataset, labels in zip(
                sets, (data.labels[self.rows], data.val_labels[self.watched]), strict=False
            ):
                dataset.set_label(labels)
            booster = self._grow(best.parameters, sets, self.seed + c, threads=1, rounds=rounds)
            grown.append((c, _text(booster), best.columns))
            self.progress.update(float(number + 1), float(len(classes)), "classes")
        return grown

    def try_all(self) -> None:
        """Try configurations, a wave at a time, until the work for the search is spent."""
        ranked = self._screen()
        sizes = top_sizes(len(ranked))
        proposals = propose(self.plan.max_trials, self.data.task_type, self.data.metric, self.seed)
        sets: dict[int, tuple[Any, ...]] = {}
        start = 0
        while start < len(proposals):
            if self.trials and (self.spent_s >= self.plan.budget_s or self._is_late()):
                return
            wave = proposals[start : start + self._wave(proposals[start], len(ranked))]
            for size in {sizes[p["top"]] for p in wave} - sets.keys():
                sets[size] = self._datasets(tuple(sorted(ranked[:size])))
            seeds = range(self.seed * 1_000 + start, self.seed * 1_000 + start + len(wave))
            jobs = [(p, sets[sizes[p["top"]]], s) for p, s in zip(wave, seeds, strict=True)]
            for proposal, booster in zip(wave, self._grow_all(jobs), strict=True):
                self._record(proposal, tuple(sorted(ranked[: sizes[proposal["top"]]])), booster)
            start += len(wave)
            best = max(t.score.value for t in self.trials)
            self.progress.update(
                min(self.spent_s, self.plan.budget_s), self.plan.budget_s, f"best {best:.4f}"
            )

    def _record(self, proposal: dict[str, Any], columns: tuple[int, ...], booster: Any) -> None:
        every_row = np.arange(len(self.data.val_matrix))
        matrix = take(self.data.val_matrix, every_row, columns)
        raw = np.asarray(booster.predict(matrix, num_threads=1, raw_score=True))
        score = self.data.value(linked(self.data.task_type, raw), None)
        trees = booster.num_trees() + _PATIENCE * self.data.num_outputs
        self.spent_s += trees * self.plan.tree_seconds(proposal, len(columns), len(self.watched))
        kept = raw if len(raw) <= _MAX_HELD_OUT else None
        self.trials.append(Trial(proposal, columns, _text(booster), score, kept))

    def _screen(self) -> list[int]:
        """Order the features by gain in a first quick fit and drop those of no use."""
        columns = tuple(range(self.data.matrix.shape[1]))
        first = propose(1, self.data.task_type, self.data.metric, self.seed)[0]
        sets = self._datasets(columns)[:1]
        rounds = max(3, _SCREEN_ROUNDS // self.data.num_outputs)
        booster = self._grow(first, sets, self.seed, threads=1, rounds=rounds)
        self.spent_s += booster.num_trees() * self.plan.tree_seconds(first, len(columns))
        gain = booster.feature_importance("gain")
        ordered = [int(i) for i in np.argsort(-gain, kind="stable") if gain[i] > 0]
        return ordered[:_MAX_FEATURES] or [0]

    def _wave(self, trial: dict[str, Any], num_columns: int) -> int:
        """Return how many trials to begin at once: 3 first, later fewer where short ones fill the budget."""
        if not self.trials:
            return _WAVE
        tree_s = self.plan.tree_seconds(trial, num_columns, len(self.watched))
        longest_s = self.plan.max_rounds(tree_s, self.data.num_outputs) * tree_s * self.data.num_outputs
        return int(np.clip((self.plan.budget_s - self.spent_s) / longest_s, 1, _WAVE))

    def _is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def _datasets(self, columns: tuple[int, ...]) -> tuple[Any, ...]:
        import lightgbm

        kinds = set(self.data.categorical)
        options: dict[str, Any] = {
            "params": dataset_parameters(self.threads),
            "categorical_feature": [i for i, c in enumerate(columns) if c in kinds],
        }
        matrix = take(self.data.matrix, self.rows, columns)
        train = lightgbm.Dataset(matrix, self.data.labels[self.rows].astype(np.float64), **options)
        train.construct()
        if not len(self.watched):
            return (train,)
        val_matrix = take(self.data.val_matrix, self.watched, columns)
        labels = self.data.val_labels[self.watched].astype(np.float64)
        return train, lightgbm.Dataset(val_matrix, labels, reference=train, **options).construct()

    def _grow_all(self, jobs: Sequence[tuple[dict[str, Any], tuple[Any, ...], int]]) -> list[Any]:
        """Grow several boosters side by side; the order of the results is that of the jobs."""
        workers = min(self.threads, len(jobs))
        share = max(1, self.threads // max(workers, 1))
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(lambda job: self._grow(*job, threads=share), jobs))

    def _grow(
        self,
        trial: dict[str, Any],
        sets: tuple[Any, ...],
        seed: int,
        *,
        threads: int,
        rounds: int | None = None,
    ) -> Any:
        import lightgbm

        parameters = full_parameters(
            trial, sets[0].num_data(), self.plan.tree_share, self.data.stopping, seed, threads
        )
        if self.data.num_outputs > 1:
            parameters["num_class"] = self.data.num_outputs
        valid = list(sets[1:])
        callbacks = [lightgbm.early_stopping(_PATIENCE, verbose=False)] if valid else []
        if rounds is None:
            tree_s = self.plan.tree_seconds(trial, sets[0].num_feature(), len(self.watched))
            rounds = self.plan.max_rounds(tree_s, self.data.num_outputs)
        booster = lightgbm.train(
            parameters, sets[0], num_boost_round=rounds, valid_sets=valid, callbacks=callbacks
        )
        kept = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        return lightgbm.Booster(model_str=booster.model_to_string(num_iteration=kept))


def as_good_as_the_best(scores: Sequence[ValScore]) -> list[int]:
    """Return the place of the best score and those no more than one standard error worse, best first."""
    ordered = sorted(range(len(scores)), key=lambda i: -scores[i].value)
    best = scores[ordered[0]]
    return [i for i in ordered if i == ordered[0] or best.is_matched_by(scores[i])]


def _sample_of(rows: np.ndarray, size: int, seed: int) -> np.ndarray:
    if size >= len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, size, replace=False))


def _text(booster: Any) -> str:
    """Write a booster so that the number of threads that grew it leaves no trace."""
    return re.sub(r"\[num_threads: \d+\]", "[num_threads: 0]", str(booster.model_to_string()))
