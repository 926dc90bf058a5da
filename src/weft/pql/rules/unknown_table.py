"""PQL010: a table that the schema does not have."""

from __future__ import annotations

from weft.core import Table
from weft.pql.faults import list_names, suggest
from weft.pql.query import Span
from weft.pql.scope import Scope
from weft.pql.syntax import ColumnName

CODE = "PQL010"


def check_table(scope: Scope, name: ColumnName) -> Table:
    """Refuse a table that is not in the schema."""
    if name.table in scope.schema:
        return scope.schema.table(name.table)
    tables = [t.name for t in scope.schema.tables]
    listed = f"Tables: {list_names(tables)}." if tables else "The schema has no table."
    span = Span(name.span.start, name.span.stop)
    raise scope.fault(
        CODE, span, f"there is no table '{name.table}'.", f"{suggest(name.table, tables)}{listed}"
    )
