"""Artifacts in a folder and in S3: a real server of its interface, which breaks down now and then."""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest
from servers import Wire

from weft.core import UnavailableError, UserError
from weft.flow import Store
from weft.hub.artifacts import is_tag, open_artifacts, parse_reference, unpack


@pytest.fixture(scope="module")
def s3():
    """Host and port of a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def bucket(s3, monkeypatch, tmp_path):
    """The wire to an empty bucket, for this process and those it starts."""
    import s3fs

    wire = Wire(*s3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{wire.host}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFTHETESTS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t-of-the-tests")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    s3fs.S3FileSystem.clear_instance_cache()
    urllib.request.urlopen(f"http://{s3[0]}:{s3[1]}/moto-api/reset", b"").close()
    files = s3fs.S3FileSystem()
    files.mkdir("apps")
    yield wire
    s3fs.S3FileSystem.clear_instance_cache()
    wire.close()


@pytest.fixture(params=["folder", "s3"])
def address(request, tmp_path):
    if request.param == "folder":
        return str(tmp_path / "shared")
    request.getfixturevalue("bucket")
    return "s3://apps/weft"


def test_what_is_pushed_is_pulled_by_tag_and_by_digest(address, make_packed, tmp_path):
    place, packed = open_artifacts(address), make_packed(size=100_000)
    place.push(packed, "team/churn", ["latest", "v1"])
    elsewhere = open_artifacts(Store(address, cache=tmp_path / "other"))
    for reference in ("team/churn", "team/churn:v1", f"team/churn@sha256:{packed.digest}"):
        parsed = parse_reference(reference)
        assert elsewhere.find(parsed) == packed.digest
        assert elsewhere.fetch(parsed, tmp_path / "pulled.weft") == packed.digest
        assert (tmp_path / "pulled.weft").read_bytes() == packed.path.read_bytes()
    unpack(tmp_path / "pulled.weft", tmp_path / "out", digest=packed.digest)


def test_tags_move_digests_do_not_and_all_are_listed(address, make_packed):
    place, first, second = open_artifacts(address), make_packed("1"), make_packed("2")
    place.push(first, "churn", ["latest", "v1"])
    place.push(second, "churn", ["latest"])
    place.push(second, "team/churn", ["tags"])
    assert place.find(parse_reference("churn")) == second.digest
    assert place.find(parse_reference(f"churn@sha256:{first.digest}")) == first.digest
    listed = [(t.name, t.tag, t.digest) for t in place.list()]
    assert listed == [
        ("churn", "latest", second.digest),
        ("churn", "v1", first.digest),
        ("team/churn", "tags", second.digest),
    ]
    assert [t.tag for t in place.list("churn")] == ["latest", "v1"] and place.list("other") == ()


def test_a_missing_artifact_is_named_with_the_tags_there_are(address, make_packed):
    place = open_artifacts(address)
    with pytest.raises(UserError, match=r"APP050.*churn:latest"):
        place.find(parse_reference("churn"))
    place.push(make_packed(), "churn", ["v1"])
    for reference in ("churn", f"churn@sha256:{'0' * 64}"):
        with pytest.raises(UserError, match=r"(?s)APP050.*its tags are v1"):
            place.find(parse_reference(reference))


def test_removing_what_nothing_needs_leaves_artifacts(tmp_path, make_packed):
    store, packed = Store(tmp_path / "store"), make_packed()
    open_artifacts(store).push(packed, "churn", [])
    store.put_bytes(b"nobody's")
    assert store.gc(grace_s=-10).num_blobs == 1
    open_artifacts(store).fetch(parse_reference(f"churn@sha256:{packed.digest}"), tmp_path / "out.weft")


def test_a_damaged_archive_in_a_store_is_refused(tmp_path, make_packed):
    store, packed = Store(tmp_path / "store"), make_packed()
    open_artifacts(store).push(packed, "churn", ["v1"])
    path = store.local_path(packed.archive_digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="FLOW011"):
        open_artifacts(Store(tmp_path / "store")).fetch(parse_reference("churn:v1"), tmp_path / "out.weft")


def test_a_server_that_answers_500_for_a_while_is_survived(bucket, make_packed, tmp_path):
    place, packed = open_artifacts("s3://apps/weft"), make_packed(size=100_000)
    bucket.faults = [500, 500, None, 500]
    place.push(packed, "churn", ["v1"])
    assert bucket.faults == []
    assert place.find(parse_reference("churn:v1")) == packed.digest


UPLOAD = """
import sys
from weft.hub.artifacts import open_artifacts, pack
open_artifacts("s3://apps/weft").push(pack(sys.argv[1], sys.argv[2]), "churn", ["v1"])
"""


def test_an_upload_that_is_killed_half_way_shows_nothing_and_is_done_by_the_next(
    bucket, make_packed, tmp_path
):
    packed = make_packed(size=5_000_000)
    sources = packed.path.with_suffix("")
    sent, children = [], []

    def kill_half_way(data: bytes) -> None:
        sent.append(len(data))
        if children and sum(sent) > 2_500_000:
            children.pop().send_signal(signal.SIGKILL)

    bucket.on_bytes = kill_half_way
    command = [sys.executable, "-c", UPLOAD, sources, tmp_path / "again.weft"]
    child = subprocess.Popen(command, env=dict(os.environ))
    children.append(child)
    assert child.wait() == -signal.SIGKILL
    bucket.on_bytes = lambda data: None
    place = open_artifacts(Store("s3://apps/weft", cache=tmp_path / "other"))
    assert place.list() == ()
    with pytest.raises(UserError, match="APP050"):
        place.find(parse_reference(f"churn@sha256:{packed.digest}"))
    place.push(packed, "churn", ["v1"])
    fresh = open_artifacts(Store("s3://apps/weft", cache=tmp_path / "third"))
    assert fresh.fetch(parse_reference("churn:v1"), tmp_path / "out.weft") == packed.digest
    assert (tmp_path / "out.weft").read_bytes() == packed.path.read_bytes()


def test_a_store_that_is_not_there_is_named_without_the_secret(bucket, make_packed, monkeypatch):
    place = open_artifacts("s3://no-such-bucket/weft")
    with pytest.raises(UnavailableError, match=r"FLOW016.*no-such-bucket") as caught:
        place.push(make_packed(), "churn", ["v1"])
    assert "s3cr3t-of-the-tests" not in str(caught.value) + json.dumps(caught.value.args)


def test_no_secret_of_the_environment_reaches_archive_or_store(tmp_path, make_packed, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "hunter2-value")
    packed = make_packed('{"secrets": {"DB_PASSWORD": "env:DB_PASSWORD"}}')
    open_artifacts(str(tmp_path / "shared")).push(packed, "churn", ["v1"])
    files = [packed.path, *(p for p in (tmp_path / "shared").rglob("*") if p.is_file())]
    assert len(files) > 3 and all(b"hunter2-value" not in p.read_bytes() for p in files)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("churn", ("churn", "latest", "")),
        ("team/churn-2.x:v_1.0", ("team/churn-2.x", "v_1.0", "")),
        (f"churn@sha256:{'a' * 64}", ("churn", "", "a" * 64)),
    ],
)
def test_references_are_read(text, parts):
    found = parse_reference(text)
    assert (found.name, found.tag, found.digest) == parts
    assert parse_reference(str(found)) == found


@pytest.mark.parametrize(
    "text",
    ["", "Churn", "a b", "../x", "a//b", "a:", "a:b:c", "a@sha256:12", f"a:v@sha256:{'a' * 64}", "a:-x",
     f"a:sha256-{'a' * 64}", "/a", "a" * 201, "a:" + "x" * 129],
)  # fmt: skip
def test_what_cannot_be_a_reference_is_refused(text):
    with pytest.raises(UserError, match="APP049"):
        parse_reference(text)


def test_a_tag_that_looks_like_a_digest_is_none():
    assert is_tag("v1") and not is_tag(f"sha256-{'a' * 64}")
