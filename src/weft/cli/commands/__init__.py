"""One module per group of commands; importing this package registers them all."""

from weft.cli.commands import fitting, projects, queries, runs, store, tables

__all__ = ["fitting", "projects", "queries", "runs", "store", "tables"]
