"""What goes wrong while writing, in Weft's words."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from weft.core import UnavailableError, UserError
from weft.data.engine import disk_full, is_disk_full
from weft.data.sources.parquet import first_line

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@contextmanager
def export_errors(target: str) -> Iterator[None]:
    """Turn what writing raises into coded errors that name ``target``."""
    import duckdb

    try:
        yield
    except (OSError, pa.ArrowException, duckdb.Error, sqlite3.Error) as error:
        raise _coded(target, error) from error


def _coded(target: str, error: BaseException) -> UserError | UnavailableError:
    if getattr(error, "errno", None) in _FULL or is_disk_full(error):
        return disk_full(f"writing '{target}'")
    is_busy = getattr(error, "sqlite_errorcode", None) in _BUSY
    if is_busy or "lock" in str(error).casefold():
        return UnavailableError(
            "DATA031", f"'{target}' is in use: {first_line(error)}", "try again when it is free."
        )
    return UserError(
        "DATA044",
        f"'{target}' cannot be written: {first_line(error)}",
        "check that the folder exists, that it may be written, and what is there already.",
    )


def mismatch(target: str, there: dict[str, str], new: dict[str, str]) -> UserError:
    """Make the error for appending to a table with other columns."""
    parts = [f"{n} is {there[n]} there and {new[n]} here" for n in new if n in there and there[n] != new[n]]
    parts += [f"{n} is only there" for n in there if n not in new]
    parts += [f"{n} is only here" for n in new if n not in there]
    why = "; ".join(parts[:5]) or "the order of the columns differs"
    return UserError(
        "DATA042",
        f"the rows cannot be appended to '{target}': {why}.",
        "write with mode='replace', or to another place.",
    )
