"""The picture of a schema: tables as cards, children below the parents they point to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from markupsafe import Markup

from weft.report.document import LinkFacts, TableFacts
from weft.report.formats import count_text, percent_text
from weft.report.svg import drawing, element, text

CARD_WIDTH, CARD_HEIGHT = 178.0, 82.0
GAP_X, GAP_Y, MARGIN = 26.0, 60.0, 14.0
WEAK = 0.98
_SWEEPS = 4


@dataclass(frozen=True)
class Layout:
    """Rows of table names from top to bottom, and the left upper corner of each card."""

    rows: tuple[tuple[str, ...], ...]
    corner: Mapping[str, tuple[float, float]]
    width: float
    height: float

    def row_of(self, name: str) -> int:
        """Return the row that a table is in."""
        return next(index for index, row in enumerate(self.rows) if name in row)


@dataclass
class _Ports:
    """Where the ends of links touch each card, and how often each gutter was used."""

    places: dict[tuple[int, str], float] = field(default_factory=dict)
    gutters: dict[tuple[int, float], int] = field(default_factory=dict)


def schema_graph(tables: Sequence[TableFacts], links: Sequence[LinkFacts], per_row: int) -> Markup:
    """Draw tables and links with at most ``per_row`` cards side by side."""
    shown = [t.name for t in tables]
    known = [link for link in links if link.table in shown and link.parent in shown]
    layout = lay_out(shown, [(link.table, link.parent) for link in known], per_row)
    ports = _assign_ports(layout, known)
    edges = [_edge(layout, ports, index, link) for index, link in enumerate(known)]
    cards = [_card(table, layout.corner[table.name]) for table in tables]
    words = f"Schema: {len(shown)} tables and {len(known)} links. " + "; ".join(
        f"{link.table}.{', '.join(link.columns)} points to {link.parent}" for link in known
    )
    return drawing(layout.width, layout.height, words, *edges, *cards, class_="chart schema")


def lay_out(names: Sequence[str], pairs: Sequence[tuple[str, str]], per_row: int) -> Layout:
    """Place tables: a child lies below all its parents, neighbors lie near each other.

    Args:
        names: Tables.
        pairs: (child, parent); cycles are cut where they close, links of a table to itself do not count.
        per_row: Largest number of cards side by side; a wider level takes several rows.
    """
    level = _levels(names, pairs)
    rows: list[list[str]] = []
    for depth in range(max(level.values(), default=0) + 1):
        members = [name for name in names if level[name] == depth]
        num_rows = -(-len(members) // per_row)
        size = -(-len(members) // max(num_rows, 1)) or 1
        rows += [members[start : start + size] for start in range(0, len(members), size)]
    near: dict[str, list[str]] = {name: [] for name in names}
    for child, parent in pairs:
        if child != parent:
            near[child].append(parent)
            near[parent].append(child)
    for _ in range(_SWEEPS):
        centers = _centers(rows)
        rows = [sorted(row, key=lambda name: _pull(name, near, centers)) for row in rows]
    widest = max((len(row) for row in rows), default=1)
    width = widest * CARD_WIDTH + (widest - 1) * GAP_X + 2 * MARGIN
    corner = {
        name: (width / 2 + center - CARD_WIDTH / 2, 18 + index * (CARD_HEIGHT + GAP_Y))
        for index, row in enumerate(rows)
        for name, center in zip(row, _row_centers(row), strict=True)
    }
    height = len(rows) * (CARD_HEIGHT + GAP_Y) - GAP_Y + 30
    return Layout(tuple(tuple(row) for row in rows), corner, width, height)


def _levels(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the length of the longest way up from each table; links that close a cycle are left out."""
    parents: dict[str, list[str]] = {name: [] for name in names}
    for child, parent in pairs:
        parents[child].append(parent)
    level: dict[str, int] = {}
    for root in names:
        stack, open_now = [root], set()
        while stack:
            name = stack[-1]
            open_now.add(name)
            waiting = [p for p in parents[name] if p not in level and p not in open_now]
            if waiting:
                stack.append(waiting[0])
                continue
            if name not in level:
                level[name] = 1 + max((level[p] for p in parents[name] if p in level), default=-1)
            open_now.discard(stack.pop())
    return level


def _row_centers(row: Sequence[str]) -> list[float]:
    step = CARD_WIDTH + GAP_X
    return [(index - (len(row) - 1) / 2) * step for index in range(len(row))]


def _centers(rows: Sequence[Sequence[str]]) -> dict[str, float]:
    return {name: x for row in rows for name, x in zip(row, _row_centers(row), strict=True)}


def _pull(name: str, near: Mapping[str, Sequence[str]], centers: Mapping[str, float]) -> tuple[float, float]:
    around = [centers[other] for other in near[name]]
    return (sum(around) / len(around) if around else centers[name], centers[name])


