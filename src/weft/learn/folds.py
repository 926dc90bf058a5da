"""Dividing val once more, so that what is fitted on val can be scored on val honestly."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from weft.learn.data import number_entities

NUM_FOLDS = 5


def hold_out(folds: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return of each part its rows and those of all others; nothing where there is one part.

    Args:
        folds: Number of the part that each row belongs to, ``(n,)``.
    """
    parts = np.unique(folds)
    if len(parts) < 2:
        return []
    return [(np.flatnonzero(folds == part), np.flatnonzero(folds != part)) for part in parts]


def number_folds(seeds: pa.Table, num_folds: int = NUM_FOLDS) -> np.ndarray:
    """Give each row a fold; rows of one anchor stay together, or those of one entity when anchors are few.

    Args:
        seeds: ``entity`` and ``anchor_time`` of each row.
        num_folds: How many folds.

    Returns:
        int64 ``(n,)`` in ``[0, num_folds)``; fewer folds when there are fewer groups.
    """
    anchors = seeds.column("anchor_time").cast(pa.int64()).to_numpy()
    groups = np.unique(anchors, return_inverse=True)[1]
    if groups.max(initial=0) + 1 < num_folds:
        groups = number_entities(seeds)
    return np.asarray(groups % num_folds)
