"""Behind `kubernetes_server`: objects kept in a folder, the job controller, one node that runs pods."""

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

_SHIM = Path(__file__).with_name("pod_shim.py")
_JOB = "batch.kubernetes.io/job-name"
_INDEX = "batch.kubernetes.io/job-completion-index"
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9, "m": 0.001}


class Cluster:
    """Objects by (resource, namespace, name); everything is written down before it is answered."""

    def __init__(self, folder: Path, capacity: dict[str, float]) -> None:
        self.folder, self.capacity = folder, capacity
        self.lock = threading.RLock()
        self.objects: dict[tuple[str, str, str], dict] = {}
        self._state = folder / "state.json"
        self.version = 0
        self._shims: dict[str, subprocess.Popen] = {}
        if self._state.exists():
            kept = json.loads(self._state.read_text())
            self.version = kept["version"]
            self.objects = {tuple(o["key"]): o["object"] for o in kept["objects"]}
        threading.Thread(target=self._loop, daemon=True).start()

    # Objects

    def add(self, resource: str, namespace: str, body: dict) -> dict:
        metadata = body["metadata"]
        metadata |= {"namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": now()}
        body.setdefault("status", {})
        return self.save(resource, body)

    def save(self, resource: str, body: dict) -> dict:
        self.version += 1
        metadata = body["metadata"]
        metadata["resourceVersion"] = str(self.version)
        self.objects[resource, metadata["namespace"], metadata["name"]] = body
        self._write()
        return body

    def remove(self, resource: str, body: dict) -> None:
        metadata = body["metadata"]
        self.objects.pop((resource, metadata["namespace"], metadata["name"]), None)
        for (kind, _, _), other in list(self.objects.items()):
            owners = {o["uid"] for o in other["metadata"].get("ownerReferences", [])}
            if metadata["uid"] in owners and kind != "pods":
                self.remove(kind, other)
        self._write()

    def all(self, resource: str, namespace: str | None = None) -> list[dict]:
        found = [(k, o) for k, o in self.objects.items() if k[0] == resource and namespace in (None, k[1])]
        return [o for _, o in sorted(found, key=lambda item: item[0])]

    def _write(self) -> None:
        kept = {
            "version": self.version,
            "objects": [{"key": k, "object": o} for k, o in self.objects.items()],
        }
        aside = self._state.with_suffix(".tmp")
        aside.write_text(json.dumps(kept))
        aside.rename(self._state)

    # Controllers

    def _loop(self) -> None:
        while True:
            with self.lock:
                for pod in self.all("pods"):
                    self._reconcile_pod(pod)
                for job in self.all("jobs"):
                    self._reconcile_job(job)
            time.sleep(0.02)

    def _reconcile_job(self, job: dict) -> None:
        spec, status, pods = job["spec"], job["status"], self._pods_of(job)
        if "deletionTimestamp" in job["metadata"] or _finished(job):
            self._end_job(job, pods)
            return
        if spec.get("suspend"):
            if not status.get("conditions"):
                status["conditions"] = [_condition("Suspended", "JobSuspended", "Job suspended")]
                self.save("jobs", job)
            return
        if "startTime" not in status:
            status |= {"startTime": now(), "active": 0, "conditions": []}
            for index in range(spec.get("completions", 1)):
                self._make_pod(job, index)
            self.save("jobs", job)
            return
        phases = [p["status"]["phase"] for p in pods]
        counts = {
            "active": sum(p in ("Pending", "Running") for p in phases),
            "succeeded": phases.count("Succeeded"),
            "failed": phases.count("Failed") + max(0, spec.get("completions", 1) - len(pods)),
        }
        if any(status.get(k, 0) != v for k, v in counts.items()):
            status |= counts
            self.save("jobs", job)
        self._judge(job, counts)

    def _judge(self, job: dict, counts: dict[str, int]) -> None:
        status, limit = job["status"], job["spec"].get("activeDeadlineSeconds")
        if counts["failed"] > job["spec"].get("backoffLimit", 6):
            words = ("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        elif counts["succeeded"] >= job["spec"].get("completions", 1):
            words = ("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
            status["completionTime"] = now()
        elif limit and time.time() - seconds(status["startTime"]) > limit:
            words = ("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
        else:
            return
        status["conditions"] = [*status["conditions"], _condition(*words)]
        self.save("jobs", job)

    def _end_job(self, job: dict, pods: list[dict]) -> None:
        is_deleted = "deletionTimestamp" in job["metadata"]
        for pod in pods:
            if is_deleted or pod["status"]["phase"] in ("Pending", "Running"):
                self.delete_pod(pod)
        left = [p for p in self._pods_of(job) if is_deleted or p["status"]["phase"] in ("Pending", "Running")]
        if is_deleted and not left:
            self.remove("jobs", job)
        ttl, ended = job["spec"].get("ttlSecondsAfterFinished"), job["status"].get("conditions")
        is_old = ended and ttl is not None and time.time() - seconds(ended[-1]["lastTransitionTime"]) >= ttl
        if not is_deleted and not left and is_old:
            job["metadata"]["deletionTimestamp"] = now()
            self.save("jobs", job)

    def _pods_of(self, job: dict) -> list[dict]:
        uid = job["metadata"]["uid"]
        return [p for p in self.all("pods") if p["metadata"]["ownerReferences"][0]["uid"] == uid]

    def _make_pod(self, job: dict, index: int) -> None:
        name, template = job["metadata"]["name"], job["spec"]["template"]
        metadata = json.loads(json.dumps(template.get("metadata", {})))
        labels, annotations = metadata.setdefault("labels", {}), metadata.setdefault("annotations", {})
        labels |= {_JOB: name, "job-name": name}
        spec = json.loads(json.dumps(template["spec"]))
        pod_name = f"{name}-{uuid.uuid4().hex[:5]}"
        if job["spec"].get("completionMode") == "Indexed":
            pod_name = f"{name}-{index}-{uuid.uuid4().hex[:5]}"
            labels[_INDEX] = annotations[_INDEX] = str(index)
            spec["hostname"] = f"{name}-{index}"
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"]}
        metadata |= {"name": pod_name, "ownerReferences": [{**owner, "controller": True}]}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        self.add("pods", job["metadata"]["namespace"], {**body, "status": {"phase": "Pending"}})

    # The node

    def _reconcile_pod(self, pod: dict) -> None:
        status = pod["status"]
        if status["phase"] == "Pending" and "deletionTimestamp" in pod["metadata"]:
            self.remove("pods", pod)
        elif status["phase"] == "Pending":
            self._schedule(pod)
        elif status["phase"] == "Running":
            self._look_at(pod)
        elif "deletionTimestamp" in pod["metadata"]:
            self.remove("pods", pod)

    def _schedule(self, pod: dict) -> None:
        container, status = pod["spec"]["containers"][0], pod["status"]
        asked = _asked(pod)
        busy = [_asked(p) for p in self.all("pods") if p["status"]["phase"] == "Running"]
        lacking = [
            k for k, v in asked.items() if v + sum(b.get(k, 0) for b in busy) > self.capacity.get(k, 0)
        ]
        if lacking:
            message = "0/1 nodes are available: " + ", ".join(f"1 Insufficient {k}" for k in lacking) + "."
            wanted = {"conditions": [_condition("PodScheduled", "Unschedulable", message, "False")]}
        elif "missing" in container["image"]:
            waiting = {
                "reason": "ImagePullBackOff",
                "message": f'Back-off pulling image "{container["image"]}"',
            }
            wanted = {"containerStatuses": [{"name": container["name"], "state": {"waiting": waiting}}]}
        elif secret := self._missing_secret(pod):
            waiting = {"reason": "CreateContainerConfigError", "message": f'secret "{secret}" not found'}
            wanted = {"containerStatuses": [{"name": container["name"], "state": {"waiting": waiting}}]}
        else:
            self._run(pod)
            return
        if any(_without_times(status.get(k)) != _without_times(v) for k, v in wanted.items()):
            status |= wanted
            self.save("pods", pod)

    def _run(self, pod: dict) -> None:
        container, folder = pod["spec"]["containers"][0], self.pod_folder(pod)
        folder.mkdir(parents=True, exist_ok=True)
        limit = quantity(container.get("resources", {}).get("limits", {}).get("memory", "0"))
        grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
        command = [sys.executable, "-SE", str(_SHIM), str(folder), str(int(limit)), str(grace), "--"]
        own = self._environment(pod, container)
        command += [_expanded(t, own, pod) for t in [*container["command"], *container.get("args", [])]]
        variables = {**os.environ, **own}
        shim = subprocess.Popen(command, env=variables, start_new_session=True)
        self._shims[pod["metadata"]["uid"]] = shim
        (folder / "pid").write_text(str(shim.pid))
        state = {"running": {"startedAt": now()}}
        pod["status"] |= {"phase": "Running", "startTime": now(), "podIP": "127.0.0.1", "conditions": []}
        pod["status"]["containerStatuses"] = [{"name": container["name"], "state": state}]
        self.save("pods", pod)

    def _look_at(self, pod: dict) -> None:
        folder, limit = self.pod_folder(pod), pod["spec"].get("activeDeadlineSeconds")
        if limit and time.time() - seconds(pod["status"]["startTime"]) > limit:
            self.fail_pod(
                pod, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
            )
        if (folder / "end.json").exists():
            end = json.loads((folder / "end.json").read_text())
        elif self._is_alive(pod):
            return
        else:
            end = {
                "exitCode": 137,
                "reason": "ContainerStatusUnknown",
                "message": "",
                "finished": time.time(),
            }
        self._reap(pod)
        status, container = pod["status"], pod["spec"]["containers"][0]["name"]
        finished = datetime.fromtimestamp(end["finished"], UTC).isoformat()
        ended = {"exitCode": end["exitCode"], "reason": end["reason"], "finishedAt": finished}
        lines = self.log(pod).decode(errors="replace").splitlines()[-5:] if end["exitCode"] else []
        ended |= {"startedAt": status["startTime"], "message": end["message"] or "\n".join(lines)}
        status["containerStatuses"] = [{"name": container, "state": {"terminated": ended}}]
        is_failed = end["exitCode"] or "reason" in status
        status["phase"] = "Failed" if is_failed else "Succeeded"
        self.save("pods", pod)

    def fail_pod(self, pod: dict, reason: str, message: str) -> None:
        """End a pod as a node under pressure does."""
        if "reason" not in pod["status"]:
            pod["status"] |= {"reason": reason, "message": message}
            self._signal(pod)
            self.save("pods", pod)

    def delete_pod(self, pod: dict) -> None:
        if "deletionTimestamp" not in pod["metadata"]:
            pod["metadata"]["deletionTimestamp"] = now()
            self._signal(pod)
            self.save("pods", pod)

    def log(self, pod: dict) -> bytes:
        path = self.pod_folder(pod) / "log"
        return path.read_bytes() if path.exists() else b""

    def pod_folder(self, pod: dict) -> Path:
        return self.folder / "pods" / pod["metadata"]["uid"]

    def _signal(self, pod: dict) -> None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self.pod_folder(pod) / "pid").read_text()), signal.SIGTERM)

    def _is_alive(self, pod: dict) -> bool:
        self._reap(pod)
        pid = (self.pod_folder(pod) / "pid").read_text()
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except (OSError, IndexError):
            return (self.pod_folder(pod) / "end.json").exists()

    def _reap(self, pod: dict) -> None:
        if shim := self._shims.get(pod["metadata"]["uid"]):
            shim.poll()

    def _environment(self, pod: dict, container: dict) -> dict[str, str]:
        found = {}
        if _INDEX in pod["metadata"]["annotations"]:
            found["JOB_COMPLETION_INDEX"] = pod["metadata"]["annotations"][_INDEX]
        for entry in container.get("env", []):
            found[entry["name"]] = self._value(pod, entry)
        return found

    def _value(self, pod: dict, entry: dict) -> str:
        source = entry.get("valueFrom", {})
        if reference := source.get("secretKeyRef"):
            secret = self.objects["secrets", pod["metadata"]["namespace"], reference["name"]]
            return base64.b64decode(secret["data"][reference["key"]]).decode()
        if field := source.get("fieldRef"):
            name = field["fieldPath"].split("['")[1].removesuffix("']")
            return pod["metadata"]["annotations"][name]
        return entry["value"]

    def _missing_secret(self, pod: dict) -> str:
        for entry in pod["spec"]["containers"][0].get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference and ("secrets", pod["metadata"]["namespace"], reference["name"]) not in self.objects:
                return str(reference["name"])
        return ""


