"""The rows that a network read, as text, as rows of a picture and as a page."""

from __future__ import annotations

from weft.learn import Neighborhood, SeenRow
from weft.project.view import text_table
from weft.report import NeighborRow

_MOST_LINES, _MOST_CELLS = 12, 4


def neighbor_lines(neighborhood: Neighborhood | None) -> list[str]:
    """Write the rows that moved a prediction most, the largest amount first."""
    if neighborhood is None:
        return []
    rows = sorted(neighborhood.rows, key=lambda row: -abs(row.amount))[:_MOST_LINES]
    cells = [[f"{r.amount:+.4f}", _named(r), r.links[-1] if r.links else "", _values(r)] for r in rows]
    return [
        "",
        "Rows that the network read and that moved it most:",
        text_table(["amount", "row", "link", "values"], cells),
        seen_sentence(neighborhood),
    ]


def neighbor_rows(neighborhood: Neighborhood | None, most: int) -> tuple[NeighborRow, ...]:
    """Return the rows of a picture: those that moved most, and those between them and the entity."""
    if neighborhood is None:
        return ()
    return tuple(
        NeighborRow(_named(r), r.parent, r.amount, _values(r), r.links[-1] if r.links else "")
        for r in neighborhood.first(most).rows
    )


def seen_sentence(neighborhood: Neighborhood | None) -> str:
    """Say how many rows were read of each table."""
    if neighborhood is None:
        return ""
    counts = sorted(neighborhood.num_rows.items(), key=lambda pair: (-pair[1], pair[0]))
    return f"Read were {', '.join(f'{table} {num:,}' for table, num in counts)}."


def _named(row: SeenRow) -> str:
    return f"{row.table} {row.key}".rstrip()


def _values(row: SeenRow) -> str:
    told = [f"{cell.column} {cell.value}" for cell in row.cells[:_MOST_CELLS] if cell.value != "missing"]
    return ", ".join(told)[:160]
