"""gc: what a name reaches stays, what nothing needs goes, whoever else is at work."""

import datetime as dt
import os
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import InvariantError, Resources, UserError
from weft.flow import Node, Plan, Store, run_plan

DAY = 86_400.0
LIMITS = Resources(1_000_000, 2)


def age(store: Store, seconds: float = 10 * DAY, below: str = "") -> None:
    """Make everything in the store look this much older."""
    if store.url.startswith("memory"):
        for path, file in fsspec.filesystem("memory").store.items():
            if path.startswith(store._remote._root + "/" + below):
                file.created -= dt.timedelta(seconds=seconds)
        return
    root = Path(store._remote._root) if store._remote else Path(store.url)
    for path in (root / below).rglob("*"):
        if path.is_file():
            found = path.stat()
            os.utime(path, (found.st_atime, found.st_mtime - seconds))


def pair(n: int) -> Plan:
    return Plan(
        "pair",
        (
            Node("a", "flow_programs:total", parameters={"n": n}),
            Node("b", "flow_programs:total", inputs={"a": "a"}),
        ),
    )


def test_any_store_loses_what_no_name_reaches_and_nothing_else(any_store):
    kept = any_store.put_tree({"x": any_store.put_bytes(b"x"), "y": any_store.put_bytes(b"y")})
    any_store.set_ref("models/m/1", any_store.put_linked({"kind": "other"}, [kept]))
    lost = [any_store.put_bytes(b"lost"), any_store.put_tree({"x": any_store.put_bytes(b"x")})]
    age(any_store)
    swept = any_store.gc()
    assert (swept.num_blobs, swept.num_kept) == (2, 4)
    assert not any(any_store.has(d) for d in lost)
    assert {n: any_store.get_bytes(d) for n, d in any_store.get_tree(kept).items()} == {"x": b"x", "y": b"y"}


def test_any_store_keeps_what_is_younger_than_the_grace_period(any_store):
    digest = any_store.put_bytes(b"x")
    age(any_store, 100.0)
    assert any_store.gc(grace_s=1000.0).num_blobs == 0
    assert any_store.gc(grace_s=50.0).num_blobs == 1
    assert not any_store.has(digest)


def test_any_store_keeps_what_was_put_again_since(any_store):
    digest = any_store.put_bytes(b"x")
    age(any_store)
    assert any_store.put_bytes(b"x") == digest
    assert any_store.gc().num_blobs == 0


def test_any_store_keeps_everything_since_the_oldest_living_run_began(any_store):
    with any_store.lease("run"):
        digest = any_store.put_bytes(b"x")
        age(any_store, 100.0)
        assert any_store.gc(grace_s=0.0).num_blobs == 0
    assert any_store.gc(grace_s=0.0).num_blobs == 1
    assert not any_store.has(digest)


def test_a_dry_run_says_the_same_and_removes_nothing(store):
    digest = store.put_bytes(b"12345")
    age(store)
    dry = store.gc(dry_run=True)
    assert (dry.num_blobs, dry.num_bytes, dry.is_dry_run) == (1, 5, True)
    assert store.has(digest)
    assert store.gc().num_bytes == 5


def test_results_of_a_run_stay_until_the_run_is_forgotten(store):
    result = run_plan(pair(1), store, resources=LIMITS, run="first")
    age(store)
    assert store.gc().num_blobs == 0
    store.delete_ref("runs/first")
    assert store.gc(keep_s=30 * DAY).num_refs == 0
    assert run_plan(pair(1), store, resources=LIMITS, run="second").states == {"a": "cached", "b": "cached"}
    age(store, 100 * DAY)
    assert store.gc(keep_s=30 * DAY).num_refs == 0
    assert result.outputs["b"].path("n.txt").read_text() == "1"
    store.delete_ref("runs/second")
    assert store.gc(keep_s=30 * DAY).num_refs == 2


def test_results_that_no_run_names_are_kept_for_a_while_and_then_go(store):
    run_plan(pair(1), store, resources=LIMITS, run="first")
    store.delete_ref("runs/first")
    age(store, 20 * DAY)
    assert store.gc(keep_s=30 * DAY).num_refs == 0
    age(store, 20 * DAY)
    swept = store.gc(keep_s=30 * DAY)
    assert swept.num_refs == 2
    again = run_plan(pair(1), store, resources=LIMITS)
    assert again.summary().splitlines()[0] == "a  ran (its result is no longer in the store)"


def test_a_hit_renews_the_results_it_uses(store):
    run_plan(pair(1), store, resources=LIMITS, run="first")
    age(store, 40 * DAY)
    run_plan(pair(1), store, resources=LIMITS, run="second")
    for run in ("first", "second"):
        store.delete_ref(f"runs/{run}")
    assert store.gc(grace_s=0.0, keep_s=30 * DAY).num_refs == 0


def test_uploads_that_were_cut_off_go(tmp_path):
    store = Store(f"plain://{tmp_path}/remote", cache=tmp_path / "cache")
    store.put_bytes(b"x")
    left = tmp_path / "remote" / "tmp" / "0123"
    left.write_text("half")
    age(store)
    store.gc()
    assert not left.exists()


def test_copies_of_what_a_remote_store_lost_go_too(tmp_path):
    store = Store(f"plain://{tmp_path}/remote", cache=tmp_path / "cache")
    digest = store.put_bytes(b"x")
    age(store)
    store.gc()
    assert not list((tmp_path / "cache" / "blobs").rglob(digest[2:]))


