"""From a snapshot and a schema to the prepared tables that every later stage reads."""

from weft.data.prepare.build import PreparedInfo, TableCounts, prepare_tables
from weft.data.prepare.links import LinkCounts

__all__ = ["LinkCounts", "PreparedInfo", "TableCounts", "prepare_tables"]