def now() -> str:
    return datetime.now(UTC).isoformat()


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def quantity(text: str) -> float:
    for unit, factor in _UNITS.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)


def _asked(pod: dict) -> dict[str, float]:
    asked = pod["spec"]["containers"][0].get("resources", {}).get("requests", {})
    return {k: quantity(v) for k, v in asked.items()}


def _expanded(text: str, variables: dict[str, str], pod: dict) -> str:
    """Put values in place of ``$(NAME)``, and do what a cluster's DNS does for pods of a headless service."""
    for name, value in variables.items():
        text = text.replace(f"$({name})", value)
    if service := pod["spec"].get("subdomain"):
        text = re.sub(rf"[a-z0-9-]+-\d+\.{service}\b", "127.0.0.1", text)
    return text


def _finished(job: dict) -> bool:
    return any(c["type"] in ("Complete", "Failed") for c in job["status"].get("conditions", []))


def _condition(kind: str, reason: str, message: str, status: str = "True") -> dict:
    words = {"type": kind, "status": status, "reason": reason, "message": message}
    return {**words, "lastTransitionTime": now()}


def _without_times(value: object) -> str:
    if isinstance(value, list):
        value = [{k: v for k, v in item.items() if k != "lastTransitionTime"} for item in value]
    return json.dumps(value)
