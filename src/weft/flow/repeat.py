"""Nodes of a run that are to be made anew: which follow from one, and how the run lets go of what it made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from weft.core import UserError
from weft.flow.plan import Plan
from weft.flow.record import look_up
from weft.flow.store import Store


def with_followers(plan: Plan, node: str) -> frozenset[str]:
    """Return a node and all that need it, directly or not.

    Raises:
        UserError: ``FLOW009`` when the plan has no such node.
    """
    found = {plan.node(node).name}
    for other in plan.order:
        if found & set(other.inputs.values()):
            found.add(other.name)
    return frozenset(found)


def forget_results(store: Store, run: str, nodes: Iterable[str], keys: Mapping[str, str]) -> None:
    """Let go of what a run itself made for some nodes, so that it makes them again.

    The content stays as long as another run names it. What other runs made is let be: a run that repeats a
    node passes that over by itself.

    Args:
        store: Where results are kept.
        run: Name of the run.
        nodes: Names of the nodes; those that they have grown belong to them.
        keys: Node → key of its result.
    """
    wanted = tuple(nodes)
    for node, key in keys.items():
        if node in wanted or any(node.startswith(f"{name}/") for name in wanted):
            found = look_up(store, key)
            if found.record is not None and found.record.run == run:
                store.delete_ref(f"nodes/{key}")


def keys_of_run(store: Store, run: str) -> dict[str, str]:
    """Return the keys of the nodes that a named run reached, as its record tells; empty without one."""
    try:
        digest = store.get_ref(f"runs/{run}")
        nodes = store.get_linked(digest)["nodes"] if digest else {}
    except UserError:
        return {}
    return {name: entry["key"] for name, entry in nodes.items()}
