"""Plan and Node: everything that runs, as frozen data."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from weft.core import Resources, UserError, digest_value, from_plain, to_json


@dataclass(frozen=True)
class Node:
    """One step of a Plan.

    Attributes:
        name: Unique in its plan, such as ``labels`` or ``candidate[3]``.
        program: ``module:function`` of the program that does the work, or the name of one that
            is registered in the entry point group ``weft.programs``.
        version: Version of the program's code; a change makes the node run again.
        parameters: Plain JSON values; part of the key.
        inputs: Input name → name of the node whose output it is.
        digests: Input name → digest of content that comes from outside the plan; part of the key.
        hints: Plain values that the program needs but that do not change its result (a folder to
            read from, whose content ``digests`` names). Not part of the key.
        resources: Limits for the program; not part of the key. Without them the node takes its
            share of what is free when it starts.
        needs: ``module:function`` that estimates from a `weft.flow.needs.Reading` what the node needs; a
            backend is asked for that instead of ``resources``.
        retries: How often a failed attempt is tried again.
        timeout_s: Limit for one attempt.
        variables: Environment variables of the program. Like what follows, not part of the key: what changes
            a result belongs into ``parameters``, ``version`` or ``digests``.
        secrets: Environment variable → where its value is looked up when the program starts (``env:NAME``,
            ``file:/path``, ``k8s:name/key``).
        image: Container image, where the backend has containers.
        nodes: Number of workers that work on it together and find each other.

    Raises:
        UserError: ``FLOW004`` for an empty name, a negative number of retries, a limit that is
            not positive, or values that are not plain JSON.
    """

    name: str
    program: str
    version: str = "1"
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    hints: dict[str, Any] = field(default_factory=dict)
    resources: Resources | None = None
    needs: str | None = None
    retries: int = 0
    timeout_s: float | None = None
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    image: str | None = None
    nodes: int = 1

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise _bad_node(self, "its name is empty", "give every node a name")
        if not self.program.strip():
            raise _bad_node(self, "it names no program", "write its program as module:function")
        if self.retries < 0:
            raise _bad_node(self, f"retries is {self.retries}", "give 0 or more")
        if self.nodes < 1:
            raise _bad_node(self, f"nodes is {self.nodes}", "give 1 or more")
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise _bad_node(self, f"timeout_s is {self.timeout_s}", "give a positive number of seconds")
        for what in ("parameters", "hints", "variables", "secrets"):
            try:
                json.dumps(getattr(self, what))
            except (TypeError, ValueError) as error:
                raise _bad_node(
                    self, f"its {what} are not plain JSON ({error})", "use plain values"
                ) from None


@dataclass(frozen=True)
class Plan:
    """An immutable DAG of nodes; ``name`` groups runs so that a miss can be explained.

    Raises:
        UserError: ``FLOW001`` for two nodes of one name, ``FLOW002`` for an input that no node
            makes, ``FLOW003`` for nodes that wait for each other in a circle.
    """

    name: str
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        names = [n.name for n in self.nodes]
        twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise UserError(
                "FLOW001",
                f"plan '{self.name}' has more than one node named {_quoted(twice)}.",
                "give each node a name of its own.",
            )
        known = set(names)
        for node in self.nodes:
            for label, source in node.inputs.items():
                if source not in known:
                    raise UserError(
                        "FLOW002",
                        f"input '{label}' of node '{node.name}' is the output of '{source}', "
                        f"which is not in plan '{self.name}'.",
                        f"add a node '{source}', or name one of {_quoted(sorted(known))}.",
                    )
        self.order  # noqa: B018  (a circle is refused when the plan is made)

    @functools.cached_property
    def order(self) -> tuple[Node, ...]:
        """The nodes so that each comes after its inputs; ties stay in the plan's order."""
        unmet = {n.name: set(n.inputs.values()) for n in self.nodes}
        followers: dict[str, list[Node]] = {n.name: [] for n in self.nodes}
        for node in self.nodes:
            for source in unmet[node.name]:
                followers[source].append(node)
        ordered = [n for n in self.nodes if not unmet[n.name]]
        for node in ordered:
            for follower in followers[node.name]:
                unmet[follower.name].discard(node.name)
                if not unmet[follower.name]:
                    ordered.append(follower)
        if len(ordered) < len(self.nodes):
            done = {n.name for n in ordered}
            raise UserError(
                "FLOW003",
                f"in plan '{self.name}' these nodes wait for each other: "
                f"{_quoted(_circle({n: s for n, s in unmet.items() if n not in done}))}.",
                "remove one of these inputs.",
            )
        return tuple(ordered)

    def node(self, name: str) -> Node:
        """Return the node called ``name``."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise UserError(
            "FLOW009",
            f"plan '{self.name}' has no node '{name}'.",
            f"choose one of {_quoted(sorted(n.name for n in self.nodes))}.",
        )

    def needed_for(self, targets: Iterable[str]) -> tuple[Node, ...]:
        """Return the nodes that ``targets`` need, themselves included, in `order`."""
        wanted, todo = set(), [self.node(t).name for t in targets]
        inputs = {n.name: n.inputs.values() for n in self.nodes}
        while todo:
            name = todo.pop()
            if name not in wanted:
                wanted.add(name)
                todo.extend(inputs[name])
        return tuple(n for n in self.order if n.name in wanted)

    @property
    def digest(self) -> str:
        """SHA-256 of the plan's canonical JSON."""
        return digest_value(self)

    def to_json(self) -> str:
        """Write the plan as canonical JSON."""
        return to_json(self)

    @staticmethod
    def from_json(text: str | bytes) -> Plan:
        """Read what `to_json` wrote.

        Raises:
            UserError: ``FLOW005`` when the text is not a plan.
        """
        try:
            return from_plain(Plan, json.loads(text))
        except UserError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(
                "FLOW005",
                f"this is not a plan: {error}.",
                "give the JSON that Plan.to_json wrote.",
            ) from None


def _circle(unmet: dict[str, set[str]]) -> list[str]:
    """Walk back along unmet inputs until a name comes again."""
    path = [min(unmet)]
    while True:
        source = min(s for s in unmet[path[-1]] if s in unmet)
        if source in path:
            return [*path[path.index(source) :], source][::-1]
        path.append(source)


def _quoted(names: list[str]) -> str:
    shown = ", ".join(f"'{n}'" for n in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _bad_node(node: Node, what: str, advice: str) -> UserError:
    return UserError("FLOW004", f"node '{node.name}' is not valid: {what}.", f"{advice}.")
