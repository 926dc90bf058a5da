"""PQL015: a star stands for rows, so only COUNT and EXISTS take it."""

from __future__ import annotations

from weft.pql.query import AggregateName
from weft.pql.scope import Scope
from weft.pql.syntax import ColumnName, ColumnTerm

CODE = "PQL015"


def check_star(scope: Scope, aggregate: AggregateName, name: ColumnName) -> None:
    """Refuse a star in an aggregate other than COUNT."""
    if name.column is None and aggregate is not AggregateName.COUNT:
        raise scope.fault(
            CODE,
            name.span,
            f"{aggregate.value} needs a column, and {name.table}.* names none.",
            f"name the column, as in {aggregate.value}({_example(scope, name)}), or count rows with COUNT.",
        )


def check_no_star(scope: Scope, name: ColumnName) -> None:
    """Refuse a star where a column must stand."""
    if name.column is None:
        raise scope.fault(
            CODE,
            name.span,
            f"{name.table}.* is not a column.",
            f"name the column, as in {_example(scope, name)}; a star stands only in COUNT and EXISTS.",
        )


def check_exists_star(scope: Scope, term: ColumnTerm) -> None:
    """Refuse a column in EXISTS, which asks for rows."""
    if term.name.column is not None:
        raise scope.fault(
            CODE,
            term.name.span,
            f"EXISTS asks for rows, and {term.name.table}.{term.name.column} is a column.",
            f"write EXISTS({term.name.table}.*, …), and put conditions on the column after WHERE.",
        )


def _example(scope: Scope, name: ColumnName) -> str:
    columns = scope.schema.table(name.table).columns
    return f"{name.table}.{columns[0].name}" if columns else f"{name.table}.column"
