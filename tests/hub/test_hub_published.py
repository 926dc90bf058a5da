"""What is published: versions, search, deprecation, two processes at once."""

import sqlite3
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.core import UserError
from weft.flow import Store
from weft.hub import About, Hub, Kind, Reference, migrations, this_user

PUBLISH = """
import sys
from weft.hub import Hub
hub = Hub(sys.argv[1])
for i in range(15):
    print(hub.publish("dataset", "shop", digest=f"{sys.argv[2]}-{i}").version)
"""


def test_what_is_said_is_kept(hub):
    run = hub.start_run()
    about = About("ann", "All orders.", {"team": "sales", "daily": ""}, {"rows": 3.0}, {"tables": ["orders"]})
    made = hub.publish("dataset", "shop", digest="d", about=about, run=run.id, aliases=["checked"])
    assert (made.kind, made.label, made.owner, made.description) == (
        Kind.DATASET,
        "shop@1",
        "ann",
        "All orders.",
    )
    assert (made.tags, made.metrics) == ({"team": "sales", "daily": ""}, {"rows": 3.0})
    assert (made.facts, made.run_id, made.aliases) == ({"tables": ["orders"]}, run.id, ("checked",))
    assert hub.get_published("dataset", "shop@checked") == made == hub.list_published("dataset", "shop")[0]


def test_kinds_do_not_share_names(hub):
    assert [hub.publish(kind, "shop", digest="d").version for kind in Kind] == [1, 1, 1]
    assert {one.kind for one in hub.search("shop")} == set(Kind)


def test_the_owner_is_the_user_of_the_process(hub, monkeypatch):
    monkeypatch.setenv("WEFT_USER", "bea")
    assert hub.publish("application", "etl", digest="d").owner == "bea" == this_user()


@pytest.mark.parametrize("reference", ["shop", "shop@latest", "shop@2", "shop:2", "shop@best"])
def test_a_version_is_found_by_number_alias_and_as_the_latest(hub, reference):
    for digest in "ab":
        hub.publish("dataset", "shop", digest=digest)
    hub.set_alias("shop@2", "best", kind="dataset")
    assert hub.get_published("dataset", reference).digest == "b"


@pytest.mark.parametrize("reference", ["shop", "shop@1", "shop@best", "other@latest"])
def test_what_is_not_there_is_refused(hub, reference):
    with pytest.raises(UserError, match=r"HUB003(.|\n)*publish a data set first"):
        hub.get_published("dataset", reference)
    hub.publish("dataset", "known", digest="d")
    with pytest.raises(UserError, match=r"HUB003(.|\n)*one of: known"):
        hub.get_published("dataset", reference)


def test_no_other_kind_is_published(hub):
    with pytest.raises(UserError, match="HUB002"):
        hub.publish("notebook", "x", digest="d")


@pytest.mark.parametrize("alias", ["latest", "3", "0007"])
def test_an_alias_cannot_be_taken_for_a_version(hub, alias):
    hub.publish("dataset", "shop", digest="d")
    for act in (
        lambda: hub.set_alias("shop", alias, kind="dataset"),
        lambda: hub.publish("dataset", "shop", digest="e", aliases=[alias]),
    ):
        with pytest.raises(UserError, match="HUB005"):
            act()
    assert len(hub.list_published("dataset")) == 1


def test_search_reads_names_descriptions_and_tags_newest_first(hub):
    for name, text, tags in (
        ("orders", "All orders of the shop", {"team": "sales"}),
        ("stock", "What lies in the shop", {"team": "depot"}),
        ("clicks", "", {"web": ""}),
    ):
        hub.publish("dataset", name, digest=name, about=About("ann", text, tags))
    hub.publish("model", "churn", digest="m", about=About("bea", "of the shop"))

    def names(words="", **options):
        return [one.name for one in hub.search(words, **options)]

    assert names() == ["churn", "clicks", "stock", "orders"]
    assert names("SHOP all") == ["orders"] and names("depot") == ["stock"] and names("nothing") == []
    assert names("shop", kind="dataset") == ["stock", "orders"] and names(owner="bea") == ["churn"]
    assert names(tag="team") == ["stock", "orders"] and names(tag="team=depot") == ["stock"]
    assert names(tag="web") == ["clicks"] and names(limit=2) == ["churn", "clicks"]


def test_search_shows_the_newest_version_of_a_name_unless_all_are_wanted(hub):
    for digest in "abc":
        hub.publish("dataset", "shop", digest=digest)
    assert [one.version for one in hub.search()] == [3]
    assert [one.version for one in hub.search(all_versions=True)] == [3, 2, 1]


