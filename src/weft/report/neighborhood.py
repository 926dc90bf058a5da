"""The picture of the rows behind one prediction: a tree from the entity along the links that were walked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from weft.report.formats import signed_text
from weft.report.svg import drawing, element, text

WIDE, NARROW = 860.0, 380.0
_HEIGHT, _GAP_Y, _GAP_X, _MARGIN, _HEAD = 46.0, 9.0, 34.0, 6.0, 26.0
_INDENT = 16.0
_LETTER, _SMALL_LETTER = 7.4, 6.3


@dataclass(frozen=True)
class NeighborRow:
    """A row that a network read.

    Attributes:
        name: Its table and key.
        parent: Position of the row that it was reached from, which comes before it; -1 for the entity.
        amount: What it moved, signed.
        words: Its values, those that moved most first.
        link: Name of the last link walked to it; empty for the entity.
    """

    name: str
    parent: int
    amount: float
    words: str = ""
    link: str = ""


@dataclass(frozen=True)
class _Card:
    x: float
    y: float
    width: float


def neighborhood_tree(rows: Sequence[NeighborRow], width: float) -> Markup:
    """Draw rows as cards: side by side by hop where there is room, else indented below each other.

    Args:
        rows: The entity first, each row after the one it was reached from.
        width: Of the picture.
    """
    hops = _hops(rows)
    is_wide = width > 2 * NARROW
    cards = _place_wide(rows, hops, width) if is_wide else _place_narrow(hops, width)
    reach = max((abs(row.amount) for row in rows), default=0.0) or 1.0
    placed = list(zip(rows, cards, strict=True))
    edges = [_edge(cards[row.parent], card, is_wide) for row, card in placed if row.parent >= 0]
    boxes = [_box(row, card, abs(row.amount) / reach) for row, card in placed]
    heads = _heads(max(hops, default=0), cards[0].width) if is_wide else ()
    height = max((card.y for card in cards), default=0.0) + _HEIGHT + _MARGIN
    return drawing(width, height, _words(rows), *heads, *edges, *boxes, class_="chart neighborhood")


def _hops(rows: Sequence[NeighborRow]) -> list[int]:
    hops: list[int] = []
    for row in rows:
        hops.append(hops[row.parent] + 1 if row.parent >= 0 else 0)
    return hops


def _place_wide(rows: Sequence[NeighborRow], hops: Sequence[int], width: float) -> list[_Card]:
    """Give the first row behind a row its line, and each further one a new line."""
    columns = max(hops, default=0) + 1
    card = min(300.0, (width - 2 * _MARGIN - (columns - 1) * _GAP_X) / columns)
    line, lines, used = -1, [0] * len(rows), {-1: False}
    for place, row in enumerate(rows):
        if row.parent >= 0 and not used[row.parent]:
            lines[place] = lines[row.parent]
        else:
            line += 1
            lines[place] = line
        used[row.parent], used[place] = True, False
    return [
        _Card(_MARGIN + hop * (card + _GAP_X), _HEAD + at * (_HEIGHT + _GAP_Y), card)
        for hop, at in zip(hops, lines, strict=True)
    ]


def _place_narrow(hops: Sequence[int], width: float) -> list[_Card]:
    return [
        _Card(_MARGIN + hop * _INDENT, _MARGIN + at * (_HEIGHT + _GAP_Y), width - 2 * _MARGIN - hop * _INDENT)
        for at, hop in enumerate(hops)
    ]


def _heads(hops: int, width: float) -> list[Markup]:
    names = ["the entity", "1 link away", *(f"{hop} links away" for hop in range(2, hops + 1))]
    return [text(_MARGIN + hop * (width + _GAP_X), 15, name) for hop, name in enumerate(names[: hops + 1])]


def _edge(parent: _Card, child: _Card, is_wide: bool) -> Markup:
    end = child.y + _HEIGHT / 2
    if is_wide:
        start, middle = parent.x + parent.width, parent.x + parent.width + _GAP_X / 2
        way = f"M{start:.1f},{parent.y + _HEIGHT / 2:.1f} H{middle:.1f} V{end:.1f} H{child.x:.1f}"
    else:
        way = f"M{parent.x + _INDENT / 2:.1f},{parent.y + _HEIGHT:.1f} V{end:.1f} H{child.x:.1f}"
    return element("path", d=way, class_="edge")


def _box(row: NeighborRow, card: _Card, share: float) -> Markup:
    x, y, width = card.x, card.y, card.width
    amount = signed_text(row.amount)
    room = width - 24 - _LETTER * (len(amount) + 1)
    over = f", over {row.link}" if row.link else ""
    bar = max(2.0, share * (width - 20))
    parts = [
        element("title", f"{row.name}{over}: {amount}. {row.words}"),
        element(
            "rect", x=x, y=y, width=width, height=_HEIGHT, rx=7, class_="card" if row.link else "card entity"
        ),
        text(x + 10, y + 18, _cut(row.name, int(room / _LETTER)), "node-name"),
        text(x + width - 10, y + 18, amount, "node-amount", "end"),
        text(x + 10, y + 33, _cut(row.words, int((width - 20) / _SMALL_LETTER)), "tick"),
        element(
            "rect", x=x + 10, y=y + 39, width=bar, height=3.0, rx=1.5, class_=f"moved {_way(row.amount)}"
        ),
    ]
    return element("g", *parts)


def _way(amount: float) -> str:
    return "up" if amount >= 0 else "down"


def _cut(words: str, length: int) -> str:
    return words if len(words) <= length else f"{words[: max(1, length - 1)]}…"


def _words(rows: Sequence[NeighborRow]) -> str:
    most = sorted(rows, key=lambda row: -abs(row.amount))[:5]
    told = "; ".join(f"{row.name} {signed_text(row.amount)}" for row in most)
    return f"{len(rows)} rows behind the prediction. Moved most: {told}" if rows else "No rows"
