"""Which rungs are climbed within which budget, and what is not tried, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weft.core import Task, UserError, check_integer, parse_duration_s
from weft.learn import (
    appetite_of,
    get_rung,
    has_torch,
    is_search,
    rungs_for,
    unheard_names,
    usual_network,
)

# CPU seconds per unit of appetite where no budget is named: boosting takes one, networks two.
USUAL_S = 20.0
_LEAST_S = 20.0
_VALIDATIONS = ("split", "rolling")
_NOT_INSTALLED = "networks are not installed: pip install 'weft[gnn]'"


@dataclass(frozen=True)
class Ladder:
    """What a fit climbs.

    Attributes:
        models: Rungs, the simplest first.
        budget_s: CPU seconds for all of them.
        trials: Trials of the search over networks instead; 0 is to go by the budget.
        not_tried: Rung → why it is left out before any data are read.
        unused: Options that do nothing for such a task, and why.
    """

    models: tuple[str, ...]
    budget_s: float
    trials: int = 0
    not_tried: dict[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


def plan_ladder(task: Task, models: Sequence[str] | None, budget: str | None, trials: int | None) -> Ladder:
    """Choose the rungs of a fit.

    Rungs that are named are tried. Where none are, all that can do the task are, but of the networks only the
    usual one: the search, which chooses among them, or the one that ranks items best for what it costs; and
    that one only where the budget leaves it enough.

    Args:
        task: Of the query.
        models: Names, or ``None``.
        budget: Such as ``"5m"``, for all rungs together; ``None``: `USUAL_S` per appetite.
        trials: Trials of the search over networks, each of full length; ``None`` is to go by the budget.

    Raises:
        UserError: ``DATA131`` for no models and for trials that are no number; ``DATA002`` for a budget that
            is no duration.
    """
    asked, unused = _trials(task, trials)
    names = _all_of(task) if models is None else tuple(models)
    if not names:
        raise UserError("DATA131", "models is empty.", "name at least one, or leave the option out.")
    if asked and models is not None and not any(is_search(name) for name in names):
        raise UserError(
            "DATA131",
            f"trials is {asked}, and no search over networks is tried, which it is for.",
            "leave it out, or name the search: --models lightgbm,network.",
        )
    whole = sum(appetite_of(get_rung(name)) for name in names)
    budget_s = max(1.0, whole) * USUAL_S if budget is None else parse_duration_s(budget)
    if models is not None:
        return Ladder(names, budget_s, asked, unused=unused)
    usual = usual_network(task)
    left = {} if has_torch() else {usual: _NOT_INSTALLED}
    for name in names:
        share = budget_s * appetite_of(get_rung(name)) / whole if whole else 0.0
        counts_trials = bool(asked) and is_search(name)
        if _is_network(name, usual) and not counts_trials and share < _LEAST_S:
            left[name] = f"the budget leaves {share:.3g} s, it takes {_LEAST_S:g} s at least"
    return Ladder(tuple(n for n in names if n not in left), budget_s, asked, left, unused)


def _trials(task: Task, trials: int | None) -> tuple[int, tuple[str, ...]]:
    """Return for how many trials a search is asked, and why they do nothing where no search does the task."""
    asked = 0 if trials is None else check_integer("DATA131", "trials", trials, least=1, most=1_000)
    if asked and not has_search(task):
        return 0, (f"trials {asked}: {_no_search(task)}",)
    return asked, ()


def plan_validation(
    validation: str, origins: int | None, models: Sequence[str], task: Task
) -> tuple[int, tuple[str, ...]]:
    """Return on how many val windows a search scores its trials, and what of that does nothing; 0 is on val.

    Args:
        validation: ``split``, or ``rolling`` for val and earlier windows.
        origins: How many windows, val among them; three where nothing is said.
        models: Rungs that are tried.
        task: Of the query.

    Raises:
        UserError: ``DATA131`` for another validation, a number that is none, origins without rolling, and
            rolling where no rung searches over origins though the task has one.
    """
    if validation not in _VALIDATIONS:
        raise UserError("DATA131", f"validation is {validation!r}.", f"choose {' or '.join(_VALIDATIONS)}.")
    if validation == _VALIDATIONS[0]:
        if origins is not None:
            raise UserError("DATA131", f"origins is {origins}.", "add validation rolling, or leave it out.")
        return 0, ()
    windows = 3 if origins is None else check_integer("DATA131", "origins", origins, least=2, most=20)
    if not has_search(task):
        return 0, (f"validation rolling: {_no_search(task)}",)
    if not any(getattr(get_rung(name), "rolls", False) for name in models):
        raise UserError(
            "DATA131",
            "validation is rolling, and the search over networks, which is scored so, is not tried.",
            "give a larger budget or name it: --models lightgbm,network.",
        )
    return windows, ()


def has_search(task: Task) -> bool:
    """Whether a search over networks does such a task, be it installed or not."""
    return not has_torch() or any(is_search(rung.name) for rung in rungs_for(task))


def _no_search(task: Task) -> str:
    return f"no search over networks does a {task.type.value} task, which it is for"


def unheard_settings(search: Mapping[str, Any], models: Sequence[str]) -> str:
    """Say what of ``search`` networks that rank items do not follow; empty where they follow all."""
    deaf: dict[str, list[str]] = {}
    for name in models:
        rung: Any = get_rung(name)
        if getattr(rung, "reads_graph", False) and not is_search(name) and hasattr(rung, "hears"):
            for setting in unheard_names(rung, search):
                deaf.setdefault(setting, []).append(name)
    if not deaf:
        return ""
    names = ", ".join(dict.fromkeys(n for found in deaf.values() for n in found))
    return f"{', '.join(deaf)} of search in weft.yaml: {names} take single values of what ranks items"


def _all_of(task: Task) -> tuple[str, ...]:
    """Return the rungs that do a task; of those that read a graph the usual one, and searches among them."""
    usual = usual_network(task)
    rungs = rungs_for(task)
    return tuple(r.name for r in rungs if _is_network(r.name, usual) or not getattr(r, "reads_graph", False))


def _is_network(name: str, usual: str) -> bool:
    return name == usual or is_search(name)
