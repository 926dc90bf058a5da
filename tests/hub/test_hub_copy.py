"""Versions moved to another hub and store: whole, checked, and taken up again after a kill."""

import signal
import subprocess
import sys

import pytest

from weft.core import InvariantError, UserError
from weft.flow import Store
from weft.hub import About, Edge, Hub, copy_published, lay_out_files

COPY = """
import os, signal, sys
from weft.flow import Store
from weft.hub import Hub, copy_published
left = int(sys.argv[5])
def on_blob(digest):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
source = (Hub(sys.argv[1]), Store(sys.argv[2]))
target = (Hub(sys.argv[3]), Store(sys.argv[4]))
copy_published("dataset", "shop@2", source=source, target=target, on_blob=on_blob)
"""


@pytest.fixture
def source(tmp_path):
    """A hub and store with two versions of a data set of 20 files, some of them linked trees."""
    hub, store = Hub(tmp_path / "a.db"), Store(tmp_path / "a")
    hub.publish("dataset", "shop", digest=store.put_tree({"x": store.put_bytes(b"x")}), store=store)
    files = {f"part-{i}": store.put_bytes(bytes([i]) * 100_000) for i in range(18)}
    files["inner"] = store.put_tree({"deep": store.put_bytes(b"deep")})
    about = About("ann", "All orders", {"team": "x"}, {}, {"files": 20})
    run = hub.start_run()
    made = hub.publish("dataset", "shop", digest=store.put_tree(files), about=about, run=run.id, store=store)
    hub.add_edges([Edge(made.digest, "b" * 64, "load", run.id), Edge("b" * 64, "c" * 64, "read", run.id)])
    return hub, store


def test_a_version_arrives_with_content_words_and_lineage(source, address, tmp_path):
    other, store = Hub(address), Store(tmp_path / "b")
    done = copy_published("dataset", "shop", source=source, target=(other, store))
    first = source[0].get_published("dataset", "shop@2")
    assert (done.num_blobs, done.num_there) == (21, 0) and done.size_bytes > 1_800_000
    made = other.get_published("dataset", "shop@2")
    assert made == done.published
    assert (made.digest, made.owner, made.description) == (first.digest, "ann", "All orders")
    assert made.tags == {"team": "x"} and made.facts["files"] == 20 and made.run_id == ""
    assert made.facts["origin"]["run"] == source[0].get_run().name
    assert store.get_tree(made.digest) == source[1].get_tree(made.digest)
    assert store.verify() == () and store.gc(grace_s=0).num_kept == 21
    assert other.lineage(made.digest) == source[0].lineage(made.digest)
    again = copy_published("dataset", "shop@2", source=source, target=(other, store))
    assert (again.num_blobs, again.num_there, again.published) == (0, 21, made)


def test_a_number_that_was_given_there_is_not_given_again(source, tmp_path):
    other, store = Hub(tmp_path / "b.db"), Store(tmp_path / "b")
    for i in range(3):
        other.publish("dataset", "shop", digest=store.put_bytes(bytes([i])), store=store)
    other.delete_published("dataset", "shop@2")
    assert copy_published("dataset", "shop@2", source=source, target=(other, store)).published.version == 4


def test_what_is_deprecated_arrives_as_such(source, tmp_path):
    source[0].deprecate("dataset", "shop@2", "wrong")
    made = copy_published(
        "dataset", "shop@2", source=source, target=(Hub(tmp_path / "b.db"), Store(tmp_path / "b"))
    )
    assert made.published.deprecated == "wrong"


@pytest.mark.parametrize("after", [1, 7, 20, 21])
def test_a_copy_that_was_killed_is_taken_up_where_it_was(source, address, tmp_path, after):
    arguments = [source[0].address, source[1].url, address, str(tmp_path / "b"), str(after)]
    killed = subprocess.run([sys.executable, "-c", COPY, *arguments], timeout=120)
    assert killed.returncode == -signal.SIGKILL
    other, store = Hub(address), Store(tmp_path / "b")
    assert other.search() == () and store.verify() == () and store.list_refs() == {}
    done = copy_published("dataset", "shop@2", source=source, target=(other, store))
    assert (done.num_blobs, done.num_there) == (21 - after, after)
    assert store.get_tree(done.published.digest) == source[1].get_tree(done.published.digest)


def test_two_processes_copy_at_once(source, address, tmp_path):
    arguments = [source[0].address, source[1].url, address, str(tmp_path / "b"), "99"]
    copies = [subprocess.Popen([sys.executable, "-c", COPY, *arguments]) for _ in range(2)]
    assert [c.wait(timeout=120) for c in copies] == [0, 0]
    assert [one.label for one in Hub(address).search()] == ["shop@2"]
    assert Store(tmp_path / "b").verify() == ()


def spoil(store, digest):
    path = store.local_path(digest)
    path.chmod(0o644)
    path.write_bytes(b"?" * path.stat().st_size)


def test_damaged_content_is_not_copied(source, tmp_path):
    digest = source[0].get_published("dataset", "shop").digest
    spoil(source[1], source[1].get_tree(digest)["part-3"])
    other = Hub(tmp_path / "b.db")
    with pytest.raises(UserError, match="FLOW011"):
        copy_published("dataset", "shop", source=source, target=(other, Store(tmp_path / "b")))
    assert other.search() == ()


def test_what_is_damaged_there_is_copied_again(source, tmp_path):
    target = (Hub(tmp_path / "b.db"), Store(tmp_path / "b"))
    digest = copy_published("dataset", "shop", source=source, target=target).published.digest
    spoil(target[1], target[1].get_tree(digest)["part-3"])
    assert copy_published("dataset", "shop", source=source, target=target).num_blobs == 1
    assert target[1].verify() == ()


def test_content_that_changes_on_the_way_is_noticed(source, tmp_path, monkeypatch):
    store = Store(tmp_path / "b")
    monkeypatch.setattr(store, "put_file", lambda path: "0" * 64)
    with pytest.raises(InvariantError, match="HUB016"):
        copy_published("dataset", "shop", source=source, target=(Hub(tmp_path / "b.db"), store))


def test_content_is_laid_out_as_files_of_ones_own(source, tmp_path):
    digest = source[0].get_published("dataset", "shop@1").digest
    assert lay_out_files(source[1], digest, tmp_path / "out") == ("x",)
    (tmp_path / "out" / "x").write_bytes(b"mine now")
    assert source[1].verify() == ()
    with pytest.raises(UserError, match="HUB015"):
        lay_out_files(source[1], digest, tmp_path / "out")


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "a/../../escaped"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    store = Store(tmp_path / "s")
    digest = store.put_tree({"fine": store.put_bytes(b"y"), name: store.put_bytes(b"x")})
    with pytest.raises(UserError, match="HUB012"):
        lay_out_files(store, digest, tmp_path / "in" / "out")
    assert not (tmp_path / "in" / "out").exists() and not list(tmp_path.rglob("*escaped*"))
