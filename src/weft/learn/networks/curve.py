"""What a training went through, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Curve:
    """What the training went through, a value per epoch.

    Attributes:
        loss: Mean loss on train.
        gain: Score on val, higher is better.
        best: Which epoch's weights were kept, from 0; -1 for none.
        note: Why the training ended early; empty where it did not.
        events: What went wrong on the way, in words.
    """

    loss: list[float] = field(default_factory=list)
    gain: list[float] = field(default_factory=list)
    best: int = -1
    note: str = ""
    events: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """The last epoch in words."""
        return f"loss {self.loss[-1]:.4f}, val {abs(self.gain[-1]):.4f}"

    @property
    def is_best_so_far(self) -> bool:
        """Whether the last epoch is better on val than those before."""
        return self.best < 0 or self.gain[-1] > self.gain[self.best]


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
