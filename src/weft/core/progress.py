"""How a long computation says how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives steps of one stage. Implementations are safe to call from several threads."""

    def update(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say that ``done`` of ``total`` units of work are finished."""


class Silent:
    """Progress that nobody watches."""

    def update(self, done: float, total: float | None = None, note: str = "") -> None:
        """Do nothing."""