def test_what_is_deprecated_is_not_the_latest_and_not_found(hub):
    for digest in "ab":
        hub.publish("dataset", "shop", digest=digest)
    assert hub.deprecate("dataset", "shop@2", "a column was wrong").deprecated == "a column was wrong"
    assert hub.get_published("dataset", "shop").version == 1
    assert hub.get_published("dataset", "shop@2").version == 2
    assert [one.version for one in hub.search()] == [1]
    assert [one.version for one in hub.search(deprecated=True)] == [2]
    hub.deprecate("dataset", "shop@1", "too")
    assert hub.get_published("dataset", "shop").version == 2 and hub.search() == ()
    assert hub.deprecate("dataset", "shop@2", "").deprecated is None


def test_the_content_is_kept_until_its_version_is_deleted(hub, tmp_path):
    store = Store(tmp_path / "store")
    digest = store.put_bytes(b"x")
    hub.publish("application", "etl", digest=digest, store=store)
    assert store.list_refs() == {"applications/etl/1": digest}
    hub.delete_published("application", "etl@1", store=store)
    assert store.list_refs() == {} and hub.search() == ()
    with pytest.raises(UserError, match="FLOW010"):
        hub.publish("application", "etl", digest="0" * 64, store=store)
    assert hub.search() == ()


def test_two_processes_publish_at_once(address):
    hub = Hub(address)
    command = [sys.executable, "-c", PUBLISH, address]
    made = [subprocess.Popen([*command, n], stdout=subprocess.PIPE, text=True) for n in "ab"]
    given_out = [int(v) for process in made for v in process.communicate(timeout=120)[0].split()]
    assert sorted(given_out) == list(range(1, 31))
    versions = hub.list_published("dataset", "shop")
    assert [one.version for one in versions] == list(range(30, 0, -1))
    assert len({one.digest for one in versions}) == 30


ACTS = st.lists(
    st.tuples(st.sampled_from(["publish", "again", "delete", "wanted"]), st.integers(0, 7)), max_size=25
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_a_version_number_is_given_once_whatever_happens(tmp_path_factory, acts):
    hub = Hub(tmp_path_factory.mktemp("hub") / "weft.db")
    kept: dict[int, str] = {}
    ever: dict[int, str] = {}
    for step, (act, number) in enumerate(acts):
        if act == "delete":
            if number in kept:
                hub.delete_published("dataset", f"shop@{number}")
                del kept[number]
            continue
        digest = str(step)
        if act == "again" and kept:
            digest = kept[sorted(kept)[number % len(kept)]]
            assert kept[hub.publish("dataset", "shop", digest=digest).version] == digest
            continue
        wanted = number if act == "wanted" else None
        made = hub.publish("dataset", "shop", digest=digest, version=wanted)
        assert made.version not in ever and made.version > max(ever, default=0)
        assert wanted is None or wanted <= max(ever, default=0) or made.version == wanted
        kept[made.version] = ever[made.version] = digest
    assert {one.version: one.digest for one in hub.list_published("dataset", "shop")} == kept


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from([None, *Kind]),
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True),
    selector=st.one_of(st.integers(0, 99).map(str), st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)),
)
def test_references_are_read_as_they_are_written(kind, name, selector):
    text = f"{name}@{selector}" if kind is None else f"{kind}:{name}@{selector}"
    assert Reference.parse(text) == Reference(name, selector, kind)


def test_models_of_an_older_hub_are_kept_with_their_aliases(tmp_path, monkeypatch):
    path = tmp_path / "weft.db"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:1])
        Hub(path)
    older = sqlite3.connect(path)
    older.execute(
        "INSERT INTO models VALUES ('churn', 2, 'r', 'd', 7, '{\"auroc\": 0.8}', '{\"by\": \"me\"}')"
    )
    older.execute("INSERT INTO last_versions VALUES ('churn', 4)")
    older.execute("INSERT INTO aliases VALUES ('churn', 'champion', 2)")
    older.commit()
    older.close()
    hub = Hub(path)
    kept = hub.get_model("churn@champion")
    assert (kept.version, kept.run_id, kept.digest, kept.created_us) == (2, "r", "d", 7)
    assert (kept.metrics, kept.tags, kept.aliases) == ({"auroc": 0.8}, {"by": "me"}, ("champion",))
    assert [c.version for c in hub.alias_history("churn")] == [2]
    assert hub.register_model("churn", run="", digest="e").version == 5
