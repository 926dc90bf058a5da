"""Which rungs are climbed within which budget, and what is said of those that are not."""

import pytest

from weft.core import Task, TaskType, UserError
from weft.learn.rungs import network
from weft.project.ladder import USUAL_S, plan_ladder, plan_validation

CHURN = Task(TaskType.BINARY, "users", "user_id")
ITEMS = Task(TaskType.LINK_PREDICTION, "users", "user_id", item_table="items", item_column="item_id", top_k=5)


def test_every_appetite_has_its_usual_share_without_a_budget():
    found = plan_ladder(CHURN, None, None, None)
    assert found.budget_s == 3 * USUAL_S and "network" in found.models and not found.not_tried
    assert "sage" not in found.models
    assert plan_ladder(CHURN, ["lightgbm"], None, None).budget_s == USUAL_S


def test_a_budget_too_small_for_networks_leaves_them_out_and_says_so():
    found = plan_ladder(CHURN, None, "29s", None)
    assert "network" not in found.models
    assert found.not_tried == {"network": "the budget leaves 19.3 s, it takes 20 s at least"}
    assert "network" in plan_ladder(CHURN, None, "30s", None).models


def test_what_is_named_is_tried_whatever_the_budget():
    assert plan_ladder(CHURN, ["network"], "1s", None).models == ("network",)


@pytest.mark.parametrize("trials", [None, 3])
def test_networks_that_are_not_installed_are_said_to_be_missing(monkeypatch, trials):
    monkeypatch.setattr(network.importlib.util, "find_spec", lambda name: None)
    found = plan_ladder(CHURN, None, None, trials)
    assert "network" not in found.models
    assert found.not_tried == {"network": "networks are not installed: pip install 'weft[gnn]'"}
    assert not plan_ladder(CHURN, ["lightgbm"], None, None).not_tried
    found = plan_ladder(ITEMS, None, None, trials)
    assert "id_gnn" not in found.models and "ranker" in found.models
    assert found.not_tried == {"id_gnn": "networks are not installed: pip install 'weft[gnn]'"}


def test_items_are_ranked_by_one_network_and_a_blend_as_well_where_the_budget_allows_it():
    found = plan_ladder(ITEMS, None, None, None)
    assert found.models == ("popularity", "repeat", "cooccurrence", "ranker", "id_gnn", "blend")
    assert found.budget_s == 3 * USUAL_S and not found.not_tried
    few = plan_ladder(ITEMS, None, "9s", None)
    assert few.models == ("popularity", "repeat", "cooccurrence", "ranker", "blend")
    assert few.not_tried == {"id_gnn": "the budget leaves 6 s, it takes 20 s at least"}
    assert plan_ladder(ITEMS, None, "9s", 3).not_tried == few.not_tried


def test_options_of_a_search_do_nothing_where_no_search_does_the_task_and_that_is_said():
    for models in (None, ("popularity", "two_tower")):
        found = plan_ladder(ITEMS, models, None, 7)
        assert found.trials == 0
        assert found.unused == (
            "trials 7: no search over networks does a link_prediction task, which it is for",
        )
    windows, (why,) = plan_validation("rolling", 4, ("popularity",), ITEMS)
    assert windows == 0 and why.startswith(
        "validation rolling: no search over networks does a link_prediction"
    )
    assert plan_validation("rolling", None, ("network",), CHURN) == (3, ())
    assert plan_validation("split", None, ("popularity",), ITEMS) == (0, ())
    assert not plan_ladder(CHURN, None, None, 7).unused
    with pytest.raises(UserError, match="DATA131: origins"):
        plan_validation("rolling", 1, ("popularity",), ITEMS)


def test_trials_without_a_search_are_refused():
    with pytest.raises(UserError, match="DATA131: trials is 5, and no search over networks is tried"):
        plan_ladder(CHURN, ("constant", "sage"), None, 5)
    assert plan_ladder(CHURN, ("constant", "network"), None, 5).trials == 5


@pytest.mark.parametrize("trials", [0, -1, 1.5, True, "3"])
def test_trials_that_are_no_number_are_refused(trials):
    with pytest.raises(UserError, match="DATA131"):
        plan_ladder(CHURN, None, None, trials)
