"""Small tables for people: aligned text and plain HTML."""

from __future__ import annotations

import datetime as dt
import html
import math
import re
from collections.abc import Sequence
from textwrap import shorten
from typing import Any

from weft.core import Finding, format_time, to_micros


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
_NUMBER = re.compile(r"–|[+-]?[\d,]*\.?\d+(e[+-]\d+)?\s?%?")


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


def cell_text(value: Any) -> str:
    """Write a value as a person reads it: numbers to four decimals, midnight as a day, nothing as a dash.

    Example:
        >>> cell_text(0.8359203253927723), cell_text(0.0000123), cell_text(7.0), cell_text(None)
        ('0.8359', '1.23e-05', '7', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dt.datetime):
        return format_time(to_micros(value))
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(cell_text, value))}]"
    return str(value)


def count_text(number: int, thing: str) -> str:
    """Write a number of things.

    Example:
        >>> count_text(1, "row"), count_text(2000, "row")
        ('1 row', '2,000 rows')
    """
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _number(value: float) -> str:
    if not math.isfinite(value) or abs(value) >= 1e15:
        return f"{value:g}"
    if value.is_integer():
        return f"{value:.0f}"
    return f"{value:.4f}" if abs(value) >= 0.001 else f"{value:.3g}"


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None
