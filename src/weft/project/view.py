"""Small tables for people: aligned text and plain HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from textwrap import shorten
from typing import Any

from weft.core import Finding


class Leaderboard(list[dict[str, Any]]):
    """Rows of a leaderboard: a list of dicts that a terminal and a notebook show as a table."""

    def __repr__(self) -> str:
        return text_table(*self._table())

    def _repr_html_(self) -> str:
        return html_table(*self._table())

    def _table(self) -> tuple[list[str], list[list[str]]]:
        return list(LEADERBOARD), [leaderboard_cells(row) for row in self]


class Findings(tuple[Finding, ...]):
    """Findings: a tuple that a terminal and a notebook show as a table."""

    def __repr__(self) -> str:
        return "\n".join(f"{f.severity.value:<5}  {f.subject}: {f.evidence}" for f in self) or "No findings."

    def _repr_html_(self) -> str:
        cells = [[f.severity.value, f.subject, f.evidence, f.advice] for f in self]
        return html_table(["finding", "about", "evidence", "what to do"], cells) if cells else "No findings."


LEADERBOARD = ("model", "metric", "val", "test", "95 % interval", "fit s", "rows/s", "what it does")
_MOST_WORDS = 70


def leaderboard_cells(row: dict[str, Any]) -> list[str]:
    """Write one row of a leaderboard; one that was left out says why."""
    if row["left_out"]:
        why = row["left_out"].partition(" was left out: ")[2] or row["left_out"]
        return [row["model"], row["metric"], *["–"] * 5, f"left out: {why}"]
    spread = f"{row['ci'][0]:.4f} … {row['ci'][1]:.4f}" if row["ci"] else "–"
    words = shorten(row["words"], _MOST_WORDS, placeholder=" …")
    scores = ["–" if row[split] is None else f"{row[split]:.4f}" for split in ("val", "test")]
    speed = [f"{row['fit_s']:.1f}", f"{row['rows_per_s']:,.0f}"]
    return [row["model"], row["metric"], *scores, spread, *speed, words]


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns with two spaces between them; numbers to the right.

    Example:
        >>> print(text_table(["model", "val"], [["constant", "0.5"], ["lightgbm", "0.83"]]))
        model      val
        constant   0.5
        lightgbm  0.83
    """
    cells = [list(header), *(list(r) for r in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    numeric = [all(_is_number(row[i]) for row in rows) and bool(rows) for i in range(len(header))]
    lines = []
    for row in cells:
        padded = [
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write an HTML table for a notebook; every cell is escaped, numbers stand to the right."""
    numeric = [all(_is_number(row[i]) for row in rows) and bool(rows) for i in range(len(header))]
    styles = [
        f"text-align:{'right' if is_number else 'left'};vertical-align:top;padding:.15em 1.2em .15em 0"
        for is_number in numeric
    ]

    def line(tag: str, cells: Sequence[str]) -> str:
        written = (
            f"<{tag} style='{style}'>{html.escape(cell)}</{tag}>"
            for cell, style in zip(cells, styles, strict=True)
        )
        return f"<tr>{''.join(written)}</tr>"

    body = "".join(line("td", row) for row in rows)
    table = f"<table><thead>{line('th', header)}</thead><tbody>{body}</tbody></table>"
    return f"<div style='overflow-x:auto;margin:.4em 0 1em'>{table}</div>"


def _is_number(text: str) -> bool:
    bare = text.removesuffix("%").strip().lstrip("+-")
    return bare.replace(".", "", 1).replace(",", "").replace("–", "0").isdigit()
