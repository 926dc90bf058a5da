"""Progress on a terminal: one line per stage with its rate and an ETA; quiet anywhere else."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from weft.flow import Event

_SIGNS = {"cached": "·", "ran": "✓", "failed": "✗", "cancelled": "–"}


@contextlib.contextmanager
def show_progress(num_nodes: int, told: set[str]) -> Iterator[Callable[[Event], None]]:
    """Yield a receiver of events that draws on stderr when that is a terminal.

    Args:
        num_nodes: Of the plan.
        told: Keys of the nodes that were shown already; a cached one of them is not shown again.
    """
    if not sys.stderr.isatty():
        yield lambda event: None
        return
    from rich.console import Console

    with make_bar(Console(stderr=True)) as bar:
        yield Watch(bar, num_nodes, told)


def make_bar(console: Any) -> Any:
    """Make what is drawn on a console: a line per step that runs, and one for all."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    # Names of steps have brackets, which are no markup.
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<22}", markup=False),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )


class Watch:
    """Draws the events of one plan."""

    def __init__(self, bar: Any, num_nodes: int, told: set[str]) -> None:
        self._bar = bar
        self._tasks: dict[str, int] = {}
        self._total = num_nodes
        self._told = told
        self._done = 0
        self._lock = threading.Lock()
        self._all = bar.add_task("all steps", total=num_nodes, note=self._counted)

    def __call__(self, event: Event) -> None:
        with self._lock:
            if event.state == "started":
                self._start(event.node)
            elif event.state == "progress":
                self._move(event)
            else:
                self._finish(event)

    def _start(self, node: str) -> None:
        self._tasks[node] = self._bar.add_task(node, total=None, note="")

    def _move(self, event: Event) -> None:
        if event.node in self._tasks:
            self._bar.update(
                self._tasks[event.node], completed=event.done, total=event.total, note=event.note
            )

    def _finish(self, event: Event) -> None:
        task = self._tasks.pop(event.node, None)
        if task is not None:
            self._bar.remove_task(task)
        self._done += 1
        self._bar.update(self._all, completed=self._done, note=self._counted)
        if event.state == "cached" and event.key in self._told:
            return
        self._told.add(event.key)
        sign = _SIGNS.get(event.state, " ")
        self._bar.console.print(
            f"{sign} [{self._done}/{self._total}] {describe_event(event)}", highlight=False, markup=False
        )

    @property
    def _counted(self) -> str:
        return f"{self._done} of {self._total}"


def describe_event(event: Event) -> str:
    """Say in one line what became of a node: state and reason, seconds, rate, memory."""
    parts = [f"{event.node:<22} {event.state} ({event.why})" if event.why else f"{event.node} {event.state}"]
    if event.state == "ran":
        parts.append(f"{event.seconds:.1f} s")
        if event.rows_per_s:
            parts.append(f"{event.rows_per_s:,.0f} rows/s")
        if event.peak_bytes:
            parts.append(f"peak {event.peak_bytes / 1e9:.2f} GB")
    return "  ".join(parts)
