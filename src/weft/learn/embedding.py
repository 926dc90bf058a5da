"""Embeddings: what a network knows of each entity, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from weft.core import Task, TaskType, UserError
from weft.learn.candidate import Predictor
from weft.learn.data import expand_frames
from weft.learn.view import Asked, GraphView

_BLOCK = 16_384


def embed_blocks(
    predictor: Predictor,
    task: Task,
    seeds: pa.Table,
    values: pa.Table,
    graph: GraphView | None,
    *,
    block_rows: int = _BLOCK,
) -> Iterator[pa.Table]:
    """Yield the embeddings of seeds: entity, anchor_time, ``embedding`` (float32, as many as channels).

    Memory is that of one block, beside the seeds and their features.

    Args:
        predictor: A fitted network.
        task: What it was fitted for.
        seeds: ``entity, anchor_time, cutoff``; one row per entity.
        values: Features of the seeds; one row per frame for forecasting. Where items are ranked they are of
            candidates, and not read: a vector is of the entity alone.
        graph: The graph.
        block_rows: Rows of a block.

    Raises:
        UserError: ``LEARN047`` for a model that has no embeddings.
    """
    embed = getattr(predictor.model, "embed_rows", None)
    if embed is None:
        raise UserError(
            "LEARN047",
            f"the model '{predictor.candidate.model}' has no embeddings of rows.",
            "name a network of the run, or fit with models=('network',).",
        )
    frames = task.num_frames or 1 if task.type is TaskType.FORECASTING else 1
    for begin in range(0, max(1, seeds.num_rows), block_rows):
        part = seeds.slice(begin, block_rows)
        features = values.slice(begin * frames, part.num_rows * frames)
        matrix = _matrix(predictor, task, part, features, frames)
        yield _laid_out(task, part, np.asarray(embed(Asked(part, matrix, graph)), np.float32))


def _matrix(predictor: Predictor, task: Task, seeds: pa.Table, features: pa.Table, frames: int) -> np.ndarray:
    """Return what is read of seeds beside the graph, one row each."""
    if task.type is TaskType.LINK_PREDICTION:
        return np.zeros((seeds.num_rows, 0), np.float32)
    given = expand_frames(seeds, frames) if frames > 1 else seeds
    return predictor.model.header.encoder.matrix(features, given)[::frames]


def _laid_out(task: Task, seeds: pa.Table, embedded: np.ndarray) -> pa.Table:
    flat = pa.array(np.ascontiguousarray(embedded).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(flat, embedded.shape[1])
    head = {task.entity_column: seeds["entity"], "anchor_time": seeds["anchor_time"]}
    return pa.table({**head, "embedding": vectors})
