"""Several processes that train one network together: each reads its share of every batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import distributed, nn

from weft.learn.encoders.column import Array
from weft.learn.networks.company import is_launched, meet


@dataclass(frozen=True)
class Ranks:
    """The processes of a fit, seen from one of them. One alone needs no messages.

    Attributes:
        rank: Of this process; 0 writes.
        size: How many there are.
        device: Where messages are sent from: that of the network, since nccl knows no other.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    def share(self, rows: Array) -> Array:
        """Return the part of some rows that this process reads; empty where there are too few."""
        return np.array_split(rows, self.size)[self.rank] if self.size > 1 else rows

    def sum_gradients(self, weights: Sequence[nn.Parameter], total: torch.Tensor) -> torch.Tensor:
        """Add the gradients of all processes up, and a number beside them, in one message.

        A weight that no process has a gradient of keeps none, as with one process.
        """
        if self.size == 1:
            return total
        found = [w.grad if w.grad is not None else torch.zeros_like(w) for w in weights]
        has = total.new_tensor([w.grad is not None for w in weights])
        flat = torch.cat([total.reshape(1), has, *(g.reshape(-1).to(total.dtype) for g in found)])
        distributed.all_reduce(flat)
        start = 1 + len(weights)
        for weight, is_known in zip(weights, flat[1:start].tolist(), strict=True):
            part = flat[start : start + weight.numel()]
            weight.grad = part.reshape(weight.shape).to(weight.dtype) if is_known else None
            start += weight.numel()
        return flat[0]

    def gather(self, rows: Array) -> Array:
        """Put the rows of all processes together, in the order of `share`."""
        if self.size == 1:
            return rows
        counts = torch.zeros(self.size, dtype=torch.int64, device=self.device)
        counts[self.rank] = len(rows)
        distributed.all_reduce(counts)
        wide = torch.zeros((int(counts.max()), *rows.shape[1:]), dtype=torch.float64, device=self.device)
        wide[: len(rows)] = torch.from_numpy(rows).to(self.device)
        parts = [torch.empty_like(wide) for _ in range(self.size)]
        distributed.all_gather(parts, wide)
        kept = [p[:n].cpu().numpy() for p, n in zip(parts, counts.tolist(), strict=True)]
        return np.concatenate(kept)

    def any(self, flag: bool) -> bool:
        """Say whether the flag is set in any process."""
        if self.size == 1:
            return flag
        told = torch.tensor([float(flag)], device=self.device)
        distributed.all_reduce(told)
        return bool(told.item() > 0)

    def of_first(self, data: bytes) -> bytes:
        """Return what the first process has."""
        if self.size == 1:
            return data
        size = torch.tensor([len(data)], device=self.device)
        distributed.broadcast(size, 0)
        if not int(size.item()):
            return b""
        held = torch.zeros(int(size.item()), dtype=torch.uint8, device=self.device)
        if self.rank == 0:
            held.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        distributed.broadcast(held, 0)
        return bytes(held.cpu().numpy().tobytes())


def join_ranks(device: torch.device) -> Ranks:
    """Meet the other processes of the launch; a process that was not started as one of several is alone."""
    if not distributed.is_available():
        return Ranks()
    if not distributed.is_initialized():
        if not is_launched():
            return Ranks()
        meet()
    return Ranks(distributed.get_rank(), distributed.get_world_size(), str(device))
