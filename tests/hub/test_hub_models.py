"""Models in the hub: versions, aliases, tags."""

import pytest

from weft.core import UserError
from weft.flow import Store


def test_versions_count_up_and_the_newest_is_found_by_the_name(hub):
    run = hub.start_run()
    first = hub.register_model("churn", run=run.name, digest="a", metrics={"auroc": 0.8}, tags={"by": "me"})
    second = hub.register_model("churn", run=run.id, digest="b")
    assert (first.version, second.version, hub.get_model("churn").version) == (1, 2, 2)
    assert (first.run_id, first.metrics, first.tags) == (run.id, {"auroc": 0.8}, {"by": "me"})
    assert [m.version for m in hub.list_models()] == [2, 1]
    assert hub.get_model("churn:1") == hub.get_model("churn", 1)


def test_the_same_model_again_keeps_its_version(hub):
    run = hub.start_run()
    versions = [hub.register_model("churn", run=run.id, digest="a").version for _ in range(3)]
    assert versions == [1, 1, 1]


def test_an_alias_points_to_one_version(hub):
    for digest in "abc":
        hub.register_model("churn", run="", digest=digest)
    assert hub.get_model("churn@candidate").version == 3
    hub.set_alias("churn:1", "champion")
    hub.set_alias("churn@candidate", "champion")
    assert hub.get_model("churn@champion").aliases == ("candidate", "champion")
    assert hub.get_model("churn:1").aliases == ()


def test_tags_are_replaced(hub):
    hub.register_model("churn", run="", digest="a", tags={"x": "1"})
    assert hub.set_tags("churn", {"y": "2"}).tags == {"y": "2"} == hub.get_model("churn").tags


@pytest.mark.parametrize("model", ["churn", "churn:9", "churn@champion", "other", "churn:x"])
def test_a_model_that_is_not_there_is_refused(hub, model):
    with pytest.raises(UserError, match=r"FLOW055.*(.|\n)*register a model first"):
        hub.get_model(model)
    hub.register_model("known", run="", digest="a")
    with pytest.raises(UserError, match=r"FLOW055(.|\n)*known"):
        hub.get_model(model)


@pytest.mark.parametrize("name", ["", "a b", "a:1", "a@b", "-a", "../a", "x" * 81])
def test_a_name_that_cannot_be_one_is_refused(hub, name):
    with pytest.raises(UserError, match="FLOW061"):
        hub.register_model(name, run="", digest="a")
    hub.register_model("a", run="", digest="a")
    with pytest.raises(UserError, match="FLOW061"):
        hub.set_alias("a", name)


def test_the_files_of_a_registered_model_are_kept_until_it_is_deleted(hub, tmp_path):
    store = Store(tmp_path / "store")
    digest = store.put_tree({"model.txt": store.put_bytes(b"x")})
    hub.register_model("churn", run="", digest=digest, store=store)
    assert store.list_refs() == {"models/churn/1": digest}
    hub.delete_model("churn", store=store)
    assert store.list_refs() == {}


def test_a_model_whose_files_are_not_in_the_store_is_not_registered(hub, tmp_path):
    with pytest.raises(UserError, match="FLOW010"):
        hub.register_model("churn", run="", digest="0" * 64, store=Store(tmp_path / "store"))
    assert hub.list_models() == ()


def test_the_number_of_a_deleted_version_is_not_given_again(hub):
    hub.register_model("churn", run="", digest="a")
    hub.set_alias("churn", "champion")
    hub.delete_model("churn@champion")
    assert hub.register_model("churn", run="", digest="a").version == 2
    assert hub.get_model("churn").aliases == ("candidate",)


def registered(hub, *scores, rows="r", **facts):
    for i, score in enumerate(scores):
        metrics = {} if score is None else {"auroc": score}
        hub.register_model("churn", run="", digest=str(i), metrics=metrics, facts={"test_rows": rows} | facts)


