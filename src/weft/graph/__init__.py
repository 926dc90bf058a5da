"""The graph engine: prepared tables as a graph on disk, and time-correct neighborhoods from it."""

__all__: list[str] = []
