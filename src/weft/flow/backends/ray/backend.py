"""The five methods of a backend, on a Ray cluster."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Iterable
from typing import Any

from weft.core import UnavailableError, UserError, digest_bytes, to_json, to_plain
from weft.flow.backends.base import AttemptSpec, AttemptState, Status
from weft.flow.backends.marks import ask_stop, find_begun, is_stop_asked
from weft.flow.backends.ray.driver import Driver
from weft.flow.backends.ray.keeper import Order, keeper_name
from weft.flow.backends.ray.settings import NAME, RaySettings
from weft.flow.store import Store
from weft.flow.worker import AttemptResult, keep_result, read_log, read_result

_LOOK_EVERY_S = 0.1
_LOST = "its machine left the cluster, or Ray ended what kept it"


class RayBackend:
    """Runs each worker under a detached actor of its own name, which Ray makes once however often asked.

    Args:
        store: Where specifications go, and where workers leave ends and logs; the cluster must reach it too.
        settings: Where the cluster is.

    Raises:
        UserError: ``EXT001`` without the package, at the first call that needs the cluster.
    """

    def __init__(self, store: Store, settings: RaySettings | None = None) -> None:
        self._store = store
        self._settings = settings or RaySettings()

    @property
    def name(self) -> str:
        """Return ``ray``."""
        return NAME

    def render(self, spec: AttemptSpec) -> str:
        """Write the actors that `start` would ask for, as JSON; the cluster is not asked."""
        return json.dumps(self._request(spec), indent=2)

    def start(self, spec: AttemptSpec) -> None:
        """Ask for the actors of an attempt; those that are there already stay as they are.

        Raises:
            UserError: ``FLOW095`` for a secret of Kubernetes, ``FLOW098`` for what no machine can hold.
        """
        request = self._request(spec)
        if read_result(self._store, spec.id) is not None or is_stop_asked(self._store, spec.id):
            return
        if self._settings.is_fixed:
            self._check_fits(spec, request["resources"])
        self._store.put_bytes(_written(spec))
        self._driver.ask("start", **request)

    def status(self, ids: Iterable[str]) -> dict[str, Status]:
        """Return how attempts are: one question to the cluster for all of them, the rest is in the store."""
        wanted = list(ids)
        names = self._names() if wanted else set()
        found = {i: self._status(i, names) for i in wanted}
        if lost := [i for i in wanted if found[i] is None]:
            # What began after the names were asked for is not lost.
            names = self._names()
            found |= {i: self._status(i, names) for i in lost}
        return {i: s or Status(AttemptState.FAILED, _LOST, "FLOW096") for i, s in found.items()}

    def logs(self, id: str, offset: int = 0) -> bytes:
        """Return what an attempt wrote: from its first worker while it runs, afterwards from the store."""
        if read_result(self._store, id) is None:
            text: str = self._driver.ask("log", id=id, offset=offset, namespace=self._settings.namespace)
            if text:
                return text.encode("latin-1")
        return read_log(self._store, id, offset)

    def stop(self, id: str) -> None:
        """End an attempt's workers with all they started.

        Raises:
            UnavailableError: ``FLOW097`` when the cluster does not end them in time.
        """
        state = self.status([id])[id].state
        if state.is_ended or state is AttemptState.UNKNOWN:
            return
        ask_stop(self._store, id)
        nodes = self._num_nodes(id, self._names())
        limit_s = self._settings.grace_s + 20
        left = self._driver.ask(
            "stop",
            id=id,
            nodes=nodes,
            begun=self._begun(id, nodes),
            patience_s=limit_s,
            namespace=self._settings.namespace,
            limit_s=limit_s + 20,
        )
        # One that began at this moment lost its keeper, and ends its program by itself.
        until = time.monotonic() + limit_s
        while any(read_result(self._store, id, rank) is None for rank in self._begun(id, nodes)):
            if left or time.monotonic() > until:
                raise _still_there(id)
            time.sleep(_LOOK_EVERY_S)
        if read_result(self._store, id) is None:
            keep_result(self._store, AttemptResult(id, AttemptState.STOPPED, "stopped"))

    # Inside

    @functools.cached_property
    def _driver(self) -> Driver:
        return Driver(self._settings)

    def _names(self) -> set[str]:
        return set(self._driver.ask("names", namespace=self._settings.namespace))

    def _request(self, spec: AttemptSpec) -> dict[str, Any]:
        for variable, reference in spec.secrets.items():
            if reference.startswith("k8s:"):
                raise UserError(
                    "FLOW095",
                    f"the secret of {variable}, {reference}, cannot be given to a worker on Ray.",
                    "write env:NAME or file:/path, as its machines have it.",
                )
        digest, settings = digest_bytes(_written(spec)), self._settings
        where = (spec.store, digest, settings.variables, settings.grace_s)
        orders = [Order(spec.id, rank, spec.nodes, *where) for rank in range(spec.nodes)]
        resources: dict[str, float] = {"CPU": spec.resources.threads, "memory": spec.resources.memory_bytes}
        if spec.resources.gpus:
            resources["GPU"] = spec.resources.gpus
        return {
            "orders": [to_plain(o) for o in orders],
            "resources": {**resources, **settings.resources},
            "placement": settings.placement,
            "namespace": settings.namespace,
        }

    def _check_fits(self, spec: AttemptSpec, wanted: dict[str, float]) -> None:
        machines = self._driver.ask("machines")
        if any(all(m.get(k, 0) >= v for k, v in wanted.items()) for m in machines):
            return
        most = {k: max((m.get(k, 0) for m in machines), default=0) for k in wanted}
        raise UserError(
            "FLOW098",
            f"node '{spec.node.name}' asks for {_words(wanted)} on one machine, and no machine of the "
            f"cluster has that: the most are {_words(most)}.",
            "ask for less, add such a machine, or set is_fixed to false where machines are added on demand.",
        )

    def _status(self, id: str, names: set[str]) -> Status | None:
        """Say how an attempt is; None when it began and nobody knows of it any more."""
        nodes = self._num_nodes(id, names)
        results = [read_result(self._store, id, rank) for rank in range(nodes)]
        live = [rank for rank in range(nodes) if keeper_name(id, rank) in names]
        if busy := [rank for rank in live if results[rank] is None]:
            return self._under_way(id, busy)
        failed = next((r for r in results if r is not None and r.state is AttemptState.FAILED), None)
        if (told := failed or results[0]) is not None:
            is_unasked = told.state is AttemptState.STOPPED and not is_stop_asked(self._store, id)
            return Status(AttemptState.FAILED, _LOST, "FLOW096") if is_unasked else told.status
        if is_stop_asked(self._store, id):
            return Status(AttemptState.STOPPED, "stopped")
        return None if self._begun(id, nodes) else Status(AttemptState.UNKNOWN)

    def _under_way(self, id: str, busy: list[int]) -> Status:
        begun = [find_begun(self._store, id, rank) for rank in busy]
        starts = [b.started_us for b in begun if b is not None]
        if len(starts) < len(begun):
            many = f": {len(begun) - len(starts)} of {len(begun)} workers" if len(begun) > 1 else ""
            return Status(
                AttemptState.PENDING, f"waits for a machine with the CPUs, memory and GPUs it needs{many}"
            )
        return Status(AttemptState.RUNNING, started_us=min(starts))

    def _num_nodes(self, id: str, names: set[str]) -> int:
        begun = find_begun(self._store, id, 0)
        if begun is not None:
            return int(begun.nodes)
        ranks = [n.removeprefix(f"{id}.") for n in names if n.startswith(f"{id}.")]
        return 1 + max((int(r) for r in ranks if r.isdigit()), default=0)

    def _begun(self, id: str, nodes: int) -> list[int]:
        return [rank for rank in range(nodes) if find_begun(self._store, id, rank) is not None]


def _written(spec: AttemptSpec) -> bytes:
    return to_json(spec).encode()


def _words(resources: dict[str, float]) -> str:
    shown = {
        k: f"{v / 1e9:.1f} GB of memory" if k == "memory" else f"{v:g} {k}" for k, v in resources.items()
    }
    return ", ".join(shown.values())


def _still_there(id: str) -> UnavailableError:
    return UnavailableError(
        "FLOW097",
        f"attempt {id} was told to stop, and its workers did not end in time.",
        "look at their machines, then stop it again.",
    )