def test_a_promotion_remembers_who_and_why(hub, monkeypatch):
    monkeypatch.setenv("WEFT_USER", "ann")
    registered(hub, 0.7, 0.8)
    hub.promote_model("churn:1", reason="first")
    hub.promote_model("churn@candidate", better_on="auroc", who="bea", reason="weekly fit")
    assert hub.get_model("churn@champion").version == 2
    newest, oldest = hub.alias_history("churn", "champion")
    assert (newest.version, newest.who) == (2, "bea")
    assert newest.reason == "weekly fit; auroc 0.8000 against 0.7000 of churn@1 on the same test rows"
    assert (oldest.version, oldest.who, oldest.reason) == (1, "ann", "first")
    assert newest.at_us >= oldest.at_us > 0


@pytest.mark.parametrize("score", [0.7, 0.6])
def test_a_model_that_is_not_better_is_not_promoted(hub, score):
    registered(hub, 0.7, score)
    hub.promote_model("churn:1")
    with pytest.raises(UserError, match=r"HUB007.*0\.7000"):
        hub.promote_model("churn:2", better_on="auroc")
    assert hub.get_model("churn@champion").version == 1 and len(hub.alias_history("churn", "champion")) == 1


def test_where_less_is_better_less_is_promoted(hub):
    registered(hub, 4.0, 3.0, 3.5, lower_is_better=["auroc"])
    hub.promote_model("churn:1")
    hub.promote_model("churn:2", better_on="auroc")
    with pytest.raises(UserError, match="HUB007"):
        hub.promote_model("churn:3", better_on="auroc")


def test_models_that_were_scored_on_other_rows_are_not_compared(hub):
    registered(hub, 0.7)
    hub.promote_model("churn:1")
    hub.register_model("churn", run="", digest="x", metrics={"auroc": 0.9}, facts={"test_rows": "others"})
    hub.register_model("churn", run="", digest="y", metrics={"auroc": 0.9})
    hub.register_model("churn", run="", digest="z", facts={"test_rows": "r"})
    for model, why in (("churn:2", "different test rows"), ("churn:3", "different"), ("churn:4", "no score")):
        with pytest.raises(UserError, match=f"HUB008.*{why}"):
            hub.promote_model(model, better_on="auroc")


def test_the_first_champion_needs_no_proof(hub):
    registered(hub, None)
    assert hub.promote_model("churn", better_on="auroc").aliases == ("candidate", "champion")
    assert hub.promote_model("churn@champion", better_on="auroc").version == 1


def test_a_champion_is_rolled_back_step_by_step(hub):
    registered(hub, 0.1, 0.2, 0.3, 0.4)
    for version in (1, 2, 3):
        hub.promote_model(f"churn:{version}")
    assert hub.roll_back("churn", reason="wrong on Mondays").version == 2
    hub.promote_model("churn:4")
    assert [hub.roll_back("churn").version for _ in range(2)] == [2, 1]
    with pytest.raises(UserError, match=r"HUB006.*champion"):
        hub.roll_back("churn")
    assert hub.get_model("churn@champion").version == 1
    actions = [(c.version, c.action.value) for c in hub.alias_history("churn", "champion")]
    assert actions[:3] == [(1, "rollback"), (2, "rollback"), (4, "set")]
    assert hub.alias_history("churn", "champion")[3].reason == "wrong on Mondays"


def test_a_roll_back_passes_over_versions_that_were_deleted(hub):
    registered(hub, 0.1, 0.2, 0.3)
    for version in (1, 2, 3):
        hub.promote_model(f"churn:{version}")
    hub.delete_model("churn:2")
    assert hub.roll_back("churn").version == 1
    hub.promote_model("churn:3")
    hub.delete_model("churn@champion")
    assert hub.alias_history("churn", "champion")[0].action == "deleted"
    assert hub.roll_back("churn").version == 1


def test_any_alias_may_be_used(hub):
    registered(hub, 0.1, 0.2)
    hub.set_alias("churn:1", "shadow", who="ann", reason="watch it")
    hub.set_alias("churn:2", "shadow")
    assert hub.roll_back("churn", "shadow").version == 1
    with pytest.raises(UserError, match="HUB006"):
        hub.roll_back("churn", "never")


def test_a_roll_back_never_ends_where_it_began(hub):
    registered(hub, 0.1, 0.2)
    for version in (1, 2, 1):
        hub.promote_model(f"churn:{version}")
    hub.delete_model("churn:2")
    with pytest.raises(UserError, match="HUB006"):
        hub.roll_back("churn")
