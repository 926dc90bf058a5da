"""A network on a real database, from its folder to a verdict, an explanation and vectors."""

import time

import numpy as np
import pytest

import weft

TOP3 = "PREDICT MIN(qualifying.position, 0, 30, days) <= 3 FOR EACH drivers.driverId"


@pytest.mark.slow
def test_a_network_learns_from_a_real_database_within_minutes(real_data, tmp_path):
    began = time.monotonic()
    graph = weft.connect(str(real_data / "rel_f1"), project=tmp_path).graph()
    split = {"val_start": "2005-01-01", "test_start": "2010-01-01", "eval_anchors": 40}
    run = graph.query(TOP3).fit(budget="15s", models=("constant", "entity", "sage"), **split)
    assert time.monotonic() - began < 300
    board = {row["model"]: row for row in run.leaderboard}
    assert board["sage"]["val"] > 0.85 and board["sage"]["test"] > 0.85
    assert board["sage"]["test"] > board["entity"]["test"]
    assert run.winner == "sage"
    predicted = run.predict()
    assert np.isfinite(np.array(predicted[predicted.column_names[-1]].to_pylist(), float)).all()
    key = predicted["driverId"][0].as_py()
    assert run.explain(key).to_json()["tables"]
    assert run.embed(entities=[key])["embedding"].type.list_size == 64
