"""Linear algebra on one thread, by whoever asks, in whatever order they come and go."""

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from weft.core import one_blas_thread


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blocks_that_overlap_restore_what_was_before_the_first_when_the_last_ends():
    assert len(np.eye(2) @ np.eye(2)) == 2
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        assert set(blas_threads()) == {1}
        first.__exit__(None, None, None)
        assert set(blas_threads()) == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == before
