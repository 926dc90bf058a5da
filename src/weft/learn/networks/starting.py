"""Going on from the weights of a saved network: longer trials of a search, and fits on newer data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.core import UserError, from_plain
from weft.learn.data import TrainingData
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.heads import Goal
from weft.learn.networks.inputs import NetworkInputs, last_anchor_us
from weft.learn.rung import Header, read_model_file

WEIGHTS = "weights.safetensors"
# What another value of makes weights that do not fit, or mean another thing.
_SHAPE = (
    "channels",
    "fanouts",
    "without",
    "features",
    "encoders",
    "options",
    "loss",
    "positive_weight",
    "class_ratio",
)


@dataclass(frozen=True)
class Start:
    """What a saved network read, what it learned, and its weights.

    Attributes:
        inputs: Its encoders, so that the weights mean what they meant.
        goal: What it learned.
        raw: The bytes of its weights.
    """

    inputs: NetworkInputs
    goal: Goal
    raw: bytes

    @property
    def weights(self) -> dict[str, Any]:
        """The weights by name."""
        from safetensors.torch import load

        return dict(load(self.raw))


def read_start(folder: Path, name: str, config: NetworkConfig, data: TrainingData) -> Start:
    """Read the saved network that a fit goes on from.

    Args:
        folder: The saved model.
        name: The network to be fitted.
        config: How.
        data: What it is to be fitted on.

    Raises:
        UserError: ``LEARN046`` when it is another network, is built in another way, or has learned from later
            rows than those that train has now: val and test would be known to it.
    """
    document = read_model_file(folder)
    if document["rung"] != name:
        raise _refused(folder, f"it is a network of the kind '{document['rung']}', not '{name}'")
    state = document["state"]
    earlier = from_plain(NetworkConfig, state["config"])
    for field in _SHAPE:
        was, wanted = getattr(earlier, field), getattr(config, field)
        if was != wanted:
            raise _refused(folder, f"its {field} is {was!r}, not {wanted!r}")
    if from_plain(Header, document["header"]).encoder.features != data.encoder.features:
        raise _refused(folder, "it reads other features")
    inputs, until = from_plain(NetworkInputs, state["inputs"]), last_anchor_us(data)
    if inputs.until_us > until:
        raise _refused(folder, "it has learned from labels later than the train rows")
    return Start(inputs, from_plain(Goal, state["goal"]), (folder / WEIGHTS).read_bytes())


def _refused(folder: Path, reason: str) -> UserError:
    return UserError(
        "LEARN046",
        f"a fit cannot go on from the model in '{folder.name}': {reason}.",
        "begin anew, or name a model of the same network, fitted on the same or an earlier train period.",
    )
