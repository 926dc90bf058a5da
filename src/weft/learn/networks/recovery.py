"""What can be done about an error in the middle of a fit, told from the error alone."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TypeVar

import torch
from torch import distributed

from weft.core import UnavailableError

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_MEMORY = ("can't allocate memory", "out of memory", "not enough memory", "std::bad_alloc")
_DEVICE = ("CUDA error", "CUDNN_STATUS", "CUBLAS_STATUS", "NCCL error", "device-side assert")


class Trouble(Enum):
    """What went wrong.

    Attributes:
        MEMORY: There is not enough of it.
        DEVICE: The GPU failed.
    """

    MEMORY = "memory"
    DEVICE = "device"


def diagnose(error: BaseException) -> Trouble | None:
    """Say what went wrong; ``None`` for what a fit can do nothing about."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return Trouble.MEMORY
    if not isinstance(error, RuntimeError):
        return None
    told = str(error)
    if any(words in told for words in _MEMORY):
        return Trouble.MEMORY
    is_failed = isinstance(error, torch.AcceleratorError) or any(words in told for words in _DEVICE)
    return Trouble.DEVICE if is_failed else None


def find_device(without: Collection[str] = ()) -> torch.device:
    """Return a GPU that works where there is one, else the CPU.

    Args:
        without: Devices that have failed.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    # Started by torchrun, each process of a machine has a GPU of its own.
    first = int(os.environ.get("LOCAL_RANK", "0"))
    for index in ((first + i) % count for i in range(count)):
        device = torch.device("cuda", index)
        if str(device) in without:
            continue
        try:
            torch.zeros(1, device=device).cpu()
        except RuntimeError:
            continue
        return device
    return torch.device("cpu")


def release_memory() -> None:
    """Hand memory that nothing uses back to the system and to the GPU, before less is tried."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        # What is free in the middle of the heap counts as used otherwise, of large batches most of it.
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return


def is_alone() -> bool:
    """Whether no other process trains the same: what only one of them gives up the others would wait for."""
    return not (distributed.is_available() and distributed.is_initialized())


def by_halves(name: str, size: int, compute: Callable[[int], _T]) -> _T:
    """Compute by so many seeds at one time; where memory is short, by half as many.

    Raises:
        UnavailableError: ``LEARN050`` when half as many are too many.
    """
    half = max(1, size // 2)
    for tried in (size, half):
        try:
            return compute(tried)
        except (RuntimeError, MemoryError) as error:
            if diagnose(error) is not Trouble.MEMORY or not is_alone():
                raise
        # Out here no frame of what failed holds its tensors any more.
        release_memory()
        if tried == size:
            _log.warning("%s: out of memory, predicting by %d seeds", name, half)
    raise no_memory_left(name, half)


@contextmanager
def told_of_memory(name: str) -> Iterator[None]:
    """Give the code to what runs out of memory where no batch can be halved: before the first step."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if diagnose(error) is not Trouble.MEMORY or not is_alone():
            raise
        raise UnavailableError(
            "LEARN050",
            f"the network '{name}' needs more memory than there is.",
            "set fewer channels, smaller fanouts or a smaller batch_size, or use a machine with more memory.",
        ) from error


def no_memory_left(name: str, batch_size: int) -> UnavailableError:
    """Make the error of a fit that even half the batch is too much for."""
    return UnavailableError(
        "LEARN050",
        f"the network '{name}' ran out of memory with half a batch too, {batch_size} seeds.",
        "set a smaller batch_size, fewer channels or smaller fanouts, or use a machine with more memory.",
    )
