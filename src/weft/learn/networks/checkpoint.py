"""Checkpoints: all that a fit needs to go on where it was, in one file of tensors and JSON."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

_log = logging.getLogger(__name__)
_FACTS = "weft"


@dataclass(frozen=True)
class Checkpoint:
    """A fit at a step.

    Attributes:
        facts: Plain values, as JSON keeps them.
        tensors: By name: weights, the best weights so far, what the optimizer remembers.
    """

    facts: dict[str, Any]
    tensors: dict[str, torch.Tensor]

    def part(self, name: str) -> dict[str, torch.Tensor]:
        """Return the tensors of one part, by their names in it."""
        prefix = f"{name}/"
        return {k.removeprefix(prefix): t for k, t in self.tensors.items() if k.startswith(prefix)}

    def write(self, path: Path) -> None:
        """Write the file."""
        from safetensors.torch import save_file

        save_file(self.tensors, path, {_FACTS: json.dumps(self.facts)})

    @staticmethod
    def decode(data: bytes) -> Checkpoint:
        """Read the bytes of a file."""
        from safetensors.torch import load

        return Checkpoint(json.loads(_header(data)["__metadata__"][_FACTS]), load(data))


class CheckpointFile:
    """Where the checkpoints of one fit lie; each replaces the one before.

    Args:
        folder: Made when missing.
        fingerprint: Names the fit: its data, configuration and seed. A file of another fit is never read.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.path = folder / f"{fingerprint}.safetensors"

    def write(self, checkpoint: Checkpoint) -> None:
        """Write aside, bring it to the disk and rename, so that a kill leaves the old one or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".part")
        checkpoint.write(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(self.path)

    def read(self) -> bytes:
        """Return the bytes of the checkpoint; empty where there is none, or none that can be read."""
        try:
            data = self.path.read_bytes()
            is_whole = _num_bytes(data) == len(data)
        except FileNotFoundError:
            return b""
        except (KeyError, ValueError):
            is_whole = False
        if not is_whole:
            _log.warning("the checkpoint %s is damaged; the fit begins anew", self.path)
            return b""
        return data


def _header(data: bytes) -> dict[str, Any]:
    size = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + size]))


def _num_bytes(data: bytes) -> int:
    """Return how long a file is by what its header says."""
    ends = [t["data_offsets"][1] for name, t in _header(data).items() if name != "__metadata__"]
    return 8 + int.from_bytes(data[:8], "little") + int(max(ends))


def optimizer_tensors(optimizer: torch.optim.Optimizer, network: nn.Module) -> dict[str, torch.Tensor]:
    """Return what an optimizer remembers of each weight, in the memory of the machine."""
    return {
        f"{name}/{key}": value.detach().cpu()
        for name, weight in network.named_parameters()
        for key, value in optimizer.state.get(weight, {}).items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, network: nn.Module, tensors: dict[str, torch.Tensor]
) -> None:
    """Give an optimizer of the same weights what another remembered."""
    optimizer.state.clear()
    weights = dict(network.named_parameters())
    for place, value in tensors.items():
        name, _, key = place.rpartition("/")
        weight = weights[name]
        # The count of steps stays on the CPU, as the optimizer itself keeps it.
        optimizer.state[weight][key] = value.clone() if key == "step" else value.to(weight.device, copy=True)


def copied(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Copy weights into the memory of the machine."""
    return {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
