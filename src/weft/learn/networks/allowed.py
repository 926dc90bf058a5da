"""Which values each setting of a network may have: told by `NetworkConfig` and by the space of a search."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

from weft.core import MAX_HOPS, Choice, TaskType
from weft.learn.encoders import NUMBER_KINDS, TEXTS

# Attention divides the channels among so many heads.
CHANNELS_STEP = 4
SCHEDULES = ("cosine", "linear", "constant")
# Scales on which a number is learned; a mean is learned on the straight ones alone.
STRAIGHT = ("standard", "raw")
TARGETS = (*STRAIGHT, "log", "rank")
NUMBERS = frozenset({TaskType.REGRESSION, TaskType.FORECASTING})
CLASSES = frozenset({TaskType.BINARY, TaskType.MULTICLASS})
LOSSES = {
    TaskType.BINARY: ("cross_entropy", "focal"),
    TaskType.MULTICLASS: ("cross_entropy", "focal"),
    TaskType.REGRESSION: ("mae", "huber", "mse", "quantiles"),
    TaskType.FORECASTING: ("mae", "huber", "mse", "quantiles"),
    TaskType.MULTILABEL: ("cross_entropy", "focal"),
    TaskType.MULTILABEL_RANKING: ("cross_entropy", "softmax", "bpr"),
}
_ALL_ROWS = -1


class Allowed(Protocol):
    """What a setting may be."""

    def __contains__(self, value: Any) -> bool:
        """Whether a value is allowed."""
        ...

    @property
    def hint(self) -> str:
        """Say what is allowed."""
        ...


@dataclass(frozen=True)
class Words:
    """One of some words."""

    words: tuple[str, ...]

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.words

    @property
    def hint(self) -> str:
        """Name the words."""
        return f"choose among {', '.join(w for w in self.words if w)}."


@dataclass(frozen=True)
class Text:
    """Any word, such as a name."""

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, str)

    @property
    def hint(self) -> str:
        """Say that it is a word."""
        return "give a word."


@dataclass(frozen=True)
class Flag:
    """Yes or no."""

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, bool)

    @property
    def hint(self) -> str:
        """Name both."""
        return "choose true or false."


@dataclass(frozen=True)
class Number:
    """A finite number within bounds.

    Attributes:
        low: Least.
        is_low_out: Whether ``low`` itself is too little.
        below: Everything from here up is too much.
        step: Only whole multiples of it are meant; 0 is any number.
        also: Values beside these numbers.
    """

    low: float = 0.0
    is_low_out: bool = False
    below: float = math.inf
    step: int = 0
    also: tuple[Any, ...] = ()

    def __contains__(self, value: Any) -> bool:
        if not isinstance(value, bool) and value in self.also:
            return True
        if self.step and not (isinstance(value, int) and value % self.step == 0):
            return False
        return self.spans(value, value)

    def spans(self, low: Any, high: Any) -> bool:
        """Whether all numbers between two others are within the bounds."""
        if not (is_number(low) and is_number(high)):
            return False
        return (low > self.low if self.is_low_out else low >= self.low) and high < self.below

    @property
    def hint(self) -> str:
        """Say the bounds."""
        what = {0: "a number", 1: "a whole number"}.get(self.step, f"a multiple of {self.step}")
        least = f"above {self.low:g}" if self.is_low_out else f"of {self.low:g} or more"
        most = f" and below {self.below:g}" if self.below < math.inf else ""
        return f"give {what} {least}{most}{''.join(f', or {value}' for value in self.also)}."


@dataclass(frozen=True)
class Hops:
    """Rows kept per link, hop by hop."""

    def __contains__(self, value: Any) -> bool:
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= MAX_HOPS:
            return False
        return all(kept in _FANOUT for kept in value)

    @property
    def hint(self) -> str:
        """Say how many of which numbers."""
        return (
            f"give 1 to {MAX_HOPS} whole numbers above 0, one per hop, such as [32, 16]; -1 keeps all rows."
        )


@dataclass(frozen=True)
class Names:
    """A list of words."""

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)

    @property
    def hint(self) -> str:
        """Say that it is a list."""
        return "give a list of words."


@dataclass(frozen=True)
class Pairs:
    """Names with values, which are checked where they are read."""

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, Mapping)

    @property
    def hint(self) -> str:
        """Say that it is a mapping."""
        return "give names with values."


_COUNT = Number(low=1, step=1)
_FANOUT = Number(low=1, below=2**32 - 1, step=1, also=(_ALL_ROWS,))
_POSITIVE = Number(is_low_out=True)
_SHARE = Number(below=1)
# What `EncoderOptions` has, with its group before it.
OF_ENCODERS: Mapping[str, Allowed] = {
    "encoders.numbers": Words(NUMBER_KINDS),
    "encoders.most_categories": _COUNT,
    "encoders.num_buckets": _COUNT,
    "encoders.most_several": _COUNT,
    "encoders.text": Words(TEXTS),
    "encoders.text_dimension": _COUNT,
    "encoders.by_column": Pairs(),
}
ALLOWED: Mapping[str, Allowed] = {
    "variant": Text(),
    "network": Text(),
    "channels": Number(low=CHANNELS_STEP, step=CHANNELS_STEP),
    "fanouts": Hops(),
    "strategy": Words((Choice.LAST.value, Choice.UNIFORM.value)),
    "without": Names(),
    "start": Text(),
    "dropout": _SHARE,
    "features": Words(("past", "all", "none")),
    "encoders": Pairs(),
    "batch_size": _COUNT,
    "epochs": _COUNT,
    "look_rows": _COUNT,
    "patience": _COUNT,
    "learning_rate": _POSITIVE,
    "weight_decay": Number(),
    "averaging": _SHARE,
    "schedule": Words(SCHEDULES),
    "clip": _POSITIVE,
    "loss": Words(("", *dict.fromkeys(loss for losses in LOSSES.values() for loss in losses))),
    "target": Words(TARGETS),
    "positive_weight": Number(is_low_out=True, also=("balanced",)),
    "class_ratio": Number(low=1, also=(0,)),
    # Which there are follows from the data.
    "train_cutoffs": Text(),
    "checkpoint_steps": _COUNT,
    "compiled": Flag(),
    "options": Pairs(),
    "budget_s": Number(),
    **OF_ENCODERS,
}


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a finite number, and no yes or no."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def refused_setting(settings: Iterable[tuple[str, Any]]) -> tuple[str, Any, str] | None:
    """Return the first setting with a value that it may not have: its name, the value, what is allowed.

    Example:
        >>> refused_setting([("channels", 8), ("dropout", 2.0)])
        ('dropout', 2.0, 'give a number of 0 or more and below 1.')
    """
    for name, value in settings:
        if name in ALLOWED and value not in ALLOWED[name]:
            return name, value, ALLOWED[name].hint
    return None
