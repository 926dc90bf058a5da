"""One module per group of commands; importing this package registers them all."""

from weft.cli.commands import applications, fitting, projects, queries, runs, store, tables, workspaces

__all__ = ["applications", "fitting", "projects", "queries", "runs", "store", "tables", "workspaces"]
