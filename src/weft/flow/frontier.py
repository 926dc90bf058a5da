"""Which nodes may run by now: those whose inputs are there."""

from __future__ import annotations

from collections.abc import Container, Iterable

from weft.flow.plan import Node


class Frontier:
    """Keeps for each node what it still waits for; every input costs the same in a plan of any size."""

    def __init__(self) -> None:
        self._unmet: dict[str, set[str]] = {}
        self._followers: dict[str, list[Node]] = {}
        self._ready: list[Node] = []

    def add(self, nodes: Iterable[Node], known: Container[str]) -> None:
        """Let ``nodes`` wait for all their inputs that are not ``known``."""
        for node in nodes:
            unmet = {source for source in node.inputs.values() if source not in known}
            if not unmet:
                self._ready.append(node)
                continue
            self._unmet[node.name] = unmet
            for source in unmet:
                self._followers.setdefault(source, []).append(node)

    def meet(self, name: str) -> None:
        """Tell that the output of the node called ``name`` is there."""
        for node in self._followers.pop(name, ()):
            unmet = self._unmet[node.name]
            unmet.discard(name)
            if not unmet:
                del self._unmet[node.name]
                self._ready.append(node)

    def take_ready(self) -> list[Node]:
        """Return the nodes that may run and were not returned before."""
        ready, self._ready = self._ready, []
        return ready
