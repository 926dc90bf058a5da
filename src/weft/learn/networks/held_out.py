"""What a network predicts for val when those rows are held out of the choice among its looks at val."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from weft.learn.encoders.column import Array
from weft.learn.folds import hold_out

Score = Callable[[Array, Array | None], float]


class HeldOut:
    """Predicts each part of val by the look that is best on the other parts.

    Memory is that of one look.

    Args:
        folds: Number of the part that each row of val belongs to, ``(n,)``; ``None`` holds nothing out.
        score: Of predictions for all rows or some, higher is better.
    """

    def __init__(self, folds: Array | None, score: Score) -> None:
        self._score = score
        self._parts = [] if folds is None else hold_out(folds)
        self._best = np.full(len(self._parts), -np.inf)
        self._prediction: Array | None = None

    @property
    def prediction(self) -> Array | None:
        """As the network predicts; ``None`` before the first look, or where nothing is held out."""
        return self._prediction

    def look(self, predicted: Array) -> None:
        """Take the predictions of a look for the parts that it is the best for so far."""
        if not self._parts:
            return
        if self._prediction is None:
            self._prediction = np.array(predicted)
        for i, (held, rest) in enumerate(self._parts):
            value = self._score(predicted, rest)
            if value > self._best[i]:
                self._best[i] = value
                self._prediction[held] = predicted[held]

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what a checkpoint keeps."""
        if self._prediction is None:
            return {}
        kept = {"best": self._best, "prediction": self._prediction}
        return {f"held_out/{name}": torch.from_numpy(np.array(a)) for name, a in kept.items()}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take up what a checkpoint kept."""
        if tensors:
            self._best, self._prediction = tensors["best"].numpy(), tensors["prediction"].numpy()
