"""PQL012: a unit of time that the language does not have."""

from __future__ import annotations

from weft.core import Unit
from weft.pql.faults import list_names, suggest
from weft.pql.scope import Scope
from weft.pql.syntax import UnitName

CODE = "PQL012"


def check_unit(scope: Scope, unit: UnitName) -> Unit:
    """Refuse an unknown unit."""
    names = [u.value for u in Unit]
    if unit.text in names:
        return Unit(unit.text)
    guess = suggest(unit.text, names)
    raise scope.fault(
        CODE, unit.span, f"there is no unit '{unit.text}'.", f"{guess}Units: {list_names(names)}."
    )
