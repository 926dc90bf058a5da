"""Choosing on val, scoring on test: the end of the ladder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import Split, TaskType, UserError
from weft.learn.bootstrap import Interval, interval, resample
from weft.learn.candidate import Candidate, Predictor, read_candidate, read_predictions
from weft.learn.choice import choose, rank_on_val
from weft.learn.coldstart import ColdStart, measure_cold_start
from weft.learn.examples import ExampleRow, pick_examples
from weft.learn.importance import Importance, measure_importance
from weft.learn.metrics import Metric, get_metric, metrics_for
from weft.learn.rolling import passed_over
from weft.learn.rung import USE_ANOTHER
from weft.learn.verdict import Comparison, Verdict, compare, judge

PREDICTIONS = "predictions.parquet"
Known = Mapping[Split, np.ndarray]
"""Split → whether the entity of each of its rows had history, bool ``(n,)``."""


@dataclass(frozen=True)
class LeaderboardRow:
    """One candidate with its scores; intervals are 95 % bootstrap intervals over entities."""

    model: str
    rung: str
    metric: str
    val: float | None
    test: float | None
    val_interval: Interval | None
    test_interval: Interval | None
    fit_s: float
    cpu_s: float
    rows_per_s: float
    words: str
    left_out: str = ""


@dataclass(frozen=True)
class Evaluation:
    """What the ladder came to.

    Attributes:
        metric: What candidates are chosen by.
        higher_is_better: Its direction.
        leaderboard: Best on val first; candidates that were left out come last.
        winner: Name of the model that was chosen on val.
        verdict: Whether it is worth its cost.
        comparisons: Of the winner with every other model, on test.
        scores: Split → metric → score of the winner.
        threshold: From which probability the answer is yes; binary tasks.
        classes: Of the task, in the order of predictions.
        importance: What moved the winner's predictions; ``None`` when nothing does.
        examples: A high, a middle and a low prediction, explained.
        cold_start: Of every model on val and test, entities without history apart from the others, in the
            order of the leaderboard; empty where no entity could have history.
    """

    metric: str
    higher_is_better: bool
    leaderboard: tuple[LeaderboardRow, ...]
    winner: str
    verdict: Verdict
    comparisons: tuple[Comparison, ...]
    scores: dict[str, dict[str, float]]
    threshold: float | None
    classes: tuple[str, ...]
    importance: Importance | None
    examples: tuple[ExampleRow, ...] = ()
    cold_start: tuple[ColdStart, ...] = ()

    @property
    def chosen(self) -> LeaderboardRow:
        """The row of the winner."""
        return next(row for row in self.leaderboard if row.model == self.winner)


def evaluate(
    data: Any, folders: Sequence[Path], *, seed: int, directory: Path, history: Known | None = None
) -> Evaluation:
    """Choose the candidate that is best on val, score all on test, compare; write `PREDICTIONS`.

    Args:
        data: `TrainingData` or `RankingData`.
        folders: Of the candidates.
        seed: For the bootstrap.
        directory: Where to write.
        history: Whether the entity of each row had any; cold start is measured on the splits named.

    Raises:
        UserError: ``LEARN016`` when no candidate could be fitted.
    """
    usable = _usable(candidates := [(read_candidate(folder), folder) for folder in folders])
    metric = get_metric(data.outline.chosen_metric)
    best = choose(data, metric, usable, passed_over(metric, [c for c, _ in usable]))
    winner, predictor = usable[best][0], Predictor.open(usable[best][1])
    boards = {split: _Board(data, split, metric, usable, seed) for split in (Split.VAL, Split.TEST)}
    judged, comparisons, verdict = _judge(metric, usable, best, boards)
    pq.write_table(
        _predictions(data, boards, [c.model for c, _ in usable], best),
        directory / PREDICTIONS,
        compression="zstd",
    )
    return Evaluation(
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        leaderboard=_leaderboard(metric, candidates, usable, boards),
        winner=winner.model,
        verdict=verdict,
        comparisons=comparisons,
        scores={split.value: board.all_scores(best) for split, board in boards.items()},
        threshold=winner.calibration.threshold,
        classes=tuple(data.classes),
        importance=measure_importance(predictor, data, seed=seed),
        examples=pick_examples(predictor, judged.rows, judged.calibrated[best], getattr(data, "graph", None)),
        cold_start=_cold_start(metric, boards, history or {}, [c for c, _ in usable], best, seed),
    )


def _cold_start(
    metric: Metric,
    boards: dict[Split, _Board],
    history: Known,
    usable: Sequence[Candidate],
    best: int,
    seed: int,
) -> tuple[ColdStart, ...]:
    """Score every model apart on rows without history, the best on val first."""
    order = sorted(range(len(usable)), key=lambda i: rank_on_val(metric, usable[i]))
    found: list[ColdStart] = []
    for split, known in history.items():
        said = {usable[i].model: boards[split].raw[i] for i in order}
        asked = (metric, boards[split].rows, known, said, usable[best].model)
        found += measure_cold_start(*asked, split=split.value, seed=seed)
    return tuple(found)


def _usable(candidates: Sequence[tuple[Candidate, Path]]) -> list[tuple[Candidate, Path]]:
    usable = [(c, f) for c, f in candidates if not c.left_out]
    if not usable:
        # The reason repeats who was left out.
        told = ((c.model, c.left_out.partition(" was left out: ")[2] or c.left_out) for c, _ in candidates)
        reasons = "; ".join(f"{model}: {why.rstrip('.')}" for model, why in told)
        hints = (c.hint for c, _ in candidates if c.hint not in ("", USE_ANOTHER))
        hint = next(hints, "try other models or more data.")
        raise UserError("LEARN016", f"no model could be fitted ({reasons}).", hint)
    return usable


def _judge(
    metric: Metric, usable: Sequence[tuple[Candidate, Path]], best: int, boards: Mapping[Split, _Board]
) -> tuple[_Board, tuple[Comparison, ...], Verdict]:
    judged = boards[Split.TEST] if boards[Split.TEST].is_scored(best) else boards[Split.VAL]
    names = [c.model for c, _ in usable]
    comparisons = compare(metric, judged.samples, judged.scores, names, best)
    score, spread = judged.scores[best], judged.intervals[best]
    candidates = [c for c, _ in usable]
    verdict = judge(metric, candidates, usable[best][0], score, spread, comparisons, judged.split.value)
    return judged, comparisons, verdict


def _leaderboard(
    metric: Metric,
    candidates: Sequence[tuple[Candidate, Path]],
    usable: Sequence[tuple[Candidate, Path]],
    boards: dict[Split, _Board],
) -> tuple[LeaderboardRow, ...]:
    """Best on val first; candidates that were left out come last."""
    val, test = boards[Split.VAL].intervals, boards[Split.TEST].intervals
    order = sorted(range(len(usable)), key=lambda i: rank_on_val(metric, usable[i][0]))
    rows = [_row(usable[i][0], val[i], test[i]) for i in order]
    return (*rows, *(_row(c, None, None) for c, _ in candidates if c.left_out and not c.is_idle))


def _row(candidate: Candidate, val: Interval | None, test: Interval | None) -> LeaderboardRow:
    return LeaderboardRow(
        candidate.model,
        candidate.rung,
        candidate.metric,
        candidate.val,
        candidate.test,
        val,
        test,
        candidate.fit_s,
        candidate.cpu_s,
        candidate.rows_per_s,
        candidate.words,
        candidate.left_out,
    )


class _Board:
    """All candidates scored on one split, with bootstrap samples that they share."""

    def __init__(
        self, data: Any, split: Split, metric: Metric, usable: Sequence[tuple[Candidate, Path]], seed: int
    ) -> None:
        self.data, self.split = data, split
        self.rows = data.val if split is Split.VAL else data.test
        self.thresholds = [c.calibration.threshold or 0.5 for c, _ in usable]
        self.raw = [read_predictions(folder, split) for _, folder in usable]
        self.calibrated = [c.calibration.apply(p) for (c, _), p in zip(usable, self.raw, strict=True)]
        self.scores: list[float | None] = [c.val if split is Split.VAL else c.test for c, _ in usable]
        self.samples = self._resample(metric, seed)
        self.intervals = [interval(s) if s.size else None for s in self.samples]

    def is_scored(self, model: int) -> bool:
        """Return whether a model has a score on this split."""
        return self.scores[model] is not None

    def all_scores(self, model: int) -> dict[str, float]:
        """Score one model by every metric of the task, calibrated."""
        found = {}
        for metric in metrics_for(self.data.task):
            if len(self.rows):
                value = self.rows.score(metric, self.calibrated[model], self.thresholds[model])
                if value is not None:
                    found[metric.name] = value
        return found

    def _resample(self, metric: Metric, seed: int) -> np.ndarray:
        if not len(self.rows):
            return np.empty((len(self.raw), 0))
        forms = [self.rows.form(metric, p, t) for p, t in zip(self.raw, self.thresholds, strict=True)]
        return resample(metric, self.rows.targets, forms, self.rows.clusters(), seed=seed)


def _predictions(data: Any, boards: dict[Split, _Board], names: Sequence[str], best: int) -> pa.Table:
    parts = []
    for split, board in boards.items():
        kept = ("entity", "anchor_time", "frame")
        seeds = board.rows.seeds.select([c for c in board.rows.seeds.column_names if c in kept])
        columns: dict[str, Any] = {"split": pa.array([split.value] * seeds.num_rows, pa.string())}
        if data.task.type is TaskType.LINK_PREDICTION:
            metric = get_metric(f"hit@{max(20, data.task.top_k or 1)}")
            columns |= {f"hits {n}": _hits(board, metric, i) for i, n in enumerate(names)}
            columns["num_true"] = pa.array(board.rows.targets.num_true, pa.int64())
        elif board.raw[best].ndim == 1:
            columns["label"] = pa.array(board.rows.targets.values.astype(np.float64))
            columns |= {f"model {n}": pa.array(p) for n, p in zip(names, board.calibrated, strict=True)}
        else:
            columns |= _class_columns(board, names, best)
        for name, column in columns.items():
            seeds = seeds.append_column(name, column)
        parts.append(seeds)
    return pa.concat_tables(parts)


def _class_columns(board: _Board, names: Sequence[str], best: int) -> dict[str, pa.Array]:
    """Return what the plots of a task with classes need: which came true, and how likely each was said."""
    predicted, values = board.calibrated[best], board.rows.targets.values
    if values.ndim == 1:
        truth = values[:, None] == np.arange(predicted.shape[1])
        columns = {"label": pa.array(values.astype(np.float64))}
        columns["predicted"] = pa.array(board.raw[best].argmax(axis=1).astype(np.float64))
    else:
        truth = values.astype(bool)
        whole = get_metric(f"hit@{predicted.shape[1]}")
        columns = {f"hits {n}": _hits(board, whole, i) for i, n in enumerate(names)}
        columns["num_true"] = pa.array(board.rows.targets.num_true, pa.int64())
    columns["truth"] = pa.array(truth.tolist(), pa.list_(pa.bool_()))
    columns["probability"] = pa.array(predicted.tolist(), pa.list_(pa.float64()))
    return columns


def _hits(board: _Board, metric: Metric, model: int) -> pa.Array:
    """Say of each list of a model which of its first items are true."""
    return pa.array(board.rows.form(metric, board.raw[model]).tolist(), pa.list_(pa.bool_()))
