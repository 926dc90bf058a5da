"""From prepared tables to a graph on disk, whole or only what changed."""

from weft.graph.build.materialize import materialize

__all__ = ["materialize"]
