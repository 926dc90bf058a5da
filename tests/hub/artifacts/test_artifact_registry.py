"""Artifacts in a real registry: addressed by tag and digest, checked both ways, whole in spite of faults."""

import base64
import contextlib
import hashlib
import json
import urllib.request

import pytest
from servers import PROGRAM, SHORT, Wire, run_registry
from tokens import ISSUER, SERVICE, Giver, serve_tokens

from weft.core import UnavailableError, UserError
from weft.hub.artifacts import Registry, open_artifacts, parse_reference, unpack

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not installed")

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# Of the password hunter2, as htpasswd -B writes it.
HTPASSWD = "ann:$2b$04$XJhoSUnx/KqVFsSIsHSdLeieCprj69pzvyxIUOsk79X/1ElpOMdh6\n"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with run_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No credentials of whoever runs the tests."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.delenv("WEFT_REGISTRY_USER", raising=False)
    monkeypatch.delenv("WEFT_REGISTRY_PASSWORD", raising=False)


@pytest.fixture
def wire(host):
    wire = Wire(*host.split(":"))
    yield wire
    wire.close()


@pytest.fixture
def name(request):
    """A repository of each test's own."""
    return "t" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20]


def request(method, url, data=None, **headers):
    asked = urllib.request.Request(
        url, data, {k.replace("_", "-"): v for k, v in headers.items()}, method=method
    )
    with urllib.request.urlopen(asked) as answer:
        return answer.read(), answer.headers


def test_what_is_pushed_is_pulled_by_tag_and_by_digest(host, make_packed, tmp_path, name):
    registry, packed = Registry(host, "team/apps", patience=SHORT), make_packed()
    registry.push(packed, name, ["latest", "v1"])
    for reference in (name, f"{name}:v1", f"{name}@sha256:{packed.digest}"):
        parsed = parse_reference(reference)
        assert registry.find(parsed) == packed.digest
        assert registry.fetch(parsed, tmp_path / "pulled.weft") == packed.digest
        assert (tmp_path / "pulled.weft").read_bytes() == packed.path.read_bytes()
    assert [(t.tag, t.digest, t.size_bytes) for t in registry.list(name)] == [
        ("latest", packed.digest, packed.size_bytes),
        ("v1", packed.digest, packed.size_bytes),
    ]
    unpack(tmp_path / "pulled.weft", tmp_path / "out", digest=packed.digest)


def test_tags_move_and_digests_do_not(host, make_packed, name):
    registry, first, second = Registry(host, patience=SHORT), make_packed("1"), make_packed("2")
    registry.push(first, name, ["latest"])
    registry.push(second, name, ["latest"])
    assert registry.find(parse_reference(name)) == second.digest
    assert registry.find(parse_reference(f"{name}@sha256:{first.digest}")) == first.digest


def test_the_registry_holds_an_ordinary_manifest_that_says_no_time(host, make_packed, name):
    packed = make_packed()
    Registry(host, patience=SHORT).push(packed, name, ["v1"])
    body, headers = request("GET", f"http://{host}/v2/{name}/manifests/v1", Accept=MANIFEST)
    manifest = json.loads(body)
    assert headers["Content-Type"] == manifest["mediaType"] == MANIFEST
    (layer,) = manifest["layers"]
    assert layer["digest"] == f"sha256:{packed.archive_digest}" and layer["size"] == packed.size_bytes
    assert "created" not in body.decode()
    again, other = make_packed(), f"{name}x"
    Registry(host, patience=SHORT).push(again, other, ["v1"])
    assert request("GET", f"http://{host}/v2/{other}/manifests/v1", Accept=MANIFEST)[0] == body


def test_a_large_archive_goes_in_parts_and_arrives_whole(wire, make_packed, tmp_path, name):
    packed = make_packed(size=3_300_000)
    registry = Registry(wire.host, patience=SHORT, chunk_bytes=1 << 20)
    registry.push(packed, name, ["v1"])
    assert sum(line.startswith(b"PATCH") for line in wire.seen) == 3
    registry.fetch(parse_reference(f"{name}:v1"), tmp_path / "out.weft")
    assert (tmp_path / "out.weft").read_bytes() == packed.path.read_bytes()


def test_content_that_is_there_is_not_sent_again(wire, make_packed, name):
    registry, packed = Registry(wire.host, patience=SHORT), make_packed(size=200_000)
    registry.push(packed, name, ["v1"])
    wire.seen.clear()
    registry.push(packed, name, ["v2"])
    assert not [line for line in wire.seen if line.startswith((b"POST", b"PATCH"))]


