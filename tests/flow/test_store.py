"""The store: what is put comes back, what is damaged is refused, what is full is said."""

import errno
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from fsspec.registry import _registry as known_places
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.core import InvariantError, UnavailableError, UserError, digest_bytes
from weft.flow import Fault, Store, examine_store
from weft.flow.files import LocalFiles


def files_below(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def blob_path(store: Store, digest: str) -> Path:
    return store._local.root / "blobs" / digest[:2] / digest[2:]


def damage(path: Path, data: bytes = b"damaged") -> None:
    path.chmod(0o644)
    path.write_bytes(data)


@pytest.fixture(scope="module")
def module_store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.binary(max_size=2000))
def test_bytes_come_back_under_their_digest(module_store, data):
    digest = module_store.put_bytes(data)
    assert digest == digest_bytes(data)
    assert module_store.get_bytes(digest) == data
    assert module_store.local_path(digest).read_bytes() == data


def test_any_store_keeps_bytes_files_and_trees(any_store, tmp_path):
    folder = tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "b ü.txt").write_text("b")
    tree = any_store.put_tree(folder)
    files = any_store.get_tree(tree)
    assert {n: any_store.get_bytes(d) for n, d in files.items()} == {"a.txt": b"a", "sub/b ü.txt": b"b"}
    assert any_store.put_tree(files) == tree
    assert any_store.has(tree) and not any_store.has("0" * 64)
    assert (folder / "a.txt").exists()


def test_any_store_is_the_same_in_another_process(any_store, tmp_path):
    digest = any_store.put_bytes(b"x")
    any_store.set_ref("models/churn/1", digest)
    other = pickle.loads(pickle.dumps(any_store))
    assert other.get_bytes(other.get_ref("models/churn/1")) == b"x"
    if not any_store.is_local:
        elsewhere = Store(any_store.url, cache=tmp_path / "other")
        assert elsewhere.local_path(digest).read_bytes() == b"x"


def test_any_store_lists_moves_and_forgets_names(any_store):
    one, two = any_store.put_bytes(b"1"), any_store.put_bytes(b"2")
    any_store.set_ref("models/churn/1", one)
    any_store.set_ref("models/größe & %41/1", two)
    any_store.set_ref("runs/r", one)
    any_store.set_ref("runs/r", two)
    assert any_store.list_refs("models") == {"models/churn/1": one, "models/größe & %41/1": two}
    assert any_store.list_refs() == {**any_store.list_refs("models"), "runs/r": two}
    any_store.delete_ref("runs/r")
    any_store.delete_ref("runs/r")
    assert any_store.get_ref("runs/r") is None


def test_any_store_leaves_no_temporary_files(any_store, tmp_path):
    any_store.put_bytes(b"1")
    with any_store.scratch() as folder:
        (folder / "f").write_text("x")
        any_store.put_file(folder / "f", move=True)
    left = [n for n in files_below(tmp_path) if "tmp/" in n and not n.endswith(".lock")]
    assert left == []


def test_any_store_refuses_a_blob_that_is_not_there(any_store):
    for get in (any_store.get_bytes, any_store.local_path):
        with pytest.raises(UserError, match=rf"FLOW010.*{'0' * 64}"):
            get("0" * 64)
    with pytest.raises(UserError, match="FLOW010"):
        any_store.set_ref("a", "0" * 64)
    with pytest.raises(UserError, match="FLOW010"):
        any_store.put_tree({"a": "0" * 64})


@pytest.mark.parametrize("data", [b"damaged", b"", b"abcdefg"])
def test_a_damaged_blob_is_refused_by_name(store, data):
    digest = store.put_bytes(b"abcdef")
    damage(blob_path(store, digest), data)
    for get in (store.get_bytes, store.local_path):
        with pytest.raises(UserError, match=rf"FLOW011.*{digest}"):
            get(digest)
    assert store.check(digest) == "damaged"


def test_damage_of_the_same_size_and_time_is_found_by_another_process(store):
    digest = store.put_bytes(b"abcdef")
    path = blob_path(store, digest)
    before = path.stat()
    damage(path, b"abcdeg")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(UserError, match="FLOW011"):
        Store(store.url).local_path(digest)


