"""Recommendation as a whole job: the ladder with a network and a blend of rankings, its answers."""

import pytest

import weft
from weft.data import generate_shop

NEXT = "PREDICT LIST_DISTINCT(order_items.product_id, 0, 30, days) RANK TOP 10 FOR EACH users.user_id"
MODELS = ("popularity", "repeat", "ranker", "id_gnn", "blend")


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recommendation")
    generate_shop(folder / "shop", num_users=200, seed=1)
    return weft.connect(str(folder / "shop"), project=folder).graph()


@pytest.fixture(scope="module")
def run(graph):
    return graph.query(NEXT).fit(budget="6s", models=MODELS)


def test_a_blend_of_rankings_is_on_the_leaderboard_with_what_it_is_made_of(run):
    told = {row["model"]: row for row in run.leaderboard}
    assert not any(row["left_out"] for row in told.values())
    parts = [part.split(" ", 1) for part in told["blend"]["words"].split(" + ")]
    assert {name for _, name in parts} <= set(MODELS) - {"blend"} and len(parts) > 1
    assert sum(int(share.rstrip("%")) for share, _ in parts) == pytest.approx(100, abs=2)
    assert told["blend"]["val"] > told["popularity"]["val"]


def test_a_blend_with_a_network_answers_and_explains_from_what_the_run_kept(run, graph):
    found = weft.open_run(run.name, project=graph.project)
    answer = found.answer(weft.compile.Answer.PREDICT, None, None, model="blend").value
    assert answer["rows"] > 0
    user = run.predict()["user_id"][0].as_py()
    told = found.explain(user).to_json()
    assert told["about"] and told["amounts"]


def test_where_the_budget_is_too_small_for_a_network_the_run_says_so(graph):
    few = graph.query(NEXT).fit(budget="3s")
    assert {row["model"] for row in few.leaderboard} == {
        "popularity", "repeat", "cooccurrence", "ranker", "blend",
    }  # fmt: skip
    assert "Not tried: id_gnn: the budget leaves 2 s, it takes 20 s at least." in few.text()