@pytest.mark.parametrize("position", range(11))
@pytest.mark.parametrize("fault", [503, "drop", 700_000])
def test_a_fault_at_any_request_of_a_push_is_survived(wire, make_packed, tmp_path, name, position, fault):
    packed = make_packed(size=3_300_000)
    wire.faults = [*[None] * position, fault]
    registry = Registry(wire.host, patience=SHORT, chunk_bytes=1 << 20)
    registry.push(packed, name, ["v1"])
    assert wire.faults == []
    assert registry.fetch(parse_reference(f"{name}:v1"), tmp_path / "out.weft") == packed.digest
    assert (tmp_path / "out.weft").read_bytes() == packed.path.read_bytes()


@pytest.mark.parametrize("position", [1, 6, 9])
def test_an_upload_that_dies_shows_no_artifact_and_the_next_try_succeeds(wire, make_packed, name, position):
    packed = make_packed(size=3_300_000)
    registry = Registry(wire.host, patience=SHORT, chunk_bytes=1 << 20)
    wire.faults = [None] * position + ["drop"] * 100
    with pytest.raises(UnavailableError, match="APP053"):
        registry.push(packed, name, ["v1"])
    wire.faults = []
    assert registry.list(name) == ()
    with pytest.raises(UserError, match="APP050"):
        registry.find(parse_reference(f"{name}@sha256:{packed.digest}"))
    registry.push(packed, name, ["v1"])
    assert registry.find(parse_reference(f"{name}:v1")) == packed.digest


def test_a_registry_out_of_order_for_long_is_named_and_may_be_tried_again(wire, name):
    wire.faults = [503] * 4
    with pytest.raises(UnavailableError, match=r"APP053.*503 Service Unavailable") as caught:
        Registry(wire.host, patience=SHORT).find(parse_reference(name))
    assert caught.value.exit_code == 2 and wire.faults == []


def test_a_registry_that_is_not_there_is_named(name):
    with pytest.raises(UnavailableError, match=r"APP053: 127.0.0.1:1 did not answer"):
        Registry("127.0.0.1:1", patience=SHORT).find(parse_reference(name))


def test_an_artifact_that_is_missing_is_named_with_the_tags_there_are(host, make_packed, name):
    registry = Registry(host, patience=SHORT)
    with pytest.raises(UserError, match="APP050"):
        registry.find(parse_reference(f"{name}:v9"))
    assert registry.list(name) == ()
    registry.push(make_packed(), name, ["v1", "v2"])
    with pytest.raises(UserError, match=r"(?s)APP050.*v1, v2"):
        registry.find(parse_reference(f"{name}:v9"))


def test_content_changed_in_the_registry_is_refused(tmp_path, make_packed, name):
    with run_registry(tmp_path / "own") as host:
        registry, packed = Registry(host, patience=SHORT), make_packed(size=10_000)
        registry.push(packed, name, ["v1"])
        hexes = packed.archive_digest
        blob = tmp_path / "own/data/docker/registry/v2/blobs/sha256" / hexes[:2] / hexes / "data"
        data = bytearray(blob.read_bytes())
        data[600] ^= 1
        blob.write_bytes(data)
        with pytest.raises(UserError, match="APP048"):
            registry.fetch(parse_reference(f"{name}:v1"), tmp_path / "out.weft")


def test_a_tag_of_a_digest_that_was_moved_is_refused(host, make_packed, name):
    registry, first, second = Registry(host, patience=SHORT), make_packed("1"), make_packed("2")
    registry.push(first, name, [])
    registry.push(second, name, ["v1"])
    body, _ = request("GET", f"http://{host}/v2/{name}/manifests/v1", Accept=MANIFEST)
    request("PUT", f"http://{host}/v2/{name}/manifests/sha256-{first.digest}", body, Content_Type=MANIFEST)
    with pytest.raises(UserError, match="APP048"):
        registry.find(parse_reference(f"{name}@sha256:{first.digest}"))


def test_what_is_no_artifact_of_weft_is_refused(host, make_packed, name):
    Registry(host, patience=SHORT).push(make_packed(), name, ["v1"])
    body, _ = request("GET", f"http://{host}/v2/{name}/manifests/v1", Accept=MANIFEST)
    manifest = json.loads(body)
    for change in (
        {"annotations": {}},
        {"layers": []},
        {"annotations": {"weft.artifact.digest": "sha256:../x"}},
    ):
        data = json.dumps({**manifest, **change}).encode()
        request("PUT", f"http://{host}/v2/{name}/manifests/other", data, Content_Type=MANIFEST)
        with pytest.raises(UserError, match="APP045"):
            Registry(host, patience=SHORT).find(parse_reference(f"{name}:other"))


