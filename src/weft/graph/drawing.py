"""What a sampler asks of a store, whether its rows are here or elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from weft.graph.layout import Layout

Array = np.ndarray[Any, Any]
Step = tuple[int, bool, int, int, int]


@dataclass(frozen=True)
class Walk:
    """A sampling in numbers: steps (link, toward parent, choice, fanout, span) per hop, tables by index."""

    hops: tuple[tuple[Step, ...], ...]
    crossed: tuple[int, ...]
    gathered: tuple[int, ...]
    is_shared: bool


@dataclass(slots=True)
class Seeds:
    """Seeds of one call: rows with anchors, and edges (link, child row, seed or ALL) not to walk."""

    table: int
    rows: Array
    anchors_us: Array
    excluded_links: Array
    excluded_rows: Array
    excluded_seeds: Array
    seed: int
    epoch: int


Draw = Callable[[Seeds], Any]


class Drawable(Protocol):
    """A store that a sampler can draw from."""

    layout: Layout
    digest: str

    def index(self, table: str) -> int:
        """Return the position of a table in the layout."""
        ...

    def drawing(self, walk: Walk, threads: int) -> Draw:
        """Return what draws neighborhoods: ``(seeds, seed scopes, scope anchors, tables, edges)``."""
        ...