def test_a_damaged_remote_blob_is_refused_and_replaced_by_its_maker(tmp_path):
    store = Store(f"plain://{tmp_path}/remote", cache=tmp_path / "one")
    digest = store.put_bytes(b"abcdef")
    (tmp_path / "remote" / "blobs" / digest[:2] / digest[2:]).write_bytes(b"abcdeg")
    other = Store(store.url, cache=tmp_path / "two")
    with pytest.raises(UserError, match=rf"FLOW011.*{digest}"):
        other.local_path(digest)
    other.put_bytes(b"abcdef")
    assert Store(store.url, cache=tmp_path / "three").get_bytes(digest) == b"abcdef"


def test_a_damaged_copy_of_a_remote_blob_is_fetched_again(tmp_path):
    store = Store(f"plain://{tmp_path}/remote", cache=tmp_path / "cache")
    digest = store.put_bytes(b"abcdef")
    damage(blob_path(store, digest))
    assert store.get_bytes(digest) == b"abcdef"


def test_putting_the_content_again_repairs_a_damaged_blob(store):
    digest = store.put_bytes(b"abcdef")
    damage(blob_path(store, digest))
    assert store.put_bytes(b"abcdef") == digest
    assert store.get_bytes(digest) == b"abcdef"


def test_only_a_damaged_blob_is_discarded(store):
    sound, broken = store.put_bytes(b"1"), store.put_bytes(b"2")
    damage(blob_path(store, broken))
    store.discard(sound)
    store.discard(broken)
    assert store.has(sound) and not store.has(broken)


def test_blobs_are_read_only_files(store):
    assert blob_path(store, store.put_bytes(b"1")).stat().st_mode & 0o222 == 0


def test_a_damaged_ref_is_refused_by_name(store):
    store.set_ref("runs/a", store.put_bytes(b"1"))
    (Path(store.url) / "refs" / "runs" / "a").write_text("")
    with pytest.raises(UserError, match=r"FLOW015.*runs/a"):
        store.get_ref("runs/a")


@pytest.mark.parametrize("name", ["", "/", "a//b", "../x", "a/../b", ".", "a/", "x" * 300])
def test_a_name_that_cannot_be_a_ref_is_refused(store, name):
    with pytest.raises(UserError, match="FLOW014"):
        store.set_ref(name, store.put_bytes(b"1"))


def test_a_ref_inside_a_ref_is_refused(store):
    digest = store.put_bytes(b"1")
    store.set_ref("models/churn", digest)
    for name in ("models/churn/1", "models"):
        with pytest.raises(UserError, match="FLOW014"):
            store.set_ref(name, digest)


def test_a_digest_that_is_none_is_our_bug(store):
    with pytest.raises(InvariantError, match=r"FLOW023.*abc"):
        store.get_bytes("abc")


def test_a_blob_that_is_no_tree_is_refused(store):
    with pytest.raises(UserError, match="FLOW022"):
        store.get_tree(store.put_bytes(b"{}"))


def test_the_store_of_a_newer_weft_is_refused(store):
    store.put_bytes(b"1")
    (Path(store.url) / "store.json").write_text('{"format": 99}')
    with pytest.raises(UserError, match=r"FLOW017.*99"):
        Store(store.url)


def test_an_address_that_is_none_is_refused():
    with pytest.raises(UserError, match="FLOW021"):
        Store("nonsense://x")


def test_a_place_whose_package_is_missing_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(known_places, "s3", raising=False)  # another test may have used it
    with pytest.raises(UserError, match=r"EXT001.*s3fs(.|\n)*weft\[s3\]"):
        Store("s3://bucket/weft")


def test_a_place_that_does_not_answer_is_unavailable(tmp_path, monkeypatch):
    store = Store(f"plain://{tmp_path}/remote", cache=tmp_path / "cache")

    def refuse(*_, **__):
        raise ConnectionError("connection reset")

    monkeypatch.setattr(store._remote._files, "put_file", refuse)
    with pytest.raises(UnavailableError, match=r"FLOW016.*connection reset"):
        store.put_bytes(b"1")


@pytest.mark.parametrize("call", ["fsync", "write", "replace"])
def test_a_full_disk_is_said_and_nothing_half_made_stays(store, monkeypatch, call):
    store.put_bytes(b"before")
    before = files_below(Path(store.url))

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    target = {"fsync": (os, "fsync"), "write": (Path, "write_bytes"), "replace": (Path, "replace")}[call]
    with monkeypatch.context() as patch:
        patch.setattr(*target, full)
        with pytest.raises(UnavailableError, match="FLOW012"):
            store.put_bytes(b"after")
    assert [n for n in files_below(Path(store.url)) if n not in before] == []
    assert store.get_bytes(store.put_bytes(b"after")) == b"after"


