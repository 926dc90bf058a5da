"""From a FOLDER argument to a graph: a project folder, or a source with a project beside it."""

from __future__ import annotations

from pathlib import Path

from weft.project import SETTINGS_FILE, Graph, connect, open_project


def open_graph(
    folder: str,
    project: str | None,
    memory_limit: str | None = None,
    threads: int | None = None,
    backend: str = "inline",
) -> Graph:
    """Open ``folder`` as a project when it holds ``weft.yaml``, else as a source with a project beside it."""
    if project is None and (Path(folder) / SETTINGS_FILE).exists():
        return open_project(folder, memory_limit=memory_limit, threads=threads, backend=backend)
    limits = {"memory_limit": memory_limit, "threads": threads, "backend": backend}
    return connect(folder, project=project or ".", **limits).graph()
