"""Open the prepared tables of a graph for a look that is no node of a Plan."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from weft.compile import open_tables
from weft.data import Tables

if TYPE_CHECKING:
    from weft.project.graph import Graph


@contextlib.contextmanager
def open_outputs(graph: Graph) -> Iterator[Tables]:
    """Yield the prepared tables of ``graph``."""
    with tempfile.TemporaryDirectory(prefix="weft-") as scratch:
        project = graph.project
        with open_tables(graph.outputs["tables"], project.resources, Path(scratch)) as tables:
            yield tables