def _assign_ports(layout: Layout, links: Sequence[LinkFacts]) -> _Ports:
    """Spread the ends of links over the edges of their cards, in the order of the other end."""
    ends: dict[tuple[str, str], list[tuple[float, int, str]]] = {}
    for index, link in enumerate(links):
        if link.table == link.parent:
            continue
        down = layout.row_of(link.table) > layout.row_of(link.parent)
        child_x, parent_x = layout.corner[link.table][0], layout.corner[link.parent][0]
        ends.setdefault((link.table, "top" if down else "bottom"), []).append((parent_x, index, "child"))
        ends.setdefault((link.parent, "bottom" if down else "top"), []).append((child_x, index, "parent"))
    ports = _Ports()
    for (name, _), found in ends.items():
        for position, (_, index, role) in enumerate(sorted(found), 1):
            share = position / (len(found) + 1)
            ports.places[index, role] = layout.corner[name][0] + 12 + share * (CARD_WIDTH - 24)
    return ports


def _edge(layout: Layout, ports: _Ports, index: int, link: LinkFacts) -> Markup:
    name = f"{link.table}.{', '.join(link.columns)} → {link.parent}.{', '.join(link.parent_columns)}"
    rate = "" if link.match_rate is None else f", {percent_text(link.match_rate)} matched"
    is_weak = link.match_rate is not None and link.match_rate < WEAK
    class_ = "edge weak" if is_weak else "edge"
    title = element("title", name + rate)
    if link.table == link.parent:
        x, y = layout.corner[link.table]
        left, right, high = x + CARD_WIDTH - 34, x + CARD_WIDTH - 10, y - 22
        loop = f"M{left:.1f},{y:.1f} C{left:.1f},{high:.1f} {right:.1f},{high:.1f} {right:.1f},{y:.1f}"
        return element("g", title, element("path", d=loop, class_=class_))
    start, end, way = _route(layout, ports, index, link)
    parts = [
        title,
        element("path", d=way, class_=class_),
        element("circle", cx=end[0], cy=end[1], r=3.5, class_="end"),
    ]
    if link.match_rate is not None and link.match_rate < 0.9995:
        parts.append(
            text(
                start[0] + 5, start[1] - 6, percent_text(link.match_rate), "rate weak" if is_weak else "rate"
            )
        )
    return element("g", *parts)


def _route(
    layout: Layout, ports: _Ports, index: int, link: LinkFacts
) -> tuple[tuple[float, float], tuple[float, float], str]:
    """Return both ends and the path, which passes other rows between their cards."""
    low, high = layout.row_of(link.table), layout.row_of(link.parent)
    x0, x1 = ports.places[index, "child"], ports.places[index, "parent"]
    y0, y1 = layout.corner[link.table][1], layout.corner[link.parent][1]
    if low > high:
        stops = [(x0, y0)]
        for row in range(low - 1, high, -1):
            top = layout.corner[layout.rows[row][0]][1]
            gutter = _gutter(layout, ports, row, x0 + (x1 - x0) * (low - row) / (low - high))
            stops += [(gutter, top + CARD_HEIGHT), (gutter, top)]
        stops.append((x1, y1 + CARD_HEIGHT))
    else:
        stops = [(x0, y0 + CARD_HEIGHT), (x1, y1)]
    way = f"M{stops[0][0]:.1f},{stops[0][1]:.1f}"
    for (ax, ay), (bx, by) in pairwise(stops):
        bend = (by - ay) / 2
        way += f" C{ax:.1f},{ay + bend:.1f} {bx:.1f},{by - bend:.1f} {bx:.1f},{by:.1f}"
    return stops[0], stops[-1], way


def _gutter(layout: Layout, ports: _Ports, row: int, wanted: float) -> float:
    """Return the free place between cards of a row that is nearest; uses of one place lie side by side."""
    lefts = [layout.corner[name][0] for name in layout.rows[row]]
    free = [lefts[0] - GAP_X / 2, *(left + CARD_WIDTH + GAP_X / 2 for left in lefts)]
    best = min(free, key=lambda x: abs(x - wanted))
    used = ports.gutters.get((row, best), 0)
    ports.gutters[row, best] = used + 1
    offset = float(((used + 1) // 2) * 4 * (-1) ** used)
    return best + offset


def _card(table: TableFacts, corner: tuple[float, float]) -> Markup:
    x, y = corner
    key = ", ".join(table.primary_key)
    notes = " · ".join(
        part for part in (f"key {key}" if key else "no key", table.time_column or "no time") if part
    )
    parts = [
        element("title", f"{table.name}: {count_text(table.rows)} rows, {notes}"),
        element(
            "rect", x=x, y=y, width=CARD_WIDTH, height=CARD_HEIGHT, rx=9, class_=f"card {table.role}".strip()
        ),
        text(x + 12, y + 22, _cut(table.name, 14 if table.role else 19), "card-name"),
        text(x + 12, y + 39, f"{count_text(table.rows)} rows", "card-rows"),
        text(x + 12, y + 57, f"# {_cut(key, 22)}" if key else "no key", "card-key"),
        text(
            x + 12, y + 72, f"◷ {_cut(table.time_column, 22)}" if table.time_column else "no time", "card-key"
        ),
    ]
    if table.role:
        parts.append(text(x + CARD_WIDTH - 10, y + 21, table.role, "card-role", "end"))
    return element("g", *parts)


def _cut(words: str, length: int) -> str:
    return words if len(words) <= length else f"{words[: length - 1]}…"
