"""Nodes that return a plan: its nodes, under names and with inputs of the plan they become part of."""

from __future__ import annotations

import dataclasses
from typing import Any

from weft.core import UserError, from_plain
from weft.flow.plan import Node, Plan

PLAN, RESULT, SELF = "$plan", "$result", "$self"
_MAX_DEPTH = 20


def is_grown(value: dict[str, Any]) -> bool:
    """Return whether what a program returned is a plan to be run."""
    return PLAN in value


def grow(node: Node, value: dict[str, Any], depth: int) -> tuple[tuple[Node, ...], str]:
    """Return the nodes that follow from ``node``, and the name of the one whose output is its own.

    Args:
        node: What returned ``value``. Its inputs are called ``$label`` in the plan, what it made itself
            ``$self``.
        value: ``{"$plan": {"nodes": [...]}, "$result": name}``.
        depth: How many plans lie around this one.

    Raises:
        UserError: ``FLOW068`` when the plan is none, or lies too deep.
    """
    try:
        made = [from_plain(Node, plain) for plain in value[PLAN]["nodes"]]
        names, result = {n.name for n in made}, value[RESULT]
        inner = [{k: s for k, s in n.inputs.items() if not s.startswith("$")} for n in made]
        # What a plan must keep to is checked where every plan is.
        inside = [dataclasses.replace(n, inputs=i) for n, i in zip(made, inner, strict=True)]
        Plan(f"of node {node.name}", tuple(inside))
        outer = {f"${label}": source for label, source in node.inputs.items()} | {SELF: f"{node.name}/{SELF}"}
        grown = tuple(_renamed(n, node.name, outer) for n in made)
    except UserError as error:
        raise _refused(node, error.message.removesuffix("."), error.hint) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _refused(node, f"{type(error).__name__}: {error}") from None
    if result not in names:
        raise _refused(node, f"its {RESULT} is {result!r}, which is none of its nodes")
    if depth >= _MAX_DEPTH:
        raise _refused(node, f"it lies within {depth} others, which looks like a plan without end")
    return grown, f"{node.name}/{result}"


def _renamed(node: Node, parent: str, outer: dict[str, str]) -> Node:
    inputs = {k: outer[s] if s.startswith("$") else f"{parent}/{s}" for k, s in node.inputs.items()}
    return dataclasses.replace(node, name=f"{parent}/{node.name}", inputs=inputs)


def _refused(node: Node, reason: str, hint: str = "") -> UserError:
    return UserError(
        "FLOW068",
        f"node '{node.name}' returned a plan that cannot be run: {reason}.",
        hint or f'return {{"{PLAN}": {{"nodes": [...]}}, "{RESULT}": name}} with the nodes as plain data.',
    )
