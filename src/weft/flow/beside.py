"""A node's program run beside another process, which keeps the result."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from weft.core import Resources
from weft.flow.attempt import Ending, Job, assist
from weft.flow.events import Event, Output
from weft.flow.plan import Node
from weft.flow.record import Parts
from weft.flow.store import Store


def run_beside(node: Node, inputs: Mapping[str, Output], store: Store, share: Resources, *, run: str) -> None:
    """Run a node's program; what it makes here is not kept.

    Args:
        node: What to run.
        inputs: Input label → output.
        store: Where inputs are.
        share: What the program may use.
        run: Names the folder of its log.

    Raises:
        WeftError: What the program raised; ``FLOW007`` around anything else.
    """
    endings: list[Ending] = []

    def note(message: Event | Ending) -> None:
        if isinstance(message, Ending):
            endings.append(message)

    parts = Parts.of(node, dict(inputs))
    assist(Job(node, parts, parts.key, "", dict(inputs), share, run, 0.0, threading.Event()), store, note)
    if (error := endings[0].error) is not None:
        raise error
