"""Labels from queries equal published label tables, row by row."""

import time

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from weft.core import Split, SplitOptions, parse_time
from weft.data.labels import build_labels
from weft.pql import compile_query

F1_TASKS = {
    "driver-dnf": "PREDICT COUNT(results.* WHERE results.statusId != 1, 0, 30, days) > 0 "
    "FOR EACH drivers.driverId ASSUMING COUNT(results.*, 0, 30, days) > 0",
    "driver-top3": "PREDICT MIN(qualifying.position, 0, 30, days) <= 3 FOR EACH drivers.driverId",
    "driver-position": "PREDICT AVG(results.positionOrder, 0, 60, days) FOR EACH drivers.driverId",
}
F1_SPLITS = SplitOptions(
    val_start_us=parse_time("2005-01-01"), test_start_us=parse_time("2010-01-01"), num_eval_anchors=40
)
TRAVEL_SPLITS = SplitOptions(val_start_us=parse_time("2017-01-30"), test_start_us=parse_time("2017-05-01"))
TRAVEL_TASKS = {
    "user-badge": "PREDICT COUNT(badges.*, 0, 91, days) > 0 FOR EACH users.Id WHERE users.Id != -1",
    "post-votes": "PREDICT COUNT(votes.* WHERE votes.VoteTypeId = 2, 0, 91, days) FOR EACH posts.Id "
    "WHERE posts.PostTypeId = 1 AND posts.OwnerUserId != -1",
}
ENGAGEMENT = """
PREDICT EXISTS(posts.*, 0, 91, days) OR EXISTS(votes.*, 0, 91, days) OR EXISTS(comments.*, 0, 91, days)
FOR EACH users.Id
WHERE users.Id != -1
  AND (EXISTS(posts.*, -INF, 0) OR EXISTS(votes.*, -INF, 0) OR EXISTS(comments.*, -INF, 0))
"""


def assert_equal_row_by_row(labels, folder):
    for split in Split:
        published = pq.read_table(folder / f"{split.value}.parquet")
        wanted = sorted(zip(*(c.to_pylist() for c in published.columns), strict=True))
        rows = labels.table.filter(pc.equal(labels.table["split"], split.value))
        found = zip(*(rows[c].to_pylist() for c in ("anchor_time", "entity", "label")), strict=True)
        assert list(found) == wanted, split


@pytest.mark.parametrize("task", F1_TASKS)
def test_rel_f1_labels_equal_the_published_ones(rel_f1, real_data, task):
    query = compile_query(F1_TASKS[task], rel_f1.schema)
    started = time.process_time()
    labels = build_labels(rel_f1, query, F1_SPLITS)
    assert time.process_time() - started < 4
    assert_equal_row_by_row(labels, real_data / "rel_f1" / "tasks" / task)


@pytest.mark.parametrize("task", TRAVEL_TASKS)
def test_travel_labels_equal_the_published_ones(travel, real_data, task):
    labels = build_labels(travel, compile_query(TRAVEL_TASKS[task], travel.schema), TRAVEL_SPLITS)
    assert_equal_row_by_row(labels, real_data / "travel" / "tasks" / task)


def test_travel_engagement_labels_equal_the_published_ones(travel_without_user_time, real_data):
    tables = travel_without_user_time
    started = time.process_time()
    labels = build_labels(tables, compile_query(ENGAGEMENT, tables.schema), TRAVEL_SPLITS)
    assert time.process_time() - started < 12
    assert_equal_row_by_row(labels, real_data / "travel" / "tasks" / "user-engagement")
