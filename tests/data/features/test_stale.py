"""Train rows under frozen history are cut off as far back as evaluation rows are."""

import pyarrow as pa
from feature_shop import DAY

from weft.data.features import stale_cutoffs


def _labels():
    anchors = [day * DAY for day in range(1, 11) for _ in range(2)]
    times = pa.array(anchors, pa.timestamp("us"))
    split = ["train" if a <= 6 * DAY else "val" for a in anchors]
    frozen = pa.array([a if a <= 6 * DAY else 7 * DAY for a in anchors], pa.timestamp("us"))
    return pa.table({"entity": [1, 2] * 10, "anchor_time": times, "cutoff": frozen, "split": split})


def _days(column):
    return [v // DAY for v in column.cast(pa.int64()).to_pylist()]


def test_the_cutoff_of_a_train_row_is_the_first_anchor_of_its_block():
    found = stale_cutoffs(_labels(), 4, num_phases=1)
    assert _days(found["anchor_time"])[:12:2] == [1, 2, 3, 4, 5, 6]
    assert _days(found["cutoff"])[:12:2] == [1, 1, 3, 3, 3, 3]


def test_each_phase_shifts_the_blocks_and_repeats_the_train_rows():
    found = stale_cutoffs(_labels(), 4, num_phases=2)
    assert found.num_rows == 2 * 12 + 8
    assert _days(found["cutoff"])[12:24:2] == [1, 1, 1, 1, 5, 5]


def test_no_cutoff_is_after_its_anchor_and_evaluation_rows_stay():
    labels = _labels()
    found = stale_cutoffs(labels, 4)
    late = [a - c for a, c in zip(_days(found["anchor_time"]), _days(found["cutoff"]), strict=True)]
    assert min(late) == 0 and max(late) == 3
    assert found.slice(found.num_rows - 8) == labels.slice(12)


def test_more_phases_than_anchors_repeat_no_grouping():
    assert stale_cutoffs(_labels(), 2, num_phases=9).num_rows == 2 * 12 + 8
    assert stale_cutoffs(_labels(), 1, num_phases=9).num_rows == 20
