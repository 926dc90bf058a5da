"""A finished run predicts from newer rows of the same tables, read as its own were."""

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import weft
from weft.core import UserError
from weft.data import generate_shop

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"
NOW = dt.datetime(2025, 4, 1)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """``newer`` is a shop, ``older`` the same shop as it was on the day NOW."""
    folder = tmp_path_factory.mktemp("newer")
    generate_shop(folder / "newer", num_users=250, seed=3)
    (folder / "older").mkdir()
    tables = {p.stem: pq.read_table(p) for p in (folder / "newer").glob("*.parquet")}
    late = {}
    for name, table in tables.items():
        times = [f.name for f in table.schema if pa.types.is_timestamp(f.type)]
        if times and name != "users":
            first = table.column(times[0])
            late[name] = pc.greater(first, pa.scalar(NOW, first.type))
    orders = tables["orders"].filter(pc.invert(late["orders"]))
    for name, table in tables.items():
        if "order_id" in table.column_names:
            table = table.filter(pc.is_in(table["order_id"], orders["order_id"]))
        elif name in late:
            table = table.filter(pc.invert(late[name]))
        pq.write_table(table, folder / "older" / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def run(place):
    graph = weft.connect(str(place / "older"), project=place).graph()
    # With given times the past labels of an earlier day are the same in both sources.
    times = {"val_start": "2025-01-01", "test_start": "2025-02-01"}
    return graph.query(CHURN).fit(budget="1s", models=("constant", "entity", "lightgbm"), **times)


def test_the_same_rows_give_the_same_predictions(run, place):
    assert run.predict(source=str(place / "older")).equals(run.predict())


def test_newer_rows_move_the_last_fact_and_the_predictions(run, place):
    newer, older = run.predict(source=str(place / "newer")), run.predict()
    assert pc.min(newer["anchor_time"]).as_py() > pc.max(older["anchor_time"]).as_py()
    assert newer.num_rows >= older.num_rows
    assert set(newer["probability"].to_pylist()) != set(older["probability"].to_pylist())


def test_what_came_later_changes_no_prediction_of_an_earlier_day(run, place):
    at = run.predict()["anchor_time"][0].as_py()
    then = run.predict(source=str(place / "newer"), at=at)
    was = dict(zip(*(run.predict()[c].to_pylist() for c in ("user_id", "probability")), strict=True))
    now = dict(zip(*(then[c].to_pylist() for c in ("user_id", "probability")), strict=True))
    assert now == pytest.approx(was)


def test_frames_are_a_source_and_an_explanation_reads_it_too(run, place):
    frames = {p.stem: pq.read_table(p) for p in (place / "newer").glob("*.parquet")}
    from_frames, from_files = (run.predict(source=s) for s in (frames, str(place / "newer")))
    assert from_frames.equals(from_files)
    user = from_frames["user_id"][0].as_py()
    told = run.explain(user, source=str(place / "newer"))
    assert told.told.prediction == pytest.approx(from_frames["probability"][0].as_py())


def test_a_source_without_a_table_of_the_run_is_refused_by_name(run, place):
    frames = {"users": pq.read_table(place / "newer" / "users.parquet")}
    with pytest.raises(UserError, match="DATA133: the run read a table"):
        run.predict(source=frames)


def test_a_source_without_a_column_of_the_run_is_refused_by_name(run, place):
    frames = {p.stem: pq.read_table(p) for p in (place / "newer").glob("*.parquet")}
    frames["orders"] = frames["orders"].drop_columns(["payment"])
    with pytest.raises(UserError, match="payment"):
        run.predict(source=frames)
