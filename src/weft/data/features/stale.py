"""Cutoffs of train rows that are as old as those of evaluation rows under frozen history."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def stale_cutoffs(labels: pa.Table, num_anchors: int) -> pa.Table:
    """Return the label table with train rows cut off at the first anchor of their block.

    Under frozen history a model is scored on rows whose cutoff lies up to a whole split behind
    their anchor, so it should learn from such rows. Train anchors are grouped from the newest back into
    blocks of ``num_anchors``, and each row's cutoff becomes the first anchor of its block. Rows of val
    and test keep theirs.

    Args:
        labels: Columns ``anchor_time``, ``cutoff``, ``split`` and others.
        num_anchors: Distinct anchors of a block; the number in an evaluation split.
    """
    is_train = pc.equal(labels["split"], "train").to_numpy(zero_copy_only=False)
    anchors = labels["anchor_time"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    cutoffs = labels["cutoff"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy().copy()
    distinct, at = np.unique(anchors[is_train], return_inverse=True)
    block = (len(distinct) - 1 - np.arange(len(distinct))) // max(num_anchors, 1)
    first = np.array([distinct[block == b].min() for b in block], np.int64)
    cutoffs[is_train] = first[at]
    place = labels.schema.get_field_index("cutoff")
    kind = labels.schema.field(place).type
    return labels.set_column(place, "cutoff", pa.array(cutoffs).cast(pa.timestamp("us")).cast(kind))
