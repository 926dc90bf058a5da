"""What is submitted to Kubernetes, against the schemas that Kubernetes publishes; no cluster.

Refresh the golden file with ``WEFT_REFRESH_GOLDEN=1`` and read the difference in review.
"""

import os
from dataclasses import replace
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from weft.core import Resources, UserError, digest_bytes, to_json
from weft.flow import Node, Store
from weft.flow.backends import AttemptSpec, AttemptState, attempt_id
from weft.flow.backends.kubernetes import KubernetesBackend, KubernetesSettings
from weft.flow.backends.kubernetes.manifest import label_value
from weft.flow.backends.kubernetes.reasons import status_of
from weft.flow.record import Parts

GOLDEN = Path(__file__).parents[1] / "golden" / "kubernetes_job.yaml"
FULL = KubernetesSettings(
    image="registry.example/weft:1",
    queue="research",
    service_account="runner",
    node_selector={"disk": "fast"},
    tolerations=[{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    image_pull_secrets=["registry"],
    priority_class="low",
    variables={"AWS_REGION": "eu-1"},
    secrets={"AWS_SECRET_ACCESS_KEY": "k8s:store/key"},
    labels={"team": "shop"},
)


def make_spec(nodes=1, **fields):
    node = Node("candidate[3]", "shop:train", timeout_s=90.5)
    parts = Parts.of(node, {})
    name = attempt_id("tidy-otter-7", node.name, parts.key, 1)
    secrets = {"TOKEN": "k8s:hub/token", "CERTIFICATE": "file:/etc/certificate"}
    resources = Resources(4_000_000_000, 2, gpus=1)
    spec = AttemptSpec(name, "tidy-otter-7", 1, node, parts, {}, "s3://bucket/weft", resources)
    return replace(spec, nodes=nodes, secrets=secrets, **fields)


def rendered(spec, settings, tmp_path):
    return list(yaml.safe_load_all(KubernetesBackend(Store(tmp_path), settings).render(spec)))


@pytest.mark.parametrize("version", ["1.28", "1.31", "1.34", "1.37"])
@pytest.mark.parametrize("nodes", [1, 4])
@pytest.mark.parametrize("settings", [KubernetesSettings(image="weft:1"), FULL])
def test_manifests_are_valid_for_the_published_schemas(version, nodes, settings, tmp_path):
    bodies = rendered(make_spec(nodes), settings, tmp_path)
    assert [b["kind"] for b in bodies] == (["Job"] if nodes == 1 else ["Job", "Service"])
    for body in bodies:
        kubernetes_validate.validate(body, version, strict=True)


def test_what_is_printed_is_what_the_golden_file_says(tmp_path):
    text = KubernetesBackend(Store(tmp_path), FULL).render(make_spec(2))
    text = text.replace(digest_bytes(to_json(make_spec(2)).encode()), "SPEC")
    if os.environ.get("WEFT_REFRESH_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_printing_writes_nothing_and_needs_no_cluster(tmp_path):
    store = Store(tmp_path / "store")
    KubernetesBackend(store, replace(FULL, kubeconfig="/nowhere")).render(make_spec())
    assert store.num_blobs() == 0


def test_a_store_on_this_machine_needs_a_claim(tmp_path):
    spec = replace(make_spec(), store=str(tmp_path / "store"))
    with pytest.raises(UserError, match="which pods do not see") as caught:
        rendered(spec, FULL, tmp_path)
    assert caught.value.code == "FLOW094"
    with pytest.raises(UserError):
        rendered(spec, replace(FULL, claims={f"{tmp_path}/sto": "c"}), tmp_path)
    (job,) = rendered(spec, replace(FULL, claims={str(tmp_path): "weft-store"}), tmp_path)
    mounts = job["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert {"name": "claim-0", "mountPath": str(tmp_path)} in mounts


def test_without_an_image_nothing_is_submitted(tmp_path):
    with pytest.raises(UserError, match="names no image") as caught:
        rendered(make_spec(), replace(FULL, image=None), tmp_path)
    assert caught.value.code == "FLOW090"
    (job,) = rendered(make_spec(image="own:2"), FULL, tmp_path)
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "own:2"


def test_a_secret_of_the_deployment_must_be_one_of_the_cluster(tmp_path):
    with pytest.raises(UserError, match="cannot be given to a pod") as caught:
        rendered(make_spec(), replace(FULL, secrets={"KEY": "env:KEY"}), tmp_path)
    assert caught.value.code == "FLOW095"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("candidate[3]", "candidate-3"),
        ("a/b c", "a-b-c"),
        ("x" * 80, "x" * 63),
        ("[]", ""),
        ("ärger", "rger"),
    ],
)
def test_names_become_labels(text, value):
    assert label_value(text) == value


def job(*conditions, **metadata):
    told = [{"type": t, "status": "True", "reason": r, "message": "m"} for t, r in conditions]
    return {"metadata": {"labels": {}, **metadata}, "status": {"conditions": told}}


def pod(phase, state=None, name="p", **status):
    states = [{"name": "worker", "state": state}] if state else []
    return {"metadata": {"name": name}, "status": {"phase": phase, "containerStatuses": states, **status}}


def ended(code, reason="Error", at="2026-01-01T00:00:00Z", message=""):
    return {"terminated": {"exitCode": code, "reason": reason, "finishedAt": at, "message": message}}


@pytest.mark.parametrize(
    ("body", "pods", "state", "reason"),
    [
        (job(), [], "pending", "waits for its pods to be made"),
        (job(("Suspended", "JobSuspended")), [], "pending", "its job is suspended"),
        (
            job(("Suspended", "JobSuspended"), labels={"kueue.x-k8s.io/queue-name": "research"}),
            [],
            "pending",
            "waits in queue research",
        ),
        (job(), [pod("Pending")], "pending", "waits for a machine"),
        (
            job(),
            [pod("Pending", {"waiting": {"reason": "ContainerCreating"}})],
            "pending",
            "its container is being made",
        ),
        (job(), [pod("Running"), pod("Pending")], "pending", "waits for a machine"),
        (job(), [pod("Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})], "running", ""),
        (
            job(),
            [pod("Running"), pod("Failed", ended(3))],
            "running",
            "exit code 3; what is left of it is being stopped",
        ),
        (job(deletionTimestamp="now"), [pod("Running")], "running", "is being stopped"),
        (job(deletionTimestamp="now"), [], "stopped", "its job was deleted"),
        (job(("Complete", "CompletionsReached")), [pod("Succeeded", ended(0))], "succeeded", ""),
        (job(("Failed", "BackoffLimitExceeded")), [pod("Running")], "running", ""),
        (job(("Failed", "BackoffLimitExceeded")), [], "failed", "BackoffLimitExceeded: m"),
        (job(("Failed", "x")), [pod("Failed", ended(1, message="a\nlast"))], "failed", "exit code 1: last"),
        (
            job(("Failed", "x")),
            [pod("Failed", ended(137), "a", at="2026-01-01T00:00:09Z"), pod("Failed", ended(5), "b")],
            "failed",
            "exit code 137",
        ),
        (
            job(("Failed", "x")),
            [pod("Failed", ended(137, at="2026-01-01T00:00:09Z"), "a"), pod("Failed", ended(5), "b")],
            "failed",
            "exit code 5",
        ),
        (
            job(("Failed", "x")),
            [pod("Failed", ended(128, "StartError"))],
            "failed",
            "exit code 128: StartError",
        ),
        (
            job(("Failed", "x")),
            [pod("Failed", reason="DeadlineExceeded", message="too long.")],
            "failed",
            "DeadlineExceeded: too long",
        ),
    ],
)
def test_what_a_job_and_its_pods_say(body, pods, state, reason):
    status = status_of(body, pods)
    assert (status.state, status.reason) == (AttemptState(state), reason)