def test_a_place_that_does_not_date_its_files_is_not_swept(tmp_path, monkeypatch):
    store = Store(f"plain://{tmp_path}/remote", cache=tmp_path / "cache")
    digest = store.put_bytes(b"x")
    info = store._remote._files.info

    def undated(path, **options):
        return {k: v for k, v in info(path, **options).items() if k not in ("mtime", "created")}

    monkeypatch.setattr(store._remote._files, "info", undated)
    with pytest.raises(UserError, match="FLOW020"):
        store.gc(grace_s=0.0)
    assert store.has(digest)


def test_a_user_s_file_that_looks_like_a_list_of_links_does_no_harm(store):
    for text in (b'{"$links":', b'{"$links":[3,"x"]}', b'{"$links":{"a":1}}'):
        store.set_ref("runs/a", store.put_bytes(text))
        age(store)
        store.gc()
        assert store.get_bytes(store.get_ref("runs/a")) == text


@settings(max_examples=12, deadline=None)
@given(
    edges=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20),
    roots=st.sets(st.integers(0, 11), max_size=4),
)
def test_what_stays_is_exactly_what_the_names_reach(tmp_path_factory, edges, roots):
    store = Store(tmp_path_factory.mktemp("gc"))
    links = {i: {b for a, b in edges if a == i and b < i} for i in range(12)}
    digests: dict[int, str] = {}
    for i in range(12):
        digests[i] = store.put_linked({"i": i}, [digests[b] for b in links[i]])
    for root in roots:
        store.set_ref(f"runs/{root}", digests[root])
    reached, todo = set(), list(roots)
    while todo:
        i = todo.pop()
        if i not in reached:
            reached.add(i)
            todo.extend(links[i])
    age(store)
    store.gc()
    assert {i for i in range(12) if store.has(digests[i])} == reached


WRITER = """
import sys
from weft.flow import Store
store, name = Store(sys.argv[1]), sys.argv[2]
with store.lease(name):
    for i in range(60):
        tree = store.put_tree({"shared": store.put_bytes(b"shared %d" % (i % 10)),
                               "own": store.put_bytes(f"{name} {i}".encode())})
        store.set_ref(f"models/{name}/{i % 5}", tree)
        files = store.get_tree(store.get_ref(f"models/{name}/{i % 5}"))
        assert store.get_bytes(files["shared"]) == b"shared %d" % (i % 10)
        assert store.get_bytes(files["own"]) == f"{name} {i}".encode()
print("done")
"""

SWEEPER = """
import sys
from pathlib import Path
from weft.flow import Store
store, stop, swept = Store(sys.argv[1]), Path(sys.argv[2]), 0
while not stop.exists():
    swept += store.gc(grace_s=0.0, keep_s=0.0).num_blobs
print(swept)
"""


def test_two_writers_lose_nothing_while_a_third_process_sweeps(store, tmp_path):
    """Old content is put again by the writers at the moment the sweeper takes it for lost."""
    for i in range(10):
        store.put_bytes(b"shared %d" % i)
    for i in range(500):
        store.put_bytes(b"rubbish %d" % i)
    age(store)
    stop = tmp_path / "stop"
    sweeper = subprocess.Popen(
        [sys.executable, "-c", SWEEPER, store.url, str(stop)], stdout=subprocess.PIPE, text=True
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, store.url, n], stdout=subprocess.PIPE, text=True)
        for n in ("one", "two")
    ]
    try:
        assert [w.communicate(timeout=120)[0] for w in writers] == ["done\n", "done\n"]
    finally:
        stop.touch()
    assert int(sweeper.communicate(timeout=60)[0]) >= 500
    for digest in store.list_refs("models").values():
        assert all(store.check(d) == "" for d in store.get_tree(digest).values())


def test_sweeping_between_every_put_and_its_name_loses_nothing_within_the_grace_period(store):
    started = time.time()
    for i in range(20):
        digest = store.put_bytes(b"%d" % i)
        store.gc(grace_s=60.0)
        store.set_ref(f"runs/{i}", digest)
    assert time.time() - started < 60
    assert all(store.check(d) == "" for d in store.list_refs().values())


def test_claims_of_killed_processes_go_and_those_of_the_living_stay(store):
    code = (
        "import os, signal, sys; from weft.flow import Store\n"
        "Store(sys.argv[1]).claim('dead', '').try_acquire(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, store.url], timeout=60)
    with store.claim("alive", "me"):
        store.gc()
        assert [p.name for p in (Path(store.url) / "claims").iterdir()] == ["alive"]


def test_a_run_without_a_name_keeps_nothing_beyond_the_usual_time(store):
    run_plan(pair(1), store, resources=LIMITS)
    assert list(store.list_refs("runs")) == []
    age(store, 40 * DAY)
    assert store.gc().num_refs == 2


def test_how_far_a_node_was_that_nobody_takes_up_again_goes_with_time(store):
    with pytest.raises(InvariantError):
        run_plan(Plan("one", (Node("a", "flow_programs:counting"),)), store, resources=LIMITS)
    unfinished = Path(store.url) / "unfinished"
    age(store, 10 * DAY)
    store.gc()
    assert [p.name for p in unfinished.rglob("*") if p.is_file()] == ["count"]
    age(store, 30 * DAY)
    store.gc(dry_run=True)
    assert [p.name for p in unfinished.rglob("*") if p.is_file()] == ["count"]
    store.gc()
    assert not [p for p in unfinished.rglob("*") if p.is_file()]
