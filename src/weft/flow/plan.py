"""Plan and Node: everything that runs, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from weft.core import Resources


@dataclass(frozen=True)
class Node:
    """One step of a Plan.

    Attributes:
        name: Unique in its plan, such as ``labels`` or ``candidate[3]``.
        program: ``module:function`` of the program that does the work.
        version: Version of the program's code; a change makes the node run again.
        parameters: Plain JSON values; part of the key.
        inputs: Input name → name of the node whose output it is.
        digests: Input name → digest of content that comes from outside the plan; part of the key.
        hints: Plain values that the program needs but that do not change its result (a folder to
            read from, whose content ``digests`` names). Not part of the key.
        resources: Limits for the program; not part of the key.
        retries: How often a failed attempt is tried again.
        timeout_s: Limit for one attempt.
    """

    name: str
    program: str
    version: str = "1"
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    hints: dict[str, Any] = field(default_factory=dict)
    resources: Resources | None = None
    retries: int = 0
    timeout_s: float | None = None


@dataclass(frozen=True)
class Plan:
    """An immutable DAG of nodes; ``name`` groups runs so that a miss can be explained."""

    name: str
    nodes: tuple[Node, ...]
