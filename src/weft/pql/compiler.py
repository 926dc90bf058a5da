"""From text to checked query in one call."""

from __future__ import annotations

from weft.core import Schema
from weft.pql.binder import bind
from weft.pql.parser import parse
from weft.pql.query import Query


def compile_query(text: str, schema: Schema) -> Query:
    """Read and check a predictive query.

    Args:
        text: One statement of the language.
        schema: The tables that its names are looked up in.

    Raises:
        UserError: ``PQL001`` to ``PQL063``. The message ends with the line of the query and a caret under
            the place, and the hint says what to do.
    """
    return bind(parse(text), schema)
