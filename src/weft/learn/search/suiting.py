"""What of a space does not suit a task: networks, losses and scales that are for other kinds of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weft.core import Task, TaskType, UserError
from weft.learn.networks.allowed import CLASSES, LOSSES, NUMBERS, STRAIGHT
from weft.learn.registry import get_rung, is_search, rung_names
from weft.learn.search.space import Choices, Range, Space


def check_space(space: Space, task: Task) -> None:
    """Refuse values that no trial for a task could be fitted with.

    Networks that rank items say themselves what they do not follow; see `unheard_names`.

    Raises:
        UserError: ``LEARN045`` with the value and what suits the task.
    """
    if task.type is TaskType.LINK_PREDICTION:
        return
    for name, suited in _suited(task):
        for value in _values(space.get(name)):
            if value not in suited:
                raise UserError(
                    "LEARN045",
                    f"the search cannot take {value!r} for '{name}' of a {task.type.value} task.",
                    f"choose among {', '.join(map(str, suited))}.",
                )


def _suited(task: Task) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield settings with the values that suit a task; only those of which not all do."""
    rungs = [get_rung(name) for name in rung_names()]
    networks = [r.name for r in rungs if getattr(r, "reads_graph", False) and r.supports(task)]
    # Without torch no network does any task, and none is tried.
    if able := tuple(name for name in networks if not is_search(name)):
        yield "network", able
    yield "loss", LOSSES[task.type]
    if task.type not in NUMBERS:
        yield "target", STRAIGHT[:1]
    if task.type not in CLASSES:
        yield "class_ratio", (0,)


def _values(dimension: Choices | Range | None) -> tuple[Any, ...]:
    if isinstance(dimension, Range):
        return dimension.low, dimension.high
    return () if dimension is None else dimension.values
