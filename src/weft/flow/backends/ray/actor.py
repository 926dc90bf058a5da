"""A keeper as an actor of Ray: what it asks of the cluster while it runs."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from weft.flow.backends.ray.keeper import Keeper, Order, keeper_name

_FIND_S = 600.0


class KeeperActor(Keeper):
    """Lives until its worker has ended, whatever becomes of the process that made it.

    Args:
        order: What to run.
        namespace: Of the names of the attempt's keepers.
    """

    def __init__(self, order: Order, namespace: str) -> None:
        import ray

        self._namespace = namespace
        # Kept from here, since another thread has no context of its own.
        self._self = ray.get_runtime_context().current_actor
        address = ray.util.get_node_ip_address()
        super().__init__(order, address, self._find_master, self._ranks, self._depart)

    def _find_master(self) -> str:
        import ray

        first = ray.get_actor(keeper_name(self._order.id, 0), self._namespace)
        found: str = ray.get(first.master.remote(), timeout=_FIND_S)
        return found

    def _ranks(self) -> set[int]:
        return ranks_of(names_in(self._namespace), self._order.id, self._order.nodes)

    def _depart(self, is_last: bool) -> None:
        import ray

        if is_last and self._order.nodes > 1:
            remove_group(self._order.id)
        # Asked a little later, so that an answer to `stop` gets out.
        time.sleep(0.2)
        ray.kill(self._self)


def names_in(namespace: str) -> list[str]:
    """Return the names of all actors of a namespace, those that wait for a machine included."""
    import ray

    entries: list[Any] = ray.util.list_named_actors(all_namespaces=True)
    return [e["name"] for e in entries if e["namespace"] == namespace]


def ranks_of(names: list[str], id: str, nodes: int) -> set[int]:
    """Return the ranks of an attempt's keepers among ``names``."""
    known = set(names)
    return {rank for rank in range(nodes) if keeper_name(id, rank) in known}


def remove_group(id: str) -> None:
    """Give the machines of a group of workers back; what is left on them ends."""
    import ray

    with contextlib.suppress(ValueError):
        ray.util.remove_placement_group(ray.util.get_placement_group(id))
