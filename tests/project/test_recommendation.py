"""Recommendation as a whole job: the ladder with a network and a blend of rankings, its answers."""

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import weft
from weft.compile.programs import recommending
from weft.core import UserError
from weft.data import generate_shop
from weft.project import Asking, predict_to

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
    answer = found.answer(weft.compile.Answer.PREDICT, None, None, model="blend")[0].value
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


def test_what_a_project_fixes_holds_for_networks_that_rank_and_the_rest_is_said(tmp_path):
    generate_shop(tmp_path / "shop", num_users=100, seed=1)
    said = ["  epochs: 1", "  channels: 8", "  fanouts: [4, 4]", "  loss: focal", "  dropout: [0.1, 0.2]"]
    said += ["  link:orders.user_id: true", "  encoders.numbers: bins"]
    (tmp_path / "weft.yaml").write_text("\n".join(["search:", *said]))
    query = weft.connect(str(tmp_path / "shop"), project=tmp_path).graph().query(NEXT)
    models = ("popularity", "two_tower", "id_gnn")
    run = query.fit(models=models, budget="60s", trials=3, validation="rolling")
    for name in models[1:]:
        told = run.output(f"candidate[{name}]").value
        assert told["config"]["channels"] == 8 and len(told["curve"]["loss"]) == 1
        assert told["config"]["encoders"] == {"numbers": "bins"} and "loss" not in told["config"]
    assert run.unused == [
        "Not used: trials 3: no search over networks does a link_prediction task, which it is for.",
        "Not used: validation rolling: no search over networks does a link_prediction task, which it is for.",
        "Not used: loss, dropout of search in weft.yaml: "
        "two_tower, id_gnn take single values of what ranks items.",
    ]
    assert run.unused[0] in run.text()
    assert "bins" in query.explain(models=models).encoders.values()


@pytest.fixture(scope="module")
def towers(graph):
    return graph.query(NEXT).fit(budget="8s", models=("two_tower",))


def pairs(table):
    return list(zip(table["user_id"].to_pylist(), table["item"].to_pylist(), strict=True))


def bought(graph, before):
    shop = graph.project.folder / "shop"
    lines = pq.read_table(shop / "order_items.parquet").join(
        pq.read_table(shop / "orders.parquet"), "order_id"
    )
    lines = lines.filter(pc.less_equal(lines["created_at"], before))
    return set(zip(lines["user_id"].to_pylist(), lines["product_id"].to_pylist(), strict=True))


def test_fewer_or_more_items_are_the_same_list_cut_elsewhere(run):
    usual = run.predict()
    few, many = run.predict(top=3), run.predict(top=25)
    assert max(few["rank"].to_pylist()) == 3 and max(many["rank"].to_pylist()) == 25
    for other, k in ((few, 3), (many, 10)):
        assert pairs(other.filter(pc.less_equal(other["rank"], k))) == pairs(
            usual.filter(pc.less_equal(usual["rank"], k))
        )


@pytest.mark.parametrize("all_items", [False, True])
def test_what_was_bought_before_is_left_out_when_asked(run, graph, all_items):
    kept = run.predict(top=20, all_items=all_items)
    found = run.predict(top=20, keep_seen=False, all_items=all_items)
    before = bought(graph, kept["anchor_time"][0])
    assert set(pairs(kept)) & before and not set(pairs(found)) & before
    assert found["rank"].to_pylist()[:3] == [1, 2, 3]
    unseen = [pair for pair in pairs(kept) if pair not in before]
    assert set(unseen) <= set(pairs(found))


def test_all_items_are_searched_by_the_network(run, towers, graph):
    searched, ranked = towers.predict(top=60, all_items=True), towers.predict(top=60)
    found = dict(zip(pairs(searched), searched["score"].to_pylist(), strict=True))
    collected = dict(zip(pairs(ranked), ranked["score"].to_pylist(), strict=True))
    assert collected and collected.keys() <= found.keys()
    assert [found[pair] for pair in collected] == pytest.approx(list(collected.values()), abs=1e-4)
    with pytest.raises(UserError, match="LEARN063") as raised:
        graph.query(NEXT).fit(budget="1s", models=("popularity",)).predict(all_items=True)
    assert "hybrid" in raised.value.hint
    assert set(run.predict(top=5, all_items=True)["rank"].to_pylist()) <= {1, 2, 3, 4, 5}


