"""Answers in the columns that each kind of task promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import FeatureKind, Offset, Task, TaskType, UserError
from weft.learn.candidate import Predictor
from weft.learn.conformal import Conformal, quantile_name
from weft.learn.data import expand_frames
from weft.learn.division import Division
from weft.learn.encoder import FIRST_CODE, Encoder
from weft.learn.importance import LOG_ODDS, UNCALIBRATED, divide_row, first_output
from weft.learn.metrics import rank_items
from weft.learn.neighborhood import Neighborhood, describe_neighborhood, number_text
from weft.learn.rung import sigmoid
from weft.learn.view import Asked, GraphView, Pairs

# Items of a list where the query does not say how many.
DEFAULT_LENGTH = 10


def predict_table(
    predictor: Predictor,
    task: Task,
    seeds: pa.Table,
    values: pa.Table,
    conformal: Conformal | None = None,
    graph: GraphView | None = None,
) -> pa.Table:
    """Predict, and lay the answer out.

    ===============================  ================================================================
    binary                           entity, anchor_time, probability, prediction
    regression                       entity, anchor_time, prediction, a column for each quantile
    multiclass, multilabel           entity, anchor_time, class, probability, rank
    ranking, link prediction         entity, anchor_time, item, score, rank
    forecasting                      entity, anchor_time, frame, frame_start, frame_end, prediction, quantiles
    ===============================  ================================================================

    Args:
        predictor: The fitted model.
        task: What it was fitted for.
        seeds: ``entity, anchor_time, cutoff``; one row per entity.
        values: Features of the seeds; candidate items for link prediction; one row per frame for forecasting.
        conformal: Adds quantiles to predicted numbers: columns such as ``q10`` and ``q90``.
        graph: The graph, for models that read one.
    """
    if task.type is TaskType.LINK_PREDICTION:
        return rank_candidates(predictor, task, seeds, values, graph)
    if task.type is TaskType.FORECASTING:
        seeds = expand_frames(seeds, task.num_frames or 1)
    predicted = predictor.predict(values, seeds, graph)
    head = {task.entity_column: seeds["entity"], "anchor_time": seeds["anchor_time"]}
    if task.type is TaskType.BINARY:
        return pa.table({**head, **_yes_or_no(predicted, predictor.candidate.calibration.threshold)})
    if task.type is TaskType.REGRESSION:
        return pa.table({**head, **_numbers(predicted, conformal, None)})
    if task.type is TaskType.FORECASTING:
        numbers = _numbers(predicted, conformal, seeds["frame"].to_numpy())
        return pa.table({**head, **_frames(task, seeds), **numbers})
    return _classes(predictor, task, head, predicted)


@dataclass(frozen=True)
class Amount:
    """How much one feature moved one prediction.

    Attributes:
        feature: Name of the feature.
        words: What it is.
        value: What it was for this row, as text.
        amount: Signed, in the unit of the explanation.
        table: Where it comes from.
        links: Links walked.
        columns: Columns read.
    """

    feature: str
    words: str
    value: str
    amount: float
    table: str
    links: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class RowExplanation:
    """Why a model predicted what it did for one row.

    Attributes:
        prediction: What was predicted; the probability of ``about`` for tasks with classes.
        about: The class, item or frame that is explained; empty for a single number and for yes or no.
        base: What would be predicted knowing nothing, in the unit of the amounts.
        unit: Of the amounts: ``value``, ``log-odds`` (of the probability that is shown), ``log-odds before
            calibration`` (of the model's score, where calibration is a curve), ``score``, ``change of
            prediction`` or ``change of prediction beside the graph``. All but the last two add up, with the
            base, to what the model says.
        amounts: Largest first.
        usual: ``base`` as a prediction; ``None`` where it cannot be told.
        neighborhood: The rows that a network read and that moved it; ``None`` where none was asked.
    """

    prediction: float
    about: str
    base: float
    unit: str
    amounts: tuple[Amount, ...]
    usual: float | None = None
    neighborhood: Neighborhood | None = None


def explain_rows(
    predictor: Predictor,
    values: pa.Table,
    seeds: pa.Table | None = None,
    graph: GraphView | None = None,
) -> RowExplanation:
    """Explain the first row; for candidate items the one that is ranked first.

    Raises:
        UserError: ``LEARN064`` for a network that ranks items by nothing that can be left out.
    """
    model = predictor.model
    about, pairs = "", None
    if model.header.task.type is TaskType.LINK_PREDICTION:
        place = int(np.argmax(predictor.predict(values, seeds, graph)))
        about = str(values["item"][place].as_py())
        values = values.slice(place, 1)
        pairs = Pairs(values["seed"].to_numpy(), values["item"])
    else:
        if model.header.task.type is TaskType.FORECASTING:
            about = f"frame 0 of {model.header.task.num_frames}"
        values = values.slice(0, 1)
        seeds = None if seeds is None else seeds.slice(0, 1)
    rows = Asked(seeds, model.header.encoder.matrix(values, seeds), graph, pairs)
    told = explain_row(predictor, rows, about)
    if pairs is not None and model.reads_graph and not told.amounts:
        raise cannot_tell(predictor.candidate.model)
    return told


def cannot_tell(model: str) -> UserError:
    """Make the error of a network that ranks items by nothing but what is around them."""
    return UserError(
        "LEARN064",
        f"the network '{model}' ranks items by the rows around them and cannot tell what moves its scores.",
        "explain a run with a rung that reads features of the candidates: --models ranker,id_gnn,blend.",
    )


def explain_row(predictor: Predictor, rows: Asked, about: str = "") -> RowExplanation:
    """Explain one encoded row."""
    model = predictor.model
    division, unit = divide_row(model, rows, predictor.candidate.calibration.apply)
    usual = _usual(predictor, float(division.base[0]), unit)
    division, unit = _calibrated(predictor, division, unit)
    predicted = predictor.candidate.calibration.apply(model.score_rows(rows))
    if predicted.ndim == 2:
        index = int(predicted[0].argmax())
        about = model.header.classes[index]
        predicted = predicted[:, index]
    neighborhood, values = None, _values(model.header.encoder, rows.matrix[0])
    if division.networks and rows.graph is not None:
        neighborhood, seen = describe_neighborhood(division.networks, rows.graph.source)
        values |= seen
    told = [
        Amount(f.name, f.words, values.get(f.name, ""), float(a), f.table, f.links, f.columns)
        for f, a in zip(division.parts, division.amounts[0], strict=True)
        if a != 0
    ]
    ordered = tuple(sorted(told, key=lambda t: -abs(t.amount)))
    return RowExplanation(
        float(first_output(predicted)[0]), about, float(division.base[0]), unit, ordered, usual, neighborhood
    )


def _values(encoder: Encoder, row: np.ndarray) -> dict[str, str]:
    return {name: _shown(encoder, float(row[i]), i) for i, name in enumerate(encoder.names)}


def _calibrated(predictor: Predictor, division: Division, unit: str) -> tuple[Division, str]:
    """Bring log-odds of the model's score to those of the probability that is shown, so that they add up.

    Where the calibration is a curve, no one factor does that to all amounts: they stay those of the score.
    """
    if unit != LOG_ODDS:
        return division, unit
    line = predictor.candidate.calibration.line
    if line is None:
        return division, UNCALIBRATED
    slope, offset = line
    networks = tuple((weight * slope, told) for weight, told in division.networks)
    return Division(division.parts, division.amounts * slope, division.base * slope + offset, networks), unit


def _usual(predictor: Predictor, base: float, unit: str) -> float | None:
    """Return what is predicted of a row of which nothing is known."""
    if unit == "value":
        return base
    if unit == LOG_ODDS and predictor.model.header.task.type is TaskType.BINARY:
        return float(predictor.candidate.calibration.apply(sigmoid(np.array([base])))[0])
    return None


def _shown(encoder: Encoder, value: float, position: int) -> str:
    """Write an encoded value as it was in the feature table."""
    feature = encoder.features[position]
    if feature.kind is FeatureKind.CATEGORICAL:
        vocabulary = encoder.vocabularies[feature.name]
        code = int(value) - FIRST_CODE
        return vocabulary[code] if 0 <= code < len(vocabulary) else ("missing" if code < -1 else "other")
    return "missing" if np.isnan(value) else number_text(float(value))


def _yes_or_no(predicted: np.ndarray, threshold: float | None) -> dict[str, pa.Array]:
    answer = {} if threshold is None else {"prediction": pa.array(predicted >= threshold)}
    return {"probability": pa.array(predicted, pa.float64()), **answer}


def _numbers(
    predicted: np.ndarray, conformal: Conformal | None, frame: np.ndarray | None
) -> dict[str, pa.Array]:
    """Return the column ``prediction`` and one for each quantile."""
    columns = {"prediction": pa.array(predicted, pa.float64())}
    if conformal is None:
        return columns
    found = conformal.quantiles(predicted, frame)
    names = [quantile_name(level) for level in conformal.levels]
    return columns | {name: pa.array(found[:, i], pa.float64()) for i, name in enumerate(names)}


def _frames(task: Task, seeds: pa.Table) -> dict[str, pa.Array]:
    anchors = seeds["anchor_time"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    frames = seeds["frame"].to_numpy()
    horizon = task.horizon or Offset(1)
    pairs, at = np.unique(np.column_stack([anchors, frames]), axis=0, return_inverse=True)

    def instants(extra: int) -> pa.Array:
        found = [
            Offset(horizon.value * (int(f) + extra), horizon.unit).after(int(a)) if f + extra else int(a)
            for a, f in pairs
        ]
        return pa.array(np.array(found, np.int64)[at.ravel()]).cast(pa.timestamp("us"))

    return {"frame": pa.array(frames, pa.int64()), "frame_start": instants(0), "frame_end": instants(1)}


def _classes(predictor: Predictor, task: Task, head: dict[str, Any], predicted: np.ndarray) -> pa.Table:
    """Give one row per entity and class, most likely first; rankings keep the first ``k``."""
    classes = np.array(predictor.model.header.classes, dtype=object)
    is_ranking = task.type is TaskType.MULTILABEL_RANKING
    kept = min(len(classes), task.top_k or len(classes)) if is_ranking else len(classes)
    order = np.argsort(-predicted, axis=1, kind="stable")[:, :kept]
    rows = pa.array(np.repeat(np.arange(len(predicted)), kept))
    repeated = {name: column.take(rows) for name, column in head.items()}
    scores = np.take_along_axis(predicted, order, axis=1).ravel()
    ranks = np.tile(np.arange(1, kept + 1), len(predicted))
    named = ("item", "score") if is_ranking else ("class", "probability")
    return pa.table(
        {
            **repeated,
            named[0]: pa.array(classes[order.ravel()].tolist(), pa.string()),
            named[1]: pa.array(scores, pa.float64()),
            "rank": pa.array(ranks, pa.int64()),
        }
    )


def rank_candidates(
    predictor: Predictor,
    task: Task,
    seeds: pa.Table,
    candidates: pa.Table,
    graph: GraphView | None,
    top: int | None = None,
) -> pa.Table:
    """Order candidate items; see `predict_table`.

    Args:
        predictor: The fitted model.
        task: What it was fitted for.
        seeds: ``entity, anchor_time, cutoff``.
        candidates: ``seed`` (row of the seeds), ``item``, features.
        graph: The graph, for models that read one.
        top: Items per seed; those of the task when left out.
    """
    scores = predictor.predict(candidates, seeds, graph)
    seed = candidates["seed"].to_numpy()
    places = rank_items(seed, scores, candidates["score.popularity"].to_numpy(zero_copy_only=False))
    first = np.flatnonzero(places < (top or task.top_k or DEFAULT_LENGTH))
    first = first[np.lexsort((places[first], seed[first]))]
    chosen = candidates.take(pa.array(first))
    ranks = pc.add(pa.array(places[first], pa.int64()), 1)
    return lay_lists_out(task, seeds, chosen["seed"], chosen["item"], scores[first], ranks)


def lay_lists_out(
    task: Task, seeds: pa.Table, seed: Any, item: Any, score: np.ndarray, rank: Any
) -> pa.Table:
    """Return lists in the columns of the answer."""
    of = seeds.take(seed)
    return pa.table(
        {
            task.entity_column: of["entity"],
            "anchor_time": of["anchor_time"],
            "item": item,
            "score": pa.array(score, pa.float64()),
            "rank": rank,
        }
    )