FILL = """
import sys
from weft.core import UnavailableError
from weft.flow import Store
store = Store(sys.argv[1])
small = store.put_bytes(b"small")
try:
    store.put_bytes(b"x" * 4_000_000)
except UnavailableError as error:
    assert error.code == "FLOW012", error
    assert store.get_bytes(small) == b"small"
    store.set_ref("still/works", store.put_bytes(b"also small"))
    print("refused")
"""

READ = """
import sys
from weft.core import UserError
from weft.flow import Store
store = Store(sys.argv[1])
assert store.get_bytes(store.get_ref("runs/a")) == b"small"
try:
    store.put_bytes(b"more")
except UserError as error:
    assert error.code == "FLOW013", error
    print("refused")
"""


def in_a_namespace(commands: str, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``code`` after shell commands that mount something, seen by nobody else."""
    shell = f'{commands} && exec "$1" -c "$2" "$3"'
    command = ["unshare", "-rm", "sh", "-c", shell, "sh", sys.executable, code, str(folder)]
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a test mount a file system of its own (unshare -rm)")
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_disk_that_is_really_full_is_said(tmp_path):
    done = in_a_namespace('mount -t tmpfs -o size=1m tmpfs "$3"', FILL, tmp_path)
    assert done.stdout == "refused\n", done.stderr


def test_a_store_that_may_not_be_written_can_be_read(tmp_path):
    store = Store(tmp_path)
    store.set_ref("runs/a", store.put_bytes(b"small"))
    done = in_a_namespace('mount --bind "$3" "$3" && mount -o remount,bind,ro "$3"', READ, tmp_path)
    assert done.stdout == "refused\n", done.stderr


def test_leftovers_of_a_killed_process_are_removed_and_those_of_the_living_stay(store):
    code = (
        "import os, signal, sys; from weft.flow import Store; s = Store(sys.argv[1])\n"
        "with s.scratch() as f:\n    (f / 'big').write_text('x'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, store.url], timeout=60)
    tmp = Path(store.url) / "tmp"
    assert [n for n in files_below(tmp) if n.endswith("big")]
    with store.scratch() as mine:
        (mine / "kept").write_text("x")
        with store.lease("run"):
            pass
        assert [n.rsplit("/", 1)[1] for n in files_below(tmp) if "/" in n] == ["kept"]


def test_a_fork_has_temporary_files_of_its_own(store):
    store.put_bytes(b"1")
    folder = store._local.temporaries.folder
    pid = os.fork()
    if pid == 0:
        os._exit(0 if store.put_bytes(b"2") and store._local.temporaries.folder != folder else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert folder.exists() and isinstance(store._local, LocalFiles)


def test_any_store_finds_every_damaged_blob_when_asked(any_store, tmp_path):
    digests = [any_store.put_bytes(b"%d" % i) for i in range(3)]
    assert any_store.verify() == ()
    files = any_store._remote or any_store._local
    files.write(f"blobs/{digests[1][:2]}/{digests[1][2:]}", b"damaged")
    assert any_store.verify() == (digests[1],)


def test_examining_a_store_names_what_cannot_be_used_and_who_needs_it(any_store):
    leaf, other = any_store.put_bytes(b"leaf"), any_store.put_bytes(b"other")
    tree = any_store.put_tree({"a": leaf})
    any_store.set_ref("models/churn/1", tree)
    any_store.set_ref("runs/one", other)
    found = examine_store(any_store)
    assert (found.num_blobs, found.num_refs, found.faults) == (3, 2, ())
    files = any_store._remote or any_store._local
    place = f"blobs/{leaf[:2]}/{leaf[2:]}"
    flipped = bytearray(files.read(place))
    flipped[0] ^= 1
    files.write(place, bytes(flipped))
    files.remove(f"blobs/{other[:2]}/{other[2:]}")
    files.write("refs/odd", b"no digest")
    assert examine_store(any_store).faults == (
        Fault("damaged ref", "", "refs/odd", ("odd",)),
        Fault("missing", other, f"blobs/{other[:2]}/{other[2:]}", ("runs/one",)),
        Fault("damaged", leaf, place, ("models/churn/1",)),
    )
