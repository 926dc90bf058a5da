"""Values at the ends of their types, through every command in one process."""

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.cli.app import run_command
from weft.cli.output import print_json

ENDS = {
    "huge": [2**63 - 1, -(2**63), 0, 2**53 + 1],
    "number": [1.7e308, -1.7e308, float("nan"), float("inf")],
    "moment": [
        dt.datetime(1, 1, 1),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
        None,
        dt.datetime(2020, 5, 1),
    ],
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Users and their orders; both hold values at the ends of their types."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    rng = np.random.default_rng(0)
    for name, rows in (("users", 80), ("orders", 900)):
        ends = {
            key: pa.array([values[i % 4] for i in rng.integers(0, 4, rows)]) for key, values in ENDS.items()
        }
        keys = {"user_id": np.arange(rows) if name == "users" else rng.integers(0, 80, rows)}
        if name == "orders":
            days = rng.integers(0, 300, rows) * np.timedelta64(1, "D")
            keys |= {"order_id": np.arange(rows), "created_at": np.datetime64("2024-01-01", "us") + days}
        pq.write_table(pa.table(keys | ends), tmp_path / "shop" / f"{name}.parquet")
    return tmp_path


@pytest.mark.parametrize(
    "target", ["COUNT(orders.*, 0, 30) > 0", "COUNT(orders.*, 0, 30)", "FIRST(orders.huge, 0, 30) > 0"]
)
def test_every_command_takes_values_at_the_ends_of_their_types(shop, capsys, target):
    query = f"PREDICT {target} FOR EACH users.user_id"
    models = ["--budget", "1s", "--models", "constant,entity,heuristic,lightgbm"]
    for command in (
        ["tables", "shop"],
        ["fit", "shop", "--query", query, *models],
        ["predict"],
        ["report"],
    ):
        code = run_command([*command, "--json"])
        out, err = capsys.readouterr()
        assert code == 0, (command, err)
        answer = json.loads(out, parse_constant=pytest.fail)
        if command == ["predict"]:
            key = str(answer["predictions"][0]["user_id"])
    assert run_command(["explain", "latest", key, "--json"]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["model"]


def test_json_has_null_for_numbers_that_it_lacks(capsys):
    print_json({"a": [float("nan"), float("inf"), 1.5], "b": {"c": -float("inf")}})
    assert json.loads(capsys.readouterr().out) == {"a": [None, None, 1.5], "b": {"c": None}}
