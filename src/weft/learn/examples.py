"""A few rows of the scored split, explained: what a person looks at first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from weft.learn.candidate import Predictor
from weft.learn.metrics import rank_items
from weft.learn.output import RowExplanation, explain_row
from weft.learn.ranking import RankingRows
from weft.learn.view import Asked, GraphView

_MOST_NAMES = 5


@dataclass(frozen=True)
class ExampleRow:
    """One explained row of the scored split, with what came true.

    Attributes:
        entity: Its key, as text.
        anchor_us: Instant of the prediction.
        label: What came true, for numbers and yes or no; else whether what is explained came true.
        told: The explanation.
        actual: What came true in words, for classes and items.
    """

    entity: str
    anchor_us: int
    label: float
    told: RowExplanation
    actual: str = ""


def pick_examples(
    predictor: Predictor, rows: Any, predicted: np.ndarray, graph: GraphView | None = None
) -> tuple[ExampleRow, ...]:
    """Explain the highest, the middle and the lowest prediction, for classes and items the surest.

    Args:
        predictor: The fitted model.
        rows: Of the scored split, `weft.learn.Rows` or `weft.learn.RankingRows`.
        predicted: Calibrated, as the model gives them for ``rows``.
        graph: The graph, for models that read one.
    """
    model = predictor.model
    if not len(rows) or not len(predicted) or not (model.header.encoder.features or model.reads_graph):
        return ()
    if isinstance(rows, RankingRows):
        return _lists(predictor, rows, predicted, graph)
    sureness = predicted if predicted.ndim == 1 else predicted.max(axis=1)
    return tuple(_row(predictor, rows, place, graph) for place in _spread(sureness))


def _spread(values: np.ndarray) -> list[int]:
    """Return the places of the highest, the middle and the lowest value, each once."""
    order = np.argsort(values, kind="stable")
    return list(dict.fromkeys(int(order[i]) for i in (-1, len(order) // 2, 0)))


def _row(predictor: Predictor, rows: Any, place: int, graph: GraphView | None) -> ExampleRow:
    frame = f"frame {rows.seeds['frame'][place].as_py()}" if "frame" in rows.seeds.column_names else ""
    told = explain_row(predictor, Asked(rows.seeds, rows.matrix, graph).take(np.array([place])), frame)
    classes, values = predictor.model.header.classes, rows.targets.values
    if not classes:
        return ExampleRow(*_seed(rows, place), float(values[place]), told)
    if values.ndim == 1:
        code = int(values[place])
        names = [classes[code]] if code >= 0 else ["a class that train does not have"]
    else:
        names = [classes[i] for i in np.flatnonzero(values[place])]
    return ExampleRow(*_seed(rows, place), float(told.about in names), told, _listed(names))


def _lists(
    predictor: Predictor, rows: RankingRows, scores: np.ndarray, graph: GraphView | None
) -> tuple[ExampleRow, ...]:
    first = np.flatnonzero(rank_items(rows.seed, scores, rows.popularity) == 0)
    found = []
    asked = Asked(rows.seeds, rows.matrix, graph, rows.pairs)
    for place in first[_spread(scores[first])].tolist():
        seed = int(rows.seed[place])
        item = str(rows.items[place].as_py())
        told = explain_row(predictor, asked.take(np.array([place])), item)
        true = np.flatnonzero((rows.seed == seed) & rows.is_true)
        names = [str(name) for name in rows.items.take(pa.array(true)).to_pylist()]
        found.append(ExampleRow(*_seed(rows, seed), float(rows.is_true[place]), told, _listed(names)))
    return tuple(found)


def _seed(rows: Any, place: int) -> tuple[str, int]:
    anchor = rows.seeds["anchor_time"][place].cast(pa.timestamp("us")).cast(pa.int64()).as_py()
    return str(rows.seeds["entity"][place].as_py()), int(anchor)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more if names else "none of them"
