"""PQL013: the column after FOR is not the primary key of its table."""

from __future__ import annotations

from weft.core import Column
from weft.pql.rules.composite_key import check_single_key
from weft.pql.rules.star_outside_count import check_no_star
from weft.pql.rules.unknown_column import check_column
from weft.pql.rules.unknown_table import check_table
from weft.pql.scope import Scope
from weft.pql.syntax import ColumnName

CODE = "PQL013"


def check_entity(scope: Scope, name: ColumnName) -> Column:
    """Refuse an entity that is not a table's primary key of one column."""
    table = check_table(scope, name)
    check_no_star(scope, name)
    column = check_column(scope, name)
    check_single_key(scope, table, name)
    if table.primary_key == (name.column,):
        return column
    if not table.primary_key:
        hint = f"set tables.{table.name}.primary_key in weft.yaml, or predict for a table that has one."
    else:
        hint = f"write FOR EACH {table.name}.{table.primary_key[0]}."
    message = f"column '{name.column}' is not the primary key of table '{table.name}'."
    raise scope.fault(CODE, name.span, message, hint)