@contextlib.contextmanager
def guarded(folder):
    folder.mkdir()
    (folder / "htpasswd").write_text(HTPASSWD)
    with run_registry(folder, f"auth: {{htpasswd: {{realm: weft, path: {folder}/htpasswd}}}}\n") as host:
        yield host


def test_a_registry_with_passwords_lets_in_who_is_known_and_nobody_else(
    tmp_path, make_packed, name, monkeypatch
):
    packed = make_packed()
    with guarded(tmp_path / "guarded") as host:
        with pytest.raises(UserError, match=r"APP052.*401 Unauthorized"):
            Registry(host, patience=SHORT).push(packed, name, ["v1"])
        monkeypatch.setenv("WEFT_REGISTRY_USER", "ann")
        monkeypatch.setenv("WEFT_REGISTRY_PASSWORD", "wr0ng-w0rd")
        with pytest.raises(UserError, match="APP052") as caught:
            Registry(host, patience=SHORT).push(packed, name, ["v1"])
        assert "wr0ng-w0rd" not in str(caught.value)
        monkeypatch.setenv("WEFT_REGISTRY_PASSWORD", "hunter2")
        registry = Registry(host, patience=SHORT)
        registry.push(packed, name, ["v1"])
        assert "hunter2" not in repr(vars(registry)) + repr(vars(registry)["_web"]._credentials)


def test_what_docker_login_wrote_is_used(tmp_path, make_packed, name):
    with guarded(tmp_path / "guarded") as host:
        (tmp_path / "docker").mkdir()
        entry = {"auth": base64.b64encode(b"ann:hunter2").decode()}
        (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {host: entry}}))
        open_artifacts(f"oci://{host}").push(make_packed(), name, ["v1"])


@pytest.fixture
def by_token(tmp_path):
    """A registry that takes tokens only, and who gives them."""
    giver = Giver(tmp_path / "giver", "ann", "hunter2")
    with serve_tokens(giver) as realm:
        fields = f"realm: '{realm}', service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {giver.bundle}"
        with run_registry(tmp_path / "own", f"auth: {{token: {{{fields}}}}}\n") as host:
            yield host, giver


def test_tokens_are_asked_for_and_reach_as_far_as_their_user_may(
    by_token, make_packed, name, monkeypatch, tmp_path
):
    host, giver = by_token
    packed = make_packed(size=2_200_000)
    with pytest.raises(UserError, match=r"APP052.*push"):
        Registry(host, patience=SHORT).push(packed, name, ["v1"])
    monkeypatch.setenv("WEFT_REGISTRY_USER", "ann")
    monkeypatch.setenv("WEFT_REGISTRY_PASSWORD", "wr0ng-w0rd")
    with pytest.raises(UserError, match="APP052") as caught:
        Registry(host, patience=SHORT).push(packed, name, ["v1"])
    assert "wr0ng-w0rd" not in str(caught.value)
    monkeypatch.setenv("WEFT_REGISTRY_PASSWORD", "hunter2")
    Registry(host, patience=SHORT, chunk_bytes=1 << 20).push(packed, name, ["v1"])
    monkeypatch.delenv("WEFT_REGISTRY_PASSWORD")
    stranger = Registry(host, patience=SHORT)
    assert stranger.fetch(parse_reference(f"{name}:v1"), tmp_path / "out.weft") == packed.digest
    assert [t.tag for t in stranger.list(name)] == ["v1"]
    assert all(query["service"] == [SERVICE] for query in giver.asked)


def test_a_token_that_has_run_out_is_asked_for_again(by_token, make_packed, name, monkeypatch):
    host, giver = by_token
    monkeypatch.setenv("WEFT_REGISTRY_USER", "ann")
    monkeypatch.setenv("WEFT_REGISTRY_PASSWORD", "hunter2")
    # The registry forgives a minute; a token older than that is of no use at once.
    registry = Registry(host, patience=SHORT)
    giver.lifetime_s = -3600
    with pytest.raises(UserError, match="APP052"):
        registry.push(make_packed(), name, ["v1"])
    before, giver.lifetime_s = len(giver.asked), 300
    registry.push(make_packed(), name, ["v1"])
    assert len(giver.asked) > before


def test_an_address_with_a_password_or_without_a_host_is_refused():
    with pytest.raises(UserError, match="APP051") as caught:
        open_artifacts("oci://ann:hunter2@registry.example/x")
    assert "hunter2" not in str(caught.value) and "registry.example" in str(caught.value)
    for address in ("oci:///x", "oci://"):
        with pytest.raises(UserError, match="APP051"):
            open_artifacts(address)
    with pytest.raises(UserError, match="APP051"):
        Registry("127.0.0.1:1").list()
