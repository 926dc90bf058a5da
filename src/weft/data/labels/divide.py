"""Dividing rows that already have their own anchors: by time, or at random by their key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from weft.core import Split, SplitOptions, UserError
from weft.data.labels.layout import share

Codes = npt.NDArray[np.int64]
_VAL, _TEST = 1, 2
NAMES = [split.value for split in Split]


def divide_by_time(times: npt.NDArray[np.int64], options: SplitOptions) -> Codes:
    """Give each row the number of its split: the newest rows are test, those before them val.

    Rows of one time stay together.

    Args:
        times: Microseconds UTC, in any order.
        options: The fractions, or the times at which val and test start.

    Returns:
        Per row 0 for train, 1 for val, 2 for test.

    Raises:
        UserError: ``DATA086`` when the rows have fewer than three different times.
    """
    if options.test_start_us is not None:
        assert options.val_start_us is not None
        return np.searchsorted([options.val_start_us, options.test_start_us], times, side="right")
    ordered = np.sort(times)
    distinct = np.unique(ordered)
    if len(distinct) < 3:
        raise UserError(
            "DATA086",
            f"the labelled rows have {len(distinct)} different times, and three splits by time need 3.",
            "name a split column, or unset the time column of the entity's table to split at random.",
        )
    test = max(ordered[-share(len(times), options.test_fraction)], distinct[2])
    older = ordered[ordered < test]
    val = max(older[-min(share(len(times), options.val_fraction), len(older))], distinct[1])
    return np.searchsorted([val, test], times, side="right")


def divide_at_random(keys: Sequence[object], options: SplitOptions) -> Codes:
    """Give each row the number of its split by a hash of its key: the same rows, the same splits.

    Raises:
        UserError: ``DATA086`` when there are fewer than three rows.
    """
    if len(keys) < 3:
        raise UserError(
            "DATA086",
            f"{len(keys)} rows have a label, and three splits need 3.",
            "add rows whose target is known.",
        )
    hashes = [hashlib.blake2b(str(key).encode(), digest_size=8).digest() for key in keys]
    order = np.argsort(np.frombuffer(b"".join(hashes), ">u8"), kind="stable")
    codes = np.zeros(len(keys), np.int64)
    num_test = share(len(keys), options.test_fraction)
    num_val = min(share(len(keys), options.val_fraction), len(keys) - num_test - 1)
    codes[order[:num_test]] = _TEST
    codes[order[num_test : num_test + num_val]] = _VAL
    return codes
