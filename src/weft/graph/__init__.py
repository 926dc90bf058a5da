"""The graph engine: prepared tables as a graph on disk, and time-correct neighborhoods from it."""

from weft.graph.loader import Loader

__all__ = ["Loader"]
