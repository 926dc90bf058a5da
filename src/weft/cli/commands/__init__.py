"""One module per group of commands; importing this package registers them all."""

from weft.cli.commands import (
    applications,
    artifacts,
    fitting,
    hub,
    projects,
    queries,
    runs,
    schedules,
    store,
    tables,
    workspaces,
)

__all__ = [
    "applications",
    "artifacts",
    "fitting",
    "hub",
    "projects",
    "queries",
    "runs",
    "schedules",
    "store",
    "tables",
    "workspaces",
]
