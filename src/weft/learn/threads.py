"""Linear algebra on one thread.

Products of the sizes met here gain little from a second thread. On cores that others use too, threads that
wait for each other have made them cost thirty times as much.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep numpy's linear algebra to one thread inside the block."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1, "blas"):
        yield
