"""Linear algebra on one thread.

Small products gain little from a second thread, and on cores that others use too, threads that wait for each
other have made them cost thirty times as much. Large ones are given to threads of our own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_users = 0
_limit: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let the BLAS of this process work in its caller's thread alone.

    The number of its threads belongs to the whole process: the first to enter notes and lowers it, the last
    to leave restores it, in whatever order searches that overlap begin and end.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _users, _limit
    from threadpoolctl import threadpool_limits

    with _lock:
        if _users == 0:
            _limit = threadpool_limits(limits=1, user_api="blas")
        _users += 1


def _leave() -> None:
    global _users, _limit
    with _lock:
        _users -= 1
        if _users == 0:
            _limit.restore_original_limits()
            _limit = None
