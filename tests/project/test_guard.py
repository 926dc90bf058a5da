"""Predictions never land on, or among, the tables that they are made from."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weft
from weft.core import Resources, UserError
from weft.data import connect, export_frame, generate_shop
from weft.project import Asking, predict_to
from weft.project.guard import absolute_place, refuse_source
from weft.project.reproduction import FRAMES

SHOP = "postgresql://ann:secret@db.example/shop"


def refused(target, table, place):
    try:
        refuse_source(target, table, [place], ("users", "orders"))
    except UserError as error:
        assert error.code == "DATA130"
        assert "secret" not in error.message
        return True
    return False


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop.sqlite").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


READ = ["shop/orders.csv", "shop/new.parquet", "shop/results/predictions.parquet"]
READ += ["shop/orders/2025/new.csv", "shop/year=2025/new.tsv"]
NOT_READ = ["predictions.parquet", "shop2/predictions.parquet", "shop/.weft/predictions.parquet"]
NOT_READ += ["shop/_made/predictions.parquet", "shop/tasks/churn/test.parquet", "shop/readme.csv"]
NOT_READ += ["shop/made.duckdb", "shop/made.sqlite"]


@pytest.mark.parametrize("target", READ + NOT_READ)
def test_the_guard_knows_what_the_connector_reads(place, target):
    pq.write_table(pa.table({"old": [1]}), place / "shop" / "users.parquet")
    before = connect(str(place / "shop")).fingerprints(Resources.of_machine())
    (place / target).parent.mkdir(parents=True, exist_ok=True)
    export_frame(pa.table({"new": [1], "more": [2]}), target, mode="replace")
    after = connect(str(place / "shop")).fingerprints(Resources.of_machine())
    assert (before != after) == (target in READ)


@pytest.mark.parametrize("target", [*READ, "./shop/../shop/new.parquet", "shop/orders/new.csv.gz"])
def test_a_folder_of_tables_takes_no_predictions_however_deep(place, target):
    assert refused(target, "predictions", "shop")
    assert refused(target, "predictions", str(place / "shop"))


@pytest.mark.parametrize("target", NOT_READ)
def test_what_is_not_read_as_a_table_may_be_written(place, target):
    assert not refused(target, "predictions", "shop")


def test_a_folder_behind_a_link_is_the_same_folder(place):
    (place / "elsewhere").mkdir()
    (place / "shop" / "orders").symlink_to(place / "elsewhere")
    (place / "door").symlink_to(place / "shop")
    assert refused("shop/orders/new.parquet", "predictions", "shop")
    assert refused("door/new.parquet", "predictions", "shop")
    assert refused("shop/new.parquet", "predictions", "door")


def test_a_folder_on_another_machine_takes_no_predictions(place):
    assert refused("s3://bucket/shop/new.parquet", "predictions", "s3://bucket/shop/")
    assert refused("s3://bucket/shop/made/new.csv", "predictions", "s3://bucket/shop")
    assert not refused("s3://bucket/made/new.csv", "predictions", "s3://bucket/shop")
    assert not refused("bucket/shop/new.csv", "predictions", "s3://bucket/shop")
    assert not refused("s3://bucket/shop/new.csv", "predictions", "shop")


@pytest.mark.parametrize("source", ["shop", "shop.sqlite", "sqlite:///shop.sqlite"])
def test_a_place_is_the_same_from_another_folder(place, monkeypatch, source):
    target = place / ("shop/new.parquet" if source == "shop" else "shop.sqlite")
    at = absolute_place(source)
    (place / "away").mkdir()
    monkeypatch.chdir(place / "away")
    assert refused(str(target), "orders", at)
    assert not refused("shop/new.parquet", "orders", at)


def test_a_place_that_is_no_path_stays_as_it_is():
    for place in (FRAMES, SHOP, "s3://bucket/shop"):
        assert absolute_place(place) == place


def test_a_project_is_guarded_by_its_source_and_not_by_its_folder(place):
    (place / "weft.yaml").write_text("source: shop\n")
    assert refused("shop/new.parquet", "predictions", ".")
    assert not refused("predictions.parquet", "predictions", ".")


@pytest.mark.parametrize("target", ["shop.sqlite", "sqlite:///shop.sqlite"])
def test_a_table_that_was_read_is_not_replaced_in_a_database_file(place, target):
    assert refused(target, "orders", "shop.sqlite")
    assert not refused(target, "predictions", "shop.sqlite")


def test_a_table_that_was_read_is_not_replaced_on_a_server(place):
    assert refused(SHOP, "public.orders", "postgresql://db.example/shop")
    assert not refused(SHOP, "predictions", "postgresql://db.example/shop")
    assert not refused(SHOP, "orders", "shop")


def test_data_frames_are_nowhere(place):
    assert not refused("orders.csv", "orders", FRAMES)


CHURN = "PREDICT COUNT(orders.*, 0, 30) = 0 FOR EACH users.user_id"


def test_a_run_guards_its_tables_from_any_folder(tmp_path, monkeypatch):
    generate_shop(tmp_path / "shop", num_users=150, seed=1)
    monkeypatch.chdir(tmp_path)
    graph = weft.connect("shop", project=tmp_path).graph()
    run = graph.query(CHURN).fit(budget="1s", models=("constant",))
    assert run.record.results["source"] == "shop"
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    target = str(tmp_path / "shop" / "made" / "new.parquet")
    with pytest.raises(UserError, match="DATA130"):
        predict_to(run, Asking(), out=target)
    with pytest.raises(UserError, match="DATA130"):
        graph.query(CHURN).write_labels(target)
    assert not (tmp_path / "shop" / "made").exists()
    # A run of an earlier version knows its source only as it was typed.
    del run.record.results["source_at"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="DATA130"):
        predict_to(run, Asking(), out="shop/new.parquet")
