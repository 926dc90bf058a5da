"""Earlier splits between train and val, laid out among the train anchors: rolling origins."""

from __future__ import annotations

from dataclasses import dataclass

from weft.core import History, UserError
from weft.data.labels.layout import Layout

_ROLLED = ("fractions", "given")


@dataclass(frozen=True)
class Origin:
    """An earlier split.

    Attributes:
        train: Anchors whose label windows end by the first val anchor, oldest first.
        val: As many anchors as val has, or fewer where there are not so many.
    """

    train: tuple[int, ...]
    val: tuple[int, ...]


def plan_origins(layout: Layout, count: int) -> tuple[Origin, ...]:
    """Lay out earlier splits, the newest first; fewer where the train anchors do not reach.

    Each takes the newest train anchors that are left as its val, and trains on those whose windows end by the
    first of them, from which the next one is laid out. So no label window of one reaches into a later one.
    Under frozen history a val has one anchor, at which a row sees what it would see in a val of its own.

    Args:
        layout: Of the labels.
        count: How many.

    Raises:
        UserError: ``DATA135`` for a layout whose splits are not divided by time, and where the train anchors
            leave no earlier split.
    """
    if layout.method not in _ROLLED:
        method = layout.method.replace("_", " ")
        raise UserError(
            "DATA135",
            f"rolling origins divide rows by time, and these are divided by {method}.",
            "leave validation out.",
        )
    size = 1 if layout.history is History.FROZEN else len(layout.val)
    found: list[Origin] = []
    left = layout.train
    while len(found) < count:
        val = left[-size:]
        left = tuple(a for a in left if val and a < val[0] and layout.window_end_us(a) <= val[0])
        if not left:
            break
        found.append(Origin(left, val))
    if not found:
        raise UserError(
            "DATA135",
            f"rolling origins need earlier anchors, and there are {len(layout.train)} for train.",
            "give more history or a smaller step, or leave validation out.",
        )
    return tuple(found)
