"""Which share of the time a device works on steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

import torch

Batch = TypeVar("Batch")


class Mark(Protocol):
    """A moment on a device's own clock, known once the device has come so far: a `torch.cuda.Event`."""

    def query(self) -> bool:
        """Say whether the device has come so far."""
        ...

    def elapsed_time(self, end_event: Any, /) -> float:
        """Return the milliseconds from here to another moment."""
        ...


def marks_of(device: torch.device) -> Callable[[], Mark] | None:
    """Return what marks a moment among the work of a device; ``None`` where the CPU itself does the work."""
    if device.type != "cuda":
        return None

    def mark() -> Mark:
        event: Mark = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(device))  # type: ignore[attr-defined]
        return event

    return mark


class Busy:
    """Measures the share of the time in which a device works on steps, waiting for nothing.

    A step is marked from where its batch is there to where its last work is queued. A device that is behind
    has no gap between two steps; one that was given nothing has. Gaps within a step count as work. Marks are
    read when the loop has waited for the device anyway, and what the device has not reached stays for later.

    Args:
        mark: Marks a moment; without it nothing is measured and nothing costs.
    """

    def __init__(self, mark: Callable[[], Mark] | None) -> None:
        self._mark = mark
        self._last: Mark | None = None
        self._began: Mark | None = None
        self._spans: list[tuple[Mark, Mark]] = []
        self._busy_ms = self._all_ms = 0.0

    @property
    def share(self) -> float | None:
        """The share, in what was read so far; ``None`` where nothing was."""
        return min(1.0, self._busy_ms / self._all_ms) if self._all_ms else None

    def start(self) -> None:
        """Begin a run of steps; what lies between two runs, such as a look at val, does not count."""
        self._spans, self._began = [], None
        self._last = self._mark() if self._mark else None

    def fed(self, batches: Iterable[Batch]) -> Iterable[Batch]:
        """Yield the batches of a step; waiting for one is no work, what is done until `end` is."""
        return batches if self._mark is None else self._watched(batches)

    def end(self) -> None:
        """End what is marked as work, if something is."""
        if self._mark and self._began:
            self._spans.append((self._began, self._mark()))
            self._began = None

    def read(self) -> None:
        """Add up what the device has done since it was asked last."""
        while self._spans and self._last and self._spans[0][1].query():
            began, ended = self._spans.pop(0)
            self._busy_ms += began.elapsed_time(ended)
            self._all_ms += self._last.elapsed_time(ended)
            self._last = ended

    def _watched(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        assert self._mark
        for batch in batches:
            self._began = self._mark()
            yield batch
            self.end()
        self._began = self._mark()
