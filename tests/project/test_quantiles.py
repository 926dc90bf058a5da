"""Quantiles beside predicted numbers, from the Python face down to the table."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from weft.core import UserError

SPEND = "PREDICT SUM(orders.total_amount, 0, 30, days) FOR EACH users.user_id"
AHEAD = "PREDICT COUNT(orders.*, 0, 14, days) FORECAST 2 TIMEFRAMES FOR EACH users.user_id"
MODELS = ("constant", "heuristic", "linear")


def test_a_sum_gets_quantiles_that_hold_the_promised_share_of_test(graph):
    query = graph.query(SPEND)
    run = query.fit(budget="1s", models=MODELS)
    labels = query.run_labels(models=MODELS).table
    test = labels.filter(pc.equal(labels["split"], "test"))
    at = test["anchor_time"][0].as_py()
    predicted = run.predict(at=at, quantiles=[0.9, 0.1])
    assert predicted.column_names == ["user_id", "anchor_time", "prediction", "q10", "q90"]
    both = predicted.join(
        pa.table({"user_id": test["entity"], "label": test["label"]}), "user_id", join_type="inner"
    )
    low, high, label = (both[name].to_numpy() for name in ("q10", "q90", "label"))
    assert (low <= high).all()
    assert (low >= 0).all()
    assert np.mean((label >= low) & (label <= high)) > 0.7
    assert np.mean(label > high) < 0.2
    plain = run.predict(at=at)
    assert plain.column_names == ["user_id", "anchor_time", "prediction"]
    assert plain["prediction"].equals(predicted["prediction"])


def test_every_frame_of_a_forecast_gets_quantiles(graph):
    run = graph.query(AHEAD).fit(budget="1s", models=MODELS)
    predicted = run.predict(quantiles=[0.05, 0.5, 0.95])
    assert predicted.column_names[-4:] == ["prediction", "q5", "q50", "q95"]
    found = np.column_stack([predicted[name].to_numpy() for name in ("q5", "q50", "q95")])
    assert set(predicted["frame"].to_pylist()) == {0, 1}
    assert (np.diff(found, axis=1) >= 0).all()
    assert found[:, 2].max() > found[:, 0].min()


def test_a_probability_has_no_quantiles(run):
    with pytest.raises(UserError, match="LEARN030"):
        run.predict(quantiles=[0.1])
