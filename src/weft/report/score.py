"""The value of a metric, as a report shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """The value of a metric with its interval; ``low`` and ``high`` are ``None`` where there is none."""

    value: float
    low: float | None = None
    high: float | None = None
