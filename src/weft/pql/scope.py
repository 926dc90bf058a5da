"""Where in a query the binder stands: what every rule gets to see."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from weft.core import Schema, UserError
from weft.pql.faults import fault
from weft.pql.query import Span


class Clause(enum.StrEnum):
    """The clauses that hold conditions and values."""

    TARGET = "the target"
    WHERE = "WHERE"
    ASSUMING = "ASSUMING"


@dataclass(frozen=True)
class Scope:
    """One place of a query.

    Attributes:
        text: The query.
        schema: What names are looked up in.
        clause: Which clause the place is in.
        entity_table: The table after FOR.
        row_table: Whose row plain columns are read from: the entity's, or the aggregated table's inside the
            WHERE of an aggregate.
        is_inside_aggregate: Inside the WHERE of an aggregate.
    """

    text: str
    schema: Schema
    clause: Clause
    entity_table: str
    row_table: str
    is_inside_aggregate: bool = False

    def fault(self, code: str, span: Span, message: str, hint: str = "") -> UserError:
        """Make an error that points at ``span``."""
        return fault(code, self.text, span, message, hint)
