"""PQL023: a plain column of a table that the row at hand does not point to."""

from __future__ import annotations

from weft.pql.paths import tables_above
from weft.pql.printer import format_column
from weft.pql.scope import Clause, Scope
from weft.pql.syntax import ColumnName, ColumnTerm

CODE = "PQL023"


def check_reaches(scope: Scope, term: ColumnTerm) -> None:
    """Refuse a column of a table that no foreign key of the row at hand leads to."""
    table, row = term.name.table, scope.row_table
    if table in tables_above(scope.schema, row):
        return
    text = format_column(term.name)
    if row not in tables_above(scope.schema, table):
        hint = f"use a column of {row}, or of a table that its foreign keys lead to."
    elif scope.is_inside_aggregate:
        hint = f"aggregate {table} itself, with the condition after its own WHERE."
    else:
        hint = f"put it into an aggregate over {table}, as in {_example(scope, term)}."
    raise scope.fault(
        CODE,
        term.span,
        f"a row of table '{row}' has no single {text}: its foreign keys do not lead there.",
        hint,
    )


def _example(scope: Scope, term: ColumnTerm) -> str:
    text = format_column(term.name)
    if scope.clause is Clause.TARGET:
        return f"LAST({text}, 0, 30, days)"
    window = "-30, 0" if scope.clause is Clause.WHERE else "0, 30"
    return f"COUNT({format_column(ColumnName(term.name.table, None))} WHERE {text} = …, {window}, days) > 0"
