"""The processes of one launch: the first carries the work out, the others help it with networks."""

from __future__ import annotations

import importlib.util
import os
from datetime import timedelta
from typing import Any

# The others wait while the first does what it does alone; when it dies they are told by the connection.
_PATIENCE = timedelta(days=30)
_NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def is_launched() -> bool:
    """Whether this process is one of several that ``torchrun`` or the like started."""
    if any(name not in os.environ for name in _NAMES) or os.environ["WORLD_SIZE"] == "1":
        return False
    return importlib.util.find_spec("torch") is not None


def is_helper() -> bool:
    """Whether this process helps another one, which prints and writes."""
    return is_launched() and os.environ["RANK"] != "0"


def meet() -> None:
    """Meet the other processes of the launch; messages go by nccl between GPUs, else by gloo."""
    import torch
    from torch import distributed

    if not distributed.is_initialized():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


class Company:
    """The processes of a launch, seen from one of them: the first tells, all others hear.

    Attributes:
        rank: Of this process, 0 for the first.
        size: How many there are.
        is_broken: Whether they may wait for each other in vain, so that nothing more can be told.
    """

    def __init__(self) -> None:
        from torch import distributed

        meet()
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        self.is_broken = False
        self._group = distributed.new_group(backend="gloo", timeout=_PATIENCE)

    def tell(self, message: Any) -> None:
        """Tell all others; waits until they listen."""
        self._pass_on([message])

    def hear(self) -> Any:
        """Wait for what the first tells."""
        held = [None]
        self._pass_on(held)
        return held[0]

    def _pass_on(self, held: list[Any]) -> None:
        from torch import distributed

        distributed.broadcast_object_list(held, src=0, group=self._group)


_open: list[Company] = []


def open_company() -> Company | None:
    """Return the processes of this launch, met the first time; ``None`` for one alone."""
    if not _open and is_launched():
        _open.append(Company())
    return present_company()


def present_company() -> Company | None:
    """Return the processes that have met; ``None`` before that, and for one alone."""
    return _open[0] if _open else None
