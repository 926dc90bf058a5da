"""What a report says of the networks that were trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Curve:
    """Points of a line, thinned; ``x`` and ``y`` are of one length."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Trial:
    """One network that was fitted, or why it was not.

    Attributes:
        model: Its name on the ladder.
        network: What kind it is.
        settings: Those in which it differs from the other trials, in words.
        origin: How it came to be tried, in words.
        curve: x the number of the look at val, from 1, y the score.
        looks: How many there were.
        best: The look whose weights were kept; 0 for none.
        kept: The score of that look.
        loss: The loss on train of that look.
        val: Score on all of val.
        test: Score on test.
        fit_s: Seconds of the fit.
        note: Why the training ended, or why there was none.
    """

    model: str
    network: str
    settings: tuple[str, ...] = ()
    origin: str = ""
    curve: Curve = Curve((), ())
    looks: int = 0
    best: int = 0
    kept: float | None = None
    loss: float | None = None
    val: float | None = None
    test: float | None = None
    fit_s: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Search:
    """The networks that were trained, best on val first; ``metric`` is that of their curves."""

    metric: str
    higher_is_better: bool
    trials: tuple[Trial, ...]
