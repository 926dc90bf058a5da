"""Plain columns and the paths that lead to them."""

from __future__ import annotations

from weft.core import Column, Link
from weft.pql import rules
from weft.pql.paths import find_paths, follow
from weft.pql.query import ColumnValue, Span
from weft.pql.scope import Scope
from weft.pql.syntax import ColumnName, ColumnTerm


def bind_column(scope: Scope, term: ColumnTerm) -> ColumnValue:
    """Bind a column of the row at hand, or of a row that its foreign keys lead to."""
    column = look_up(scope, term.name)
    path: tuple[Link, ...] = ()
    if term.via:
        path = bind_via(scope, scope.row_table, term.name.table, term.via)
    elif term.name.table != scope.row_table:
        rules.check_reaches(scope, term)
        paths = find_paths(scope.schema, scope.row_table, term.name.table)
        path = rules.only_path(scope, scope.row_table, term.name.table, paths, term.name.span)
    return ColumnValue(term.name.table, column.name, path, column.dtype, column.stype, term.span)


def look_up(scope: Scope, name: ColumnName) -> Column:
    """Find a column in the schema."""
    rules.check_table(scope, name)
    rules.check_no_star(scope, name)
    rules.check_column(scope, name)
    assert name.column is not None
    return scope.schema.table(name.table).column(name.column)


def path_to_entity(scope: Scope, table: str, via: tuple[ColumnName, ...], span: Span) -> tuple[Link, ...]:
    """Find how rows of an aggregated table belong to the entity."""
    if via:
        return bind_via(scope, table, scope.entity_table, via)
    paths = find_paths(scope.schema, table, scope.entity_table)
    return rules.only_path(scope, table, scope.entity_table, paths, span)


def bind_via(scope: Scope, table: str, goal: str, via: tuple[ColumnName, ...]) -> tuple[Link, ...]:
    """Follow exactly the columns that VIA names."""
    for name in via:
        look_up(scope, name)
    rules.check_via(scope, table, goal, via)
    span = Span(via[0].span.start, via[-1].span.stop)
    return rules.only_path(scope, table, goal, follow(scope.schema, table, goal, via), span)
