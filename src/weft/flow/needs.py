"""What a node asks a backend for, estimated from what it is about to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from weft.core import Resources
from weft.flow.events import Output
from weft.flow.plan import Node
from weft.flow.program import find_program


@dataclass(frozen=True)
class Reading:
    """What a node is about to read.

    Attributes:
        parameters: Of the node.
        inputs: Input label → output.
        most: What the run may use.
    """

    parameters: Mapping[str, Any]
    inputs: Mapping[str, Output]
    most: Resources


def estimate_needs(node: Node, reading: Reading) -> Resources | None:
    """Ask the function that a node names what it needs; what it states where it names none.

    Raises:
        UserError: ``FLOW006`` when there is no such function.
    """
    if not node.needs:
        return node.resources
    estimate: Callable[[Reading], Resources] = find_program(node.needs)
    return estimate(reading)
