"""Rolling origins: a configuration is scored on several val windows, each after train rows of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from weft.core import UserError
from weft.learn.candidate import Candidate
from weft.learn.data import Rows, TrainingData
from weft.learn.metrics import Metric, get_metric
from weft.learn.rung import Config, Model
from weft.learn.view import asked

# What a fit goes on from has learned from rows that come after an earlier origin.
_STARTS = ("start", "warm")
FitOne = Callable[[TrainingData, Config, Path | None], Model]


def at_origin(data: TrainingData, train: Sequence[int], val: Sequence[int]) -> TrainingData:
    """Return the data as they were divided at an earlier origin; there is no test.

    Which features there are and the vocabularies of categories stay those of the whole train split: they are
    made without labels, and each value is still computed from what came before its row's anchor.

    Args:
        data: Of the task.
        train: Anchors of its train rows, microseconds UTC.
        val: Anchors of its val rows, which are train rows of the task.
    """
    chosen = {name: rows.take(_at(rows, train)) for name, rows in data.train_by_name.items()}
    held = data.train.take(_at(data.train, val))
    return replace(data, train_by_name=chosen, val=held, test=held.take(np.arange(0)))


def fit_rolling(
    data: TrainingData,
    config: Config,
    origins: Sequence[Sequence[Sequence[int]]],
    fit: FitOne,
    unfinished: Any,
) -> Model:
    """Fit on all train rows, and at each earlier origin to score the configuration; share the budget.

    Args:
        data: Of the task.
        config: Of the fit; its ``budget_s`` is for all fits together.
        origins: Anchors of train and of val, the newest first.
        fit: Fits one.
        unfinished: Folder for checkpoints, or ``None``.

    Returns:
        The model of all train rows; its curve tells the scores at all origins, first that on val.
    """
    given = dict(config)
    if given.get("budget_s"):
        given["budget_s"] = float(given["budget_s"]) / (1 + len(origins))
    model: Any = fit(data, given, unfinished)
    scores = [_score(data, model)]
    anew = {k: v for k, v in given.items() if k not in _STARTS}
    for number, (train, val) in enumerate(origins, 1):
        folder = None if unfinished is None else Path(unfinished) / f"origin-{number}"
        if folder is not None:
            folder.mkdir(exist_ok=True)
        part = at_origin(data, train, val)
        try:
            scores.append(_score(part, fit(part, anew, folder)))
        except UserError as error:
            if error.code != "LEARN010":
                raise
            scores.append(None)
    model.curve = {**model.curve, "origins": scores}
    made: Model = model
    return made


def rolling_gain(metric: Metric, candidate: Candidate) -> float | None:
    """Return what a candidate is compared by: the mean over its origins, or val where it has none.

    ``None`` where a score is undefined: a mean over fewer origins would be of other windows.
    """
    scores = candidate.curve.origins or [candidate.val]
    gains = [metric.gain(score, 0.0) for score in scores if score is not None]
    return float(np.mean(gains)) if len(gains) == len(scores) else None


def passed_over(metric: Metric, candidates: Sequence[Candidate]) -> set[int]:
    """Return which trials of searches over rolling origins another trial is better than, by the mean."""
    best: dict[str, tuple[float, int]] = {}
    rolled = [i for i, c in enumerate(candidates) if c.curve.origins]
    for place in rolled:
        gain = rolling_gain(metric, candidates[place])
        rung = candidates[place].rung
        if gain is not None and (rung not in best or gain > best[rung][0]):
            best[rung] = gain, place
    return {i for i in rolled if candidates[i].rung in best and best[candidates[i].rung][1] != i}


def _score(data: TrainingData, model: Model) -> float | None:
    held_out = model.val_prediction
    predicted = model.score_rows(asked(data, data.val)) if held_out is None else held_out
    return data.val.score(get_metric(data.outline.chosen_metric), predicted)


def _at(rows: Rows, anchors: Sequence[int]) -> np.ndarray:
    times = rows.seeds["anchor_time"].cast("timestamp[us]").cast("int64").to_numpy()
    return np.flatnonzero(np.isin(times, np.asarray(anchors, np.int64)))
