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
