"""A fit on a backend gives what a fit in this process gives."""

import pytest

import weft
from weft.core import UserError

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"


def board(run):
    """Everything of the leaderboard but how long it took."""
    taken = {"fit_s", "rows_per_s"}
    return [{k: v for k, v in row.items() if k not in taken} for row in run.to_json()["leaderboard"]]


@pytest.mark.slow
def test_a_fit_in_processes_has_the_leaderboard_of_one_in_threads(shop, tmp_path):
    runs = []
    for backend in ("inline", "process"):
        graph = weft.connect(str(shop / "shop"), project=tmp_path / backend, backend=backend).graph()
        runs.append(graph.query(CHURN).fit(budget="2s", seed=0, models=["constant", "entity", "lightgbm"]))
    inline, process = runs
    assert board(inline) == board(process)
    results = list((tmp_path / "process/.weft/process/attempts").glob("*/result.json"))
    assert len(results) > 5


def test_a_backend_that_is_none_is_refused(tmp_path):
    with pytest.raises(UserError) as caught:
        weft.connect({}, project=tmp_path, backend="processes")
    assert caught.value.code == "FLOW093"
