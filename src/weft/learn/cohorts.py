"""What moves predictions, told apart by cohorts: rows that agree in one column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.learn.candidate import Predictor
from weft.learn.importance import (
    CONTRIBUTIONS,
    Movement,
    Share,
    divide_sample,
    hop_of,
    sample_places,
    unit_of,
    unit_of_change,
)
from weft.learn.neighborhood import number_text
from weft.learn.view import asked

_MOST_COHORTS = 8
MISSING, OTHERS = "missing", "others"


@dataclass(frozen=True)
class Cohort:
    """What moves the predictions of some rows.

    Attributes:
        value: What they agree in.
        num_rows: How many of them were looked at.
        prediction: Mean prediction; ``None`` where there are several classes.
        tables: Share of the movement and mean signed amount by table; so are ``links``, ``columns``,
            ``hops`` and ``features``.
        links: By link.
        columns: By column.
        hops: By how many links lie between the entity and what was read.
        features: By feature.
    """

    value: str
    num_rows: int
    prediction: float | None
    tables: tuple[Share, ...]
    links: tuple[Share, ...]
    columns: tuple[Share, ...]
    hops: tuple[Share, ...]
    features: tuple[Share, ...]


@dataclass(frozen=True)
class Cohorts:
    """What moves a model's predictions, cohort by cohort.

    Attributes:
        model: The model explained.
        column: What rows of a cohort agree in, ``table.column``.
        unit: Of mean amounts.
        num_rows: Rows of val that were looked at.
        cohorts: The largest first.
    """

    model: str
    column: str
    unit: str
    num_rows: int
    cohorts: tuple[Cohort, ...]


def measure_cohorts(
    predictor: Predictor, data: Any, column: str, values: pa.Array, *, seed: int
) -> Cohorts | None:
    """Measure what moves predictions on a sample of val rows, for each value of a column.

    Args:
        predictor: The fitted model.
        data: With val.
        column: Name of the column, ``table.column``.
        values: What each row of val has there.
        seed: Of the sample.

    Returns:
        ``None`` where there are no rows or nothing moves.
    """
    rows, model = asked(data, data.val), predictor.model
    if not len(rows):
        return None
    chosen = sample_places(model, len(rows), np.random.default_rng(seed))
    sample = rows.take(chosen)
    divisions, method = divide_sample(model, sample)
    num = len(divisions[0].base)
    predicted = predictor.candidate.calibration.apply(model.score_rows(sample.first(num)))
    names = np.array(name_cohorts(values.take(pa.array(chosen[:num]))), dtype=object)
    found = []
    for name in dict.fromkeys(names.tolist()):
        here = np.flatnonzero(names == name)
        movement = Movement.of(divisions, here)
        if movement.size.sum() > 0:
            mean = float(predicted[here].mean()) if predicted.ndim == 1 else None
            found.append(_cohort(str(name), len(here), mean, movement))
    ranked = tuple(sorted(found, key=lambda c: (-c.num_rows, c.value)))
    unit = unit_of(model) if method == CONTRIBUTIONS else unit_of_change(model)
    return Cohorts(predictor.candidate.model, column, unit, num, ranked) if found else None


def name_cohorts(values: pa.Array | pa.ChunkedArray) -> list[str]:
    """Name the cohort of each value: itself, a quarter of the numbers, or the others where there are many.

    Example:
        >>> name_cohorts(pa.array(["a", None, "b"]))
        ['a', 'missing', 'b']
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    numbers = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if (numbers or pa.types.is_timestamp(values.type)) and len(values.unique()) > _MOST_COHORTS:
        return _quarters(values)
    texts = values.cast(pa.string()).to_pylist()
    known = [t for t in texts if t is not None]
    frequent = sorted(set(known), key=lambda t: (-known.count(t), t))
    kept = set(frequent if len(frequent) <= _MOST_COHORTS else frequent[: _MOST_COHORTS - 1])
    return [MISSING if t is None else t if t in kept else OTHERS for t in texts]


def _quarters(values: pa.Array) -> list[str]:
    is_time = pa.types.is_timestamp(values.type)
    plain = values.cast(pa.timestamp("us")).cast(pa.int64()) if is_time else values
    numbers = np.asarray(pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False))
    known = numbers[np.isfinite(numbers)]
    edges = np.unique(np.quantile(known, (0.25, 0.5, 0.75)))
    places = np.searchsorted(edges, numbers, side="right")
    bounds = [_text(edge, is_time) for edge in edges.tolist()]
    names = [f"below {bounds[0]}", *_between(bounds), f"{bounds[-1]} or more"]
    return [names[int(p)] if np.isfinite(n) else MISSING for p, n in zip(places, numbers, strict=True)]


def _between(bounds: Sequence[str]) -> list[str]:
    return [f"{low} to below {high}" for low, high in pairwise(bounds)]


def _text(value: float, is_time: bool) -> str:
    return str(np.datetime64(int(value), "us").astype("datetime64[D]")) if is_time else number_text(value)


def _cohort(value: str, num_rows: int, prediction: float | None, movement: Movement) -> Cohort:
    return Cohort(
        value=value,
        num_rows=num_rows,
        prediction=prediction,
        tables=movement.grouped(lambda f: (f.table,) if f.table else ()),
        links=movement.grouped(lambda f: f.links),
        columns=movement.grouped(lambda f: f.columns),
        hops=movement.grouped(hop_of),
        features=movement.features(),
    )
