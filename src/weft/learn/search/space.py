"""What the search may try: a range or a choice per setting of a network, which users narrow or widen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from weft.core import TaskType, UserError
from weft.learn.encoders import EncoderOptions
from weft.learn.networks.allowed import (
    ALLOWED,
    NUMBERS,
    SCHEDULES,
    Flag,
    Number,
    is_number,
    refused_setting,
)
from weft.learn.networks.configuration import NetworkConfig

LINK = "link:"
_MOST_LINKS = 12
# Scales on which a mean is not learned; see `weft.learn.networks.scale`.
_BENT = ("log", "rank")
_WEIGHTS = ("class_ratio", "positive_weight")
_NOT_SEARCHED = {"budget_s", "encoders", "options", "start", "variant", "without"}
_BY_COLUMN = "encoders.by_column"
_LOSSES = {
    TaskType.BINARY: ("cross_entropy", "focal"),
    TaskType.MULTICLASS: ("cross_entropy", "focal"),
    TaskType.MULTILABEL: ("cross_entropy", "focal"),
    TaskType.REGRESSION: ("mae", "huber", "mse"),
    TaskType.FORECASTING: ("mae", "huber", "mse"),
}


@dataclass(frozen=True)
class Choices:
    """One of some values, which are plain JSON."""

    values: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        return plain(value) in [plain(v) for v in self.values]


@dataclass(frozen=True)
class Range:
    """A number between two others, both included.

    Attributes:
        low: Least.
        high: Most.
        is_log: Whether factors matter rather than differences.
        step: Only multiples of it are meant, 1 for whole numbers; 0 is any number.
    """

    low: float
    high: float
    is_log: bool = False
    step: int = 0

    def __contains__(self, value: Any) -> bool:
        return is_number(value) and self.low <= value <= self.high and self.rounded(value) == value

    def rounded(self, value: float) -> float:
        """Return the nearest number that is meant."""
        return round(value / self.step) * self.step if self.step else value


Space = Mapping[str, Choices | Range]


def default_space(
    task: TaskType, links: Iterable[str] = (), *, sentences: bool = False
) -> dict[str, Choices | Range]:
    """Return what is searched where the user says nothing.

    Args:
        task: Kind of task; losses depend on it.
        links: Links of the graph that may be walked or not; of more than twelve the first.
        sentences: Whether a sentence model reads texts, which may be hashed instead.
    """
    space: dict[str, Choices | Range] = {
        "network": Choices(("sage", "relgnn", "graph_transformer")),
        "channels": Choices((32, 64, 128)),
        "fanouts": Choices(([24], [64], [16, 4], [16, 8], [32, 16], [64, 32], [16, 8, 8])),
        "strategy": Choices(("last", "uniform")),
        "dropout": Range(0.0, 0.5),
        # Without features all frames of an entity would be one to a network.
        "features": Choices(("past", "all") if task is TaskType.FORECASTING else ("past", "all", "none")),
        "batch_size": Choices((256, 512, 1024)),
        "learning_rate": Range(2e-4, 1e-2, is_log=True),
        "weight_decay": Range(1e-5, 1e-1, is_log=True),
        "schedule": Choices(SCHEDULES),
        "train_cutoffs": Choices(("all", "own")),
        "encoders.numbers": Choices(("auto", "standard", "bins", "piecewise")),
    }
    if sentences:
        space["encoders.text"] = Choices(("auto", "hashed"))
    if task in _LOSSES:
        space["loss"] = Choices(_LOSSES[task])
    if task in NUMBERS:
        space["target"] = Choices(("standard", *_BENT))
    if task is TaskType.BINARY:
        space["positive_weight"] = Choices((1.0, "balanced"))
        space["class_ratio"] = Choices((0.0, 5.0))
    space |= {LINK + name: Choices((True, False)) for name in list(links)[:_MOST_LINKS]}
    return space


def read_space(given: Mapping[str, Any], base: Space) -> dict[str, Choices | Range]:
    """Narrow or widen a space by what a user says.

    Args:
        given: Setting → a value (it is not searched), a list of values, or ``{low, high, log}``.
        base: What is searched of the other settings.

    Raises:
        UserError: ``LEARN045`` for a setting that there is not, an empty list, a range that is none, and
            for values that a setting may not have; ``LEARN040`` for a column with an encoder that there is
            not.
    """
    space = dict(base)
    known = {*base, *(f.name for f in fields(NetworkConfig))} - _NOT_SEARCHED
    known |= {f"encoders.{f.name}" for f in fields(EncoderOptions)}
    for name, said in given.items():
        if name not in known and not name.startswith(LINK):
            raise UserError(
                "LEARN045",
                f"the search knows no setting '{name}'.",
                f"choose among {', '.join(sorted(known))}.",
            )
        # A link may be named by its columns alone.
        full = next((known for known in base if known.startswith(f"{name} -> ")), name)
        space[full] = _dimension(name, said)
    loss, target = space.get("loss"), space.get("target")
    if loss == Choices(("mse",)) and isinstance(target, Choices) and all(v in _BENT for v in target.values):
        raise _refused("target", plain(target.values) if len(target.values) > 1 else target.values[0])
    return space


def fixed_settings(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a user fixes to one value, as a configuration of any network.

    A list of several values and a range are for a search alone, and so is which network it tries.

    Args:
        said: As for `read_space`.

    Raises:
        UserError: ``LEARN045`` as for `read_space`.

    Example:
        >>> fixed_settings({"network": "sage", "channels": 32, "dropout": [0.1, 0.2], "fanouts": [16, 8]})
        {'channels': 32, 'fanouts': [16, 8]}
    """
    space = read_space({k: v for k, v in said.items() if k != "network"}, {})
    single = {k: d.values[0] for k, d in space.items() if isinstance(d, Choices) and len(d.values) == 1}
    return arrange(single)


