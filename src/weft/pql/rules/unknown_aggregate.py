"""PQL011: a function that is not an aggregate of the language."""

from __future__ import annotations

from weft.pql.faults import list_names, suggest
from weft.pql.query import AggregateName
from weft.pql.scope import Scope
from weft.pql.syntax import AggregateTerm

CODE = "PQL011"
_ALIASES = {
    "MEAN": "AVG",
    "AVERAGE": "AVG",
    "STD": "STDDEV",
    "STDEV": "STDDEV",
    "UNIQUE": "COUNT_DISTINCT",
    "NUNIQUE": "COUNT_DISTINCT",
    "DISTINCT": "LIST_DISTINCT",
    "LATEST": "LAST",
    "TOTAL": "SUM",
}


def check_aggregate_name(scope: Scope, term: AggregateTerm) -> AggregateName:
    """Refuse an unknown aggregate."""
    names = [a.value for a in AggregateName]
    if term.name in names:
        return AggregateName(term.name)
    alias = _ALIASES.get(term.name)
    guess = f"did you mean '{alias}'? " if alias else suggest(term.name, names)
    raise scope.fault(
        CODE,
        term.name_span,
        f"there is no aggregate '{term.name}'.",
        f"{guess}Aggregates: {list_names(names)}.",
    )
