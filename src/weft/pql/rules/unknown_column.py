"""PQL014: a column that its table does not have."""

from __future__ import annotations

from weft.core import Column
from weft.pql.faults import list_names, suggest
from weft.pql.scope import Scope
from weft.pql.syntax import ColumnName

CODE = "PQL014"


def check_column(scope: Scope, name: ColumnName) -> Column:
    """Refuse a column that is not in its table, which exists."""
    table = scope.schema.table(name.table)
    assert name.column is not None
    if name.column in table:
        return table.column(name.column)
    columns = [c.name for c in table.columns]
    guess = suggest(name.column, columns) or _elsewhere(scope, name)
    raise scope.fault(
        CODE,
        name.span,
        f"column '{name.column}' is not in table '{name.table}'.",
        f"{guess}Columns of {name.table}: {list_names(columns)}.",
    )


def _elsewhere(scope: Scope, name: ColumnName) -> str:
    tables = [t.name for t in scope.schema.tables if name.column is not None and name.column in t]
    return f"'{name.column}' is a column of {list_names(tables)}. " if tables else ""