def is_fixed(name: str, said: Any) -> bool:
    """Whether a user says one value for a setting."""
    dimension = _dimension(name, said)
    return isinstance(dimension, Choices) and len(dimension.values) == 1


def arrange(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a point of the space into a configuration of a network."""
    config: dict[str, Any] = {}
    if parameters.get("loss") == "focal":
        # The focal loss weighs rows itself; what other weights do to its chances cannot be undone.
        parameters = {k: v for k, v in parameters.items() if k not in _WEIGHTS}
    if parameters.get("loss") == "mse" and parameters.get("target") in _BENT:
        # A mean does not go back from such a scale.
        parameters = {k: v for k, v in parameters.items() if k != "target"}
    left = sorted(k[len(LINK) :] for k, v in parameters.items() if k.startswith(LINK) and not v)
    for name, value in parameters.items():
        group, _, key = name.partition(".")
        if name.startswith(LINK):
            continue
        if key:
            config.setdefault(group, {})[key] = value
        else:
            config[name] = value
    return {**config, "without": left} if left else config


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a configuration back into a point of the space."""
    point: dict[str, Any] = {}
    for name, value in config.items():
        if name == "without":
            point |= {LINK + link: False for link in value}
        elif isinstance(value, Mapping):
            point |= {f"{name}.{key}": v for key, v in value.items()}
        else:
            point[name] = value
    return point


def complete(config: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """Return the point of a space that is nearest to a configuration, what it leaves open as usual."""
    usual = {**{k: plain(v) for k, v in asdict(NetworkConfig()).items()}, **flatten(config)}
    point = {}
    for name, dimension in space.items():
        value = usual.get(name, True if name.startswith(LINK) else _any_of(dimension))
        point[name] = plain(value) if value in dimension else _nearest(dimension, value)
    return point


def _any_of(dimension: Choices | Range) -> Any:
    """Return a value for a setting that has no usual one."""
    if isinstance(dimension, Choices):
        return dimension.values[0]
    return dimension.rounded(dimension.low)


def _nearest(dimension: Choices | Range, value: Any) -> Any:
    if isinstance(dimension, Range) and is_number(value):
        return dimension.rounded(min(max(value, dimension.low), dimension.high))
    return _any_of(dimension)


def _dimension(name: str, said: Any) -> Choices | Range:
    if name == _BY_COLUMN:
        return _by_column(said)
    if isinstance(said, Mapping):
        return _range(name, said)
    values = said if isinstance(said, (list, tuple)) else [said]
    if name == "fanouts" and values and not isinstance(values[0], (list, tuple)):
        values = [values]
    if not values:
        raise _refused(name, said)
    if refused := refused_setting((name, value) for value in values):
        raise _refused(*refused)
    if name.startswith(LINK) and not all(value in Flag() for value in values):
        raise _refused(name, said, Flag().hint)
    return Choices(tuple(plain(v) for v in values))


def _by_column(said: Any) -> Choices:
    """Read which column is encoded how: ``table.column`` → kind."""
    if not isinstance(said, Mapping):
        raise UserError(
            "LEARN045",
            f"the search cannot take {said!r} for '{_BY_COLUMN}'.",
            "give a mapping: {reviews.text: sentence}.",
        )
    return Choices((EncoderOptions(by_column=dict(said)).by_column,))


def _range(name: str, said: Mapping[str, Any]) -> Range:
    low, high, is_log = said.get("low"), said.get("high"), bool(said.get("log", False))
    allowed = ALLOWED.get(name)
    if not isinstance(allowed, Number) or set(said) - {"low", "high", "log"}:
        raise _refused(name, said)
    if not (is_number(low) and is_number(high) and low < high) or (is_log and low <= 0):
        raise _refused(name, said)
    if not allowed.spans(low, high):
        raise _refused(name, said, allowed.hint)
    found = Range(float(low), float(high), is_log, allowed.step)
    if found.step and math.ceil(found.low / found.step) > found.high // found.step:
        raise _refused(name, said, allowed.hint)
    return found


def _refused(
    name: str, said: Any, hint: str = "give a value, a list of values, or {low: …, high: …, log: true}."
) -> UserError:
    return UserError("LEARN045", f"the search cannot take {said!r} for '{name}'.", hint)


def plain(value: Any) -> Any:
    """Return a value as JSON would give it back."""
    return list(value) if isinstance(value, tuple) else value
