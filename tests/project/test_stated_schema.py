"""Keys, times and links stated in Python."""

import pandas as pd
import polars as pl
import pytest

import weft
from weft.core import UserError
from weft.project.reproduction import describe_reproduction

USERS = {"uid": range(100, 140), "age": [i % 50 for i in range(40)]}
ORDERS = {
    "no": range(160),
    "who": [100 + i % 40 for i in range(160)],
    "at": pd.date_range("2024-01-01", periods=160, freq="D"),
    "seen": pd.date_range("2024-02-01", periods=160, freq="D"),
}
TABLES = {"users": {"primary_key": "uid"}, "orders": {"primary_key": "no", "time_column": "seen"}}
LINKS = ["orders.who -> users"]
ASK = "PREDICT COUNT(orders.*, 0, 30, days) FOR EACH users.uid"


@pytest.fixture
def frames():
    return {"users": pd.DataFrame(USERS), "orders": pd.DataFrame(ORDERS)}


def test_python_states_keys_times_and_links(frames, tmp_path):
    graph = weft.connect(frames, project=tmp_path).graph(tables=TABLES, links=LINKS)
    assert graph.schema.table("users").primary_key == ("uid",)
    assert graph.schema.table("orders").time_column == "seen"
    assert [link.name for link in graph.links] == ["orders.who -> users"]
    removed = weft.connect(frames, project=tmp_path).graph(
        tables=TABLES, links={"remove": ["orders.who -> users"]}
    )
    assert removed.links == ()


def test_python_is_heard_before_the_file_which_is_heard_where_python_is_silent(frames, tmp_path):
    (tmp_path / "weft.yaml").write_text(
        "tables:\n"
        "  users: {primary_key: uid, columns: {age: categorical}}\n"
        "  orders: {primary_key: 'no', time_column: at}\n"
        "links:\n  add: ['orders.who -> users']\n"
    )
    stated = {"orders": {"time_column": "seen"}, "users": {"columns": {"uid": "id"}}}
    graph = weft.connect(frames, project=tmp_path).graph(tables=stated)
    assert graph.schema.table("orders").time_column == "seen"
    assert graph.schema.table("orders").primary_key == ("no",)
    assert graph.schema.table("users").column("age").stype.value == "categorical"
    assert [link.name for link in graph.links] == ["orders.who -> users"]


@pytest.mark.parametrize("stated", [{"tables": {"users": "uid"}}, {"links": "orders.who -> users"}])
def test_a_statement_of_the_wrong_shape_is_refused(stated, frames, tmp_path):
    with pytest.raises(UserError, match=r"DATA111.*graph\(\)"):
        weft.connect(frames, project=tmp_path).graph(**stated)


@pytest.mark.parametrize(("column", "time_column"), [("at", "at"), ("seen", "at")])
def test_unreadable_times_stop_weft_until_their_format_is_named(column, time_column, frames, tmp_path):
    orders, keyed = frames["orders"], {"users": {"primary_key": "uid"}}
    orders[column] = [*(str(day.date()) for day in orders[column][:-2]), "unknown", "0000-00-00"]
    with pytest.raises(
        UserError, match=r"row 159 'unknown'(?s:.*)columns\.\w+\.time_format; what does not fit"
    ):
        _ = weft.connect(frames, project=tmp_path).graph(tables=keyed, links=LINKS).outputs
    stated = keyed | {"orders": {"time_column": time_column, "columns": {column: {"time_format": "iso"}}}}
    graph = weft.connect(frames, project=tmp_path).graph(tables=stated, links=LINKS)
    said = [f.evidence for f in graph.findings if f.subject == f"orders.{column}"]
    assert said[0].startswith("2 of 160 values (1.2%) are no times in format 'iso' and become null")
    assert said[1:] == (["2 of 160 rows have no time and are dropped."] if column == time_column else [])
    run = graph.query(ASK).fit(models=("constant",), budget="1s")
    assert f"Data: orders.{column}: 2 of 160 values" in run.text()
    frames["orders"].loc[157, column] = "also unknown"
    newer = run.predict(source=frames)
    assert len(newer) == 40


def test_the_lines_that_repeat_a_run_state_what_was_stated(frames, tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet")
    graph = weft.connect(folder, project=tmp_path).graph(tables=TABLES, links=LINKS)
    run = graph.query(ASK).fit(models=("constant",), budget="1s")
    assert f".graph(tables={TABLES!r}, links={LINKS!r})" in describe_reproduction(run).commands[0]


def test_results_come_back_in_the_type_of_the_frames(tmp_path):
    frames = {"users": pl.DataFrame(USERS), "orders": pl.DataFrame(ORDERS)}
    graph = weft.connect(frames, project=tmp_path).graph(tables=TABLES, links=LINKS)
    run = graph.query(ASK).fit(models=("constant",), budget="1s")
    assert isinstance(run.predict(), pl.DataFrame)
