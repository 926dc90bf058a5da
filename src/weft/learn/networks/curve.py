"""What a training went through, and how far it is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from weft.learn.metrics import get_metric


@dataclass
class Curve:
    """What the training went through, a value per epoch.

    Attributes:
        loss: Mean loss on train.
        gain: Score on val, higher is better.
        best: Which epoch's weights were kept, from 0; -1 for none.
        note: Why the training ended early; empty where it did not.
        events: What went wrong on the way, in words.
        metric: What ``gain`` is the gain in; empty for one that rises.
        began: Score on val, higher is better, of the weights that the fit went on from; ``None`` where it
            began anew. They are kept where no epoch is better.
        origins: Scores at rolling origins in the metric's own direction, the newest first, which is val;
            empty where there are none.
        start: How the fit began where it was to go on from an earlier run, in words.
    """

    loss: list[float] = field(default_factory=list)
    gain: list[float] = field(default_factory=list)
    best: int = -1
    note: str = ""
    events: list[str] = field(default_factory=list)
    metric: str = ""
    began: float | None = None
    origins: list[float | None] = field(default_factory=list)
    start: str = ""

    @property
    def val(self) -> list[float]:
        """Scores on val in the metric's own direction."""
        return [self._score(g) for g in self.gain]

    @property
    def kept(self) -> float | None:
        """The score of the weights that were kept, in the metric's own direction; ``None`` for none."""
        gain = self.gain[self.best] if self.best >= 0 else self.began
        return None if gain is None else self._score(gain)

    def words(self, loss: float, rows_per_s: float, busy: float | None) -> str:
        """Say how it goes.

        Args:
            loss: Mean over the rows of the epoch that were read so far.
            rows_per_s: Train rows read per second.
            busy: Share of the time in which a GPU worked on steps; ``None`` without one.
        """
        val = [f"val {self.val[-1]:.4g}"] if self.gain else []
        gpu = [] if busy is None else [f"GPU {busy:.0%}".replace("%", " %")]
        return ", ".join([f"loss {loss:.4g}", *val, f"{rows_per_s:,.0f} rows/s", *gpu])

    def last(self, rows_per_s: float) -> dict[str, float]:
        """Return the numbers of the last look by name."""
        score = f"val/{self.metric.replace('@', '_at_')}"
        return {"loss": self.loss[-1], score: self.val[-1], "rows_per_s": rows_per_s}

    @property
    def is_best_so_far(self) -> bool:
        """Whether the last epoch is better on val than those before, and than what the fit went on from."""
        before = self.gain[self.best] if self.best >= 0 else self.began
        return before is None or self.gain[-1] > before

    def _score(self, gain: float) -> float:
        is_rising = not self.metric or get_metric(self.metric).higher_is_better
        return gain if is_rising else -gain


@dataclass
class Position:
    """How far a training is.

    Attributes:
        step: Steps of the epoch that are done.
        steps: Steps of all epochs that are done.
        total: Sum over the seeds of the epoch of their losses.
        splits: Parts that a batch is read in.
    """

    step: int = 0
    steps: int = 0
    total: float = 0.0
    splits: int = 1


class Pace:
    """Counts the rows that were read since it was made, against the clock."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._rows = 0

    def count(self, rows: int) -> None:
        """Add rows that were read."""
        self._rows += rows

    @property
    def rows_per_s(self) -> float:
        """Rows per second, looks at val included."""
        return self._rows / max(1e-9, time.monotonic() - self._began)
