"""PQL040: an aggregate over a column of a type that it cannot aggregate."""

from __future__ import annotations

from weft.core import Dtype, Stype
from weft.pql.query import AggregateName, ColumnValue
from weft.pql.scope import Scope

CODE = "PQL040"
_NUMERIC = (
    AggregateName.SUM,
    AggregateName.AVG,
    AggregateName.STDDEV,
    AggregateName.MEDIAN,
)
_ORDERED = (AggregateName.MIN, AggregateName.MAX)
_WORDS = {
    Dtype.STRING: "text",
    Dtype.BOOL: "boolean",
    Dtype.TIMESTAMP: "a timestamp",
    Dtype.VECTOR: "an embedding",
    Dtype.INT: "a number",
    Dtype.FLOAT: "a number",
}


def check_aggregate_type(scope: Scope, name: AggregateName, column: ColumnValue) -> None:
    """Refuse sums and averages of what is no quantity, and an order of what has none."""
    what = _refusal(scope, name, column)
    if what is None:
        return
    assert column.span is not None
    raise scope.fault(
        CODE,
        column.span,
        f"{name.value} cannot aggregate {column.table}.{column.column}, which is {what}.",
        _hint(name, column),
    )


def _refusal(scope: Scope, name: AggregateName, column: ColumnValue) -> str | None:
    is_number = column.dtype in (Dtype.INT, Dtype.FLOAT)
    if name is AggregateName.COUNT:
        return None
    if column.dtype is Dtype.VECTOR:
        return "an embedding"
    if name in _NUMERIC and not is_number:
        return _WORDS[column.dtype]
    if name in (*_NUMERIC, *_ORDERED) and is_number and _is_key(scope, column):
        return "a key"
    if name in _ORDERED and column.stype is Stype.MULTICATEGORICAL:
        return "a list of categories"
    return None


def _is_key(scope: Scope, column: ColumnValue) -> bool:
    schema = scope.schema
    keys = {c for k in schema.links_from(column.table) for c in k.columns}
    is_primary = (column.column,) == schema.table(column.table).primary_key
    return column.stype is Stype.ID or is_primary or column.column in keys


def _hint(name: AggregateName, column: ColumnValue) -> str:
    text = f"{column.table}.{column.column}"
    if column.dtype is Dtype.BOOL:
        return f"count rows instead, as in COUNT({column.table}.* WHERE {text} = TRUE, …)."
    if column.stype is Stype.MULTICATEGORICAL:
        return f"count rows instead, as in COUNT({column.table}.* WHERE {text} CONTAINS 'x', …)."
    if column.dtype is Dtype.VECTOR:
        return "count the rows instead, or aggregate another column."
    if column.dtype in (Dtype.INT, Dtype.FLOAT) and column.stype is Stype.ID:
        return (
            f"use COUNT, COUNT_DISTINCT, FIRST, LAST or LIST_DISTINCT; where it is a quantity, set "
            f"tables.{column.table}.columns.{column.column}.stype to numerical in weft.yaml."
        )
    return "use COUNT, COUNT_DISTINCT, FIRST, LAST or LIST_DISTINCT, or aggregate a numerical column."
