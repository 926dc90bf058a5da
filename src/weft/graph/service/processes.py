"""Which process uses gRPC: a process that is forked from it can neither use nor free what it made.

gRPC keeps threads and locks that a fork does not copy: any call in the child waits forever, and so does the
end of a connection. `os.register_at_fork` lets the child know before it touches anything.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any

from weft.core import UserError

_owners: weakref.WeakSet[Any] = weakref.WeakSet()
_user: int | None = None


def begin_use(owner: object) -> None:
    """Note that this process uses gRPC, through something that it owns.

    Raises:
        UserError: ``GRAPH088`` when the process that this one was forked from used it.
    """
    global _user
    check_use()
    _user = os.getpid()
    _owners.add(owner)


def check_use() -> None:
    """Refuse to use gRPC where it would wait forever; see `begin_use`."""
    if is_inherited():
        raise UserError(
            "GRAPH088",
            f"process {os.getpid()} was forked from one that used the service already, process {_user}.",
            'start processes by multiprocessing.get_context("spawn"), or fork before anything is '
            "connected or served.",
        )


def is_inherited() -> bool:
    """Say whether what this process holds of gRPC was made by another, and must be left alone."""
    return _user not in (None, os.getpid())


def _keep() -> None:
    """Have the child never free what waits forever when it is freed."""
    for owner in list(_owners):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))


os.register_at_fork(after_in_child=_keep)