@pytest.mark.parametrize("wanted", [{}, {"keep_seen": False, "all_items": True}])
def test_block_by_block_gives_the_same(run, monkeypatch, wanted):
    whole = run.predict(**wanted)
    users = whole["user_id"].unique().to_pylist()
    monkeypatch.setattr(recommending, "_BLOCK", 23)
    parts = run.predict(entities=users, **wanted)
    assert pairs(parts) == pairs(whole)
    assert parts["score"].to_pylist() == pytest.approx(whole["score"].to_pylist(), abs=1e-4)


def test_an_answer_that_the_store_has_is_told_with_the_pace_at_which_it_was_made(run, tmp_path):
    asked, out = Asking(at="2024-11-01", top=3), str(tmp_path / "items.parquet")
    fresh, again = (predict_to(run, asking=asked, out=out).plain["entities_per_s"] for _ in range(2))
    assert again == pytest.approx(fresh, rel=0.01)


def test_files_are_written_with_the_pace_of_it(run, tmp_path):
    usual = run.predict(top=4)
    view = predict_to(run, Asking(top=4), out=str(tmp_path / "items.parquet"))
    assert pq.read_table(tmp_path / "items.parquet").equals(usual)
    assert "entities/s" in view.text and f"by {run.winner}" in view.text
    assert view.plain["entities"] == len(usual["user_id"].unique()) and view.plain["entities_per_s"] > 0
    predict_to(run, Asking(top=4), out=str(tmp_path / "items.csv"))
    assert (tmp_path / "items.csv").read_text().count("\n") == usual.num_rows + 1


def test_options_of_recommendations_are_refused_elsewhere(graph, run):
    churn = graph.query("PREDICT COUNT(orders.*, 0, 30) = 0 FOR EACH users.user_id")
    other = churn.fit(budget="1s", models=("constant",))
    with pytest.raises(UserError, match=r"LEARN062: .* answers a binary question .* keep_seen was given"):
        other.predict(keep_seen=False)
    for wrong in (0, -3, 1.5, "4"):
        with pytest.raises(UserError, match="DATA131"):
            run.predict(top=wrong)


def test_what_a_network_that_ranks_items_cannot_do_is_said_by_code(towers):
    user = towers.predict()["user_id"][0].as_py()
    for asked in (lambda: towers.explain(user), towers.importance):
        with pytest.raises(UserError, match="LEARN064: the network 'two_tower'"):
            asked()
    with pytest.raises(UserError, match="LEARN060"):
        towers.importance(by="users.tier")


def test_users_are_embedded_by_their_tower(towers):
    every = towers.embed()
    users = towers.predict()["user_id"].unique().to_pylist()
    assert set(users) <= set(every["user_id"].to_pylist())
    vectors = np.array(every["embedding"].to_pylist())
    assert len(vectors) == every.num_rows and vectors.shape[1] >= 64 and np.isfinite(vectors).all()
    assert len(np.unique(vectors.round(6), axis=0)) > every.num_rows / 2
    few = towers.embed(entities=users[:3])
    place = {key: i for i, key in enumerate(every["user_id"].to_pylist())}
    for key, vector in zip(few["user_id"].to_pylist(), few["embedding"].to_pylist(), strict=True):
        np.testing.assert_allclose(vector, vectors[place[key]], atol=1e-5)


def test_amounts_beside_a_graph_say_what_is_not_among_them(graph):
    around = graph.query(NEXT).fit(budget="6s", models=("id_gnn",))
    told = around.explain(around.predict()["user_id"][0].as_py())
    assert told.to_json()["unit"] == "change of prediction beside the graph"
    assert "what a network read of the rows around is not among them" in str(told)
    assert "without it" in str(around.importance())
