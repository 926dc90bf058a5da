"""PQL016: the table after FOR has a primary key of several columns."""

from __future__ import annotations

from weft.core import Table
from weft.pql.scope import Scope
from weft.pql.syntax import ColumnName

CODE = "PQL016"


def check_single_key(scope: Scope, table: Table, name: ColumnName) -> None:
    """Refuse an entity whose key is composite."""
    if len(table.primary_key) < 2:
        return
    key = ", ".join(table.primary_key)
    raise scope.fault(
        CODE,
        name.span,
        f"table '{table.name}' has a key of several columns ({key}), and FOR needs one.",
        f"declare a key of one column: set tables.{table.name}.primary_key in weft.yaml.",
    )
