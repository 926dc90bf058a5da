"""The process that speaks to Ray for a controller: ``python -P -m weft.flow.backends.ray.bridge``.

Ray's own driver ends the process it lives in when the head of its cluster is away for long, and fills it
with threads and signal handlers. A controller must outlive its cluster, so the driver has a process of its
own. Requests come as lines of JSON on stdin, answers leave on stdout; the end of stdin is the end of the
process.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from weft.core import from_plain
from weft.flow.backends.ray.actor import KeeperActor, names_in, ranks_of, remove_group
from weft.flow.backends.ray.keeper import Order, keeper_name

Plain = dict[str, Any]
_CONCURRENT = 8
_ANSWER_S = 10.0


def main() -> int:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    # What Ray prints must not stand between the answers.
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            answer = {"value": _CALLS[request.pop("call")](**request)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[-1]}"}
        answers.write(json.dumps(answer).encode() + b"\n")
    return 0


def connect(address: str | None, namespace: str) -> None:
    """Join a cluster that runs; never start one."""
    import ray

    ray.init(
        address=address or os.environ.get("RAY_ADDRESS") or "auto",
        namespace=namespace,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def machines() -> list[Plain]:
    """Return what each machine of the cluster has in all."""
    import ray

    return [dict(n["Resources"]) for n in ray.nodes() if n["Alive"]]


def start(orders: list[Plain], resources: Plain, placement: str, namespace: str) -> None:
    """Make the keepers of an attempt, unless they are there."""
    import ray

    actor = ray.remote(KeeperActor)
    group = _group(orders, resources, placement) if len(orders) > 1 else None
    for plain in orders:
        order = from_plain(Order, plain)
        options = {
            "name": keeper_name(order.id, order.rank),
            "namespace": namespace,
            "lifetime": "detached",
            "get_if_exists": True,
            "max_concurrency": _CONCURRENT,
            # A second life would run the node twice; the controller tries again instead.
            "max_restarts": 0,
            "num_cpus": resources["CPU"],
            "num_gpus": resources.get("GPU", 0),
            "memory": resources["memory"],
            "resources": {k: v for k, v in resources.items() if k not in ("CPU", "GPU", "memory")},
        }
        if group is not None:
            from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

            options["scheduling_strategy"] = PlacementGroupSchedulingStrategy(group, order.rank)
        actor.options(**options).remote(order, namespace)


def log(id: str, offset: int, namespace: str) -> str:
    """Return what a worker wrote; nothing when it has no machine yet."""
    import ray

    try:
        keeper = ray.get_actor(id, namespace)
        data: bytes = ray.get(keeper.log.remote(offset), timeout=_ANSWER_S)
    except (ValueError, ray.exceptions.RayError):
        return ""
    return data.decode("latin-1")


def stop(id: str, nodes: int, begun: list[int], patience_s: float, namespace: str) -> list[str]:
    """End the keepers of an attempt and wait until they are gone; return the names of those that stay."""
    import ray

    until = time.monotonic() + patience_s
    keepers = {}
    for rank in sorted(ranks_of(names_in(namespace), id, nodes)):
        with contextlib.suppress(ValueError):
            keepers[rank] = ray.get_actor(keeper_name(id, rank), namespace)
    # One that waits for a machine cannot answer.
    asked = [k.stop.remote() for rank, k in keepers.items() if rank in begun]
    ready, _ = ray.wait(asked, num_returns=len(asked), timeout=patience_s) if asked else ([], [])
    for answer in ready:
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(answer)
    for keeper in keepers.values():
        with contextlib.suppress(ray.exceptions.RayError):
            ray.kill(keeper)
    if nodes > 1:
        remove_group(id)
    while (left := ranks_of(names_in(namespace), id, nodes)) and time.monotonic() < until:
        time.sleep(0.05)
    return [keeper_name(id, rank) for rank in sorted(left)]


def _group(orders: list[Plain], resources: Plain, placement: str) -> Any:
    """Return the place of several workers, all of them or none, made once."""
    import ray

    name = orders[0]["id"]
    for _ in range(2):
        with contextlib.suppress(ValueError):
            return ray.util.get_placement_group(name)
        with contextlib.suppress(ValueError, ray.exceptions.RayError):
            bundles = [dict(resources) for _ in orders]
            return ray.util.placement_group(bundles, placement, name=name, lifetime="detached")
    return ray.util.get_placement_group(name)


_CALLS: dict[str, Callable[..., Any]] = {
    "connect": connect,
    "machines": machines,
    "names": names_in,
    "start": start,
    "log": log,
    "stop": stop,
}

if __name__ == "__main__":
    sys.exit(main())
