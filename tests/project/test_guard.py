"""Predictions never land on, or among, the tables that they are made from."""

import pytest

from weft.core import UserError
from weft.project.guard import refuse_source
from weft.project.reproduction import FRAMES

SHOP = "postgresql://ann:secret@db.example/shop"


def refused(target, table, place):
    try:
        refuse_source(target, table, place, ("users", "orders"))
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


@pytest.mark.parametrize("target", ["shop/orders.csv", "shop/new.parquet", "./shop/../shop/new.parquet"])
def test_a_folder_of_tables_takes_no_predictions(place, target):
    assert refused(target, "predictions", "shop")
    assert refused(target, "predictions", str(place / "shop"))


def test_a_file_elsewhere_is_written(place):
    assert not refused("predictions.parquet", "predictions", "shop")
    assert not refused("shop/results/predictions.parquet", "predictions", "shop")


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
