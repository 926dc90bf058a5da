"""What a Job and its pods say of an attempt, in one Status with a reason in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from weft.flow.backends.base import AttemptState, Status

Plain = dict[str, Any]
_KILLED = "FLOW096"
_WAITING = {
    "ContainerCreating": "its container is being made",
    "PodInitializing": "its container is being made",
}


def status_of(job: Plain, pods: Sequence[Plain]) -> Status:
    """Return how an attempt is, by what the cluster knows.

    A Job that ended well says that every worker left with 0; whether the result is in the store is the
    worker's word. One that is being deleted runs until its last pod is gone.
    """
    conditions = {c["type"]: c for c in job["status"].get("conditions") or [] if c.get("status") == "True"}
    times = _times(job, pods)
    busy = [p for p in pods if p["status"].get("phase") in ("Pending", "Running", "Unknown")]
    if "deletionTimestamp" in job["metadata"]:
        state = AttemptState.RUNNING if pods else AttemptState.STOPPED
        return Status(state, "is being stopped" if pods else "its job was deleted", **times)
    if "Complete" in conditions:
        return Status(AttemptState.SUCCEEDED, exit_code=0, **times)
    if "Failed" in conditions and not busy:
        return _failure(conditions["Failed"], pods, times)
    if "Suspended" in conditions:
        queue = job["metadata"].get("labels", {}).get("kueue.x-k8s.io/queue-name")
        return Status(AttemptState.PENDING, f"waits in queue {queue}" if queue else "its job is suspended")
    return _under_way(pods, times)


def _under_way(pods: Sequence[Plain], times: Plain) -> Status:
    if failed := [p for p in pods if p["status"].get("phase") == "Failed"]:
        return Status(
            AttemptState.RUNNING, f"{_why(failed[0])[0]}; what is left of it is being stopped", **times
        )
    waiting = [w for p in pods if (w := _waits_for(p))]
    if waiting or not pods:
        return Status(AttemptState.PENDING, waiting[0] if waiting else "waits for its pods to be made")
    return Status(AttemptState.RUNNING, **times)


def _waits_for(pod: Plain) -> str:
    """Return why a pod has not begun; empty when it has."""
    if pod["status"].get("phase") not in (None, "Pending"):
        return ""
    for state in _container_states(pod):
        if waiting := state.get("waiting"):
            reason = waiting.get("reason", "")
            return _WAITING.get(reason) or ": ".join(t for t in (reason, waiting.get("message")) if t)
    for condition in pod["status"].get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return ": ".join(t for t in (condition.get("reason"), condition.get("message")) if t)
    return "waits for a machine"


def _failure(condition: Plain, pods: Sequence[Plain], times: Plain) -> Status:
    for pod in sorted(pods, key=_rank_of_blame):
        if pod["status"].get("phase") == "Failed":
            reason, exit_code, code = _why(pod)
            return Status(AttemptState.FAILED, reason, code, exit_code, **times)
    words = ": ".join(t for t in (condition.get("reason"), condition.get("message")) if t)
    return Status(AttemptState.FAILED, words or "its job failed", _KILLED, **times)


def _rank_of_blame(pod: Plain) -> tuple[bool, str]:
    """Order pods so that one that failed by itself comes before those ended because of it."""
    return ("deletionTimestamp" in pod["metadata"], _ended_at(pod) or "~")


def _why(pod: Plain) -> tuple[str, int | None, str]:
    """Return reason, exit code and error code of a pod that failed."""
    ended: Plain = next((s["terminated"] for s in _container_states(pod) if "terminated" in s), {})
    exit_code = ended.get("exitCode")
    own = pod["status"].get("reason")  # the node's or the cluster's word: Evicted, DeadlineExceeded, Shutdown
    if own:
        return f"{own}: {pod['status'].get('message', '').rstrip('.')}", exit_code, _KILLED
    words = f"exit code {exit_code}"
    if ended.get("reason") == "OOMKilled":
        return f"{words}: OOMKilled, it needed more memory than it was given", exit_code, _KILLED
    if ended.get("reason") not in (None, "Error", "Completed"):
        words += f": {ended['reason']}"
    last = (ended.get("message") or "").strip().splitlines()[-1:]
    return ": ".join([words, *last]), exit_code, _KILLED if (exit_code or 0) > 128 else ""


def _container_states(pod: Plain) -> list[Plain]:
    return [c.get("state") or {} for c in pod["status"].get("containerStatuses") or []]


def _times(job: Plain, pods: Sequence[Plain]) -> Plain:
    starts = [
        s[k]["startedAt"] for p in pods for s in _container_states(p) for k in s if s[k].get("startedAt")
    ]
    ends = [job["status"].get("completionTime"), *(_ended_at(p) for p in pods)]
    is_over = bool({c["type"] for c in job["status"].get("conditions") or []} & {"Complete", "Failed"})
    return {
        "started_us": min(map(_micros, starts), default=None),
        "ended_us": max((_micros(e) for e in ends if e), default=None) if is_over else None,
    }


def _ended_at(pod: Plain) -> str:
    ends = [s["terminated"].get("finishedAt") or "" for s in _container_states(pod) if "terminated" in s]
    return max(ends, default="")


def _micros(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1_000_000)
