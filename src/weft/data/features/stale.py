"""Cutoffs of train rows that are as old as those of evaluation rows under frozen history."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.data.features.segments import Ints


def stale_cutoffs(labels: pa.Table, num_anchors: int, *, num_phases: int = 4) -> pa.Table:
    """Return the label table with train rows that are cut off as far back as evaluation rows.

    Under frozen history a model is scored on rows whose cutoff lies up to a whole split behind their
    anchor; from fresh rows alone it learns to trust recency that evaluation rows do not have. Train
    anchors are grouped from the newest back into blocks of ``num_anchors``, and each row's cutoff
    becomes the first anchor of its block. One grouping gives every anchor a single staleness, so there
    are ``num_phases`` of them, each shifted by an equal part of a block, and every train row comes once
    for each. Rows of val and test stay as they are.

    Args:
        labels: Columns ``entity``, ``anchor_time``, ``cutoff``, ``split`` and others, sorted.
        num_anchors: Distinct anchors of a block: the number in an evaluation split.
        num_phases: Copies of each train row; at most ``num_anchors``.

    Returns:
        Train rows by phase, then anchor and entity; then the rest.
    """
    is_train = pc.equal(labels["split"], "train")
    train, rest = labels.filter(is_train), labels.filter(pc.invert(is_train))
    anchors = train["anchor_time"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    size = max(num_anchors, 1)
    phases = range(0, size, -(-size // max(min(num_phases, size), 1)))
    copies = [_with_cutoffs(train, _block_starts(anchors, size, shift)) for shift in phases]
    return pa.concat_tables([*copies, rest])


def _block_starts(anchors: Ints, size: int, shift: int) -> Ints:
    """Return for each row the first anchor of its block; the newest block is ``shift`` anchors short."""
    distinct, at = np.unique(anchors, return_inverse=True)
    block = (len(distinct) - 1 - np.arange(len(distinct)) + shift) // size
    new = np.ones(len(distinct), bool)
    new[1:] = block[1:] != block[:-1]
    starts = np.maximum.accumulate(np.where(new, np.arange(len(distinct)), 0))
    found: Ints = distinct[starts][at] if len(distinct) else anchors
    return found


def _with_cutoffs(labels: pa.Table, cutoffs: Ints) -> pa.Table:
    place = labels.schema.get_field_index("cutoff")
    field = labels.schema.field(place)
    return labels.set_column(place, field, pa.array(cutoffs).cast(pa.timestamp("us")).cast(field.type))
