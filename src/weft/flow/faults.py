"""What goes wrong under a store, as coded errors."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from weft.core import UnavailableError, UserError, WeftError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def is_disk_full(error: BaseException) -> bool:
    """Return whether ``error`` says that a disk or a quota is full."""
    return isinstance(error, OSError) and error.errno in _FULL


def disk_full(where: str) -> UnavailableError:
    """Make the error for a disk or quota that is full."""
    return UnavailableError(
        "FLOW012",
        f"there is no space left for {where}.",
        "free some space (weft store gc removes what nothing needs), then run the same again: "
        "what is finished is kept.",
    )


def out_of_memory(node: str, used_bytes: int, limit_bytes: int) -> UnavailableError:
    """Make the error for processes that use more memory than was asked for."""
    used, limit = used_bytes / 1e6, limit_bytes / 1e6
    return UnavailableError(
        "FLOW019",
        f"node '{node}' used {used:,.0f} MB of memory, more than its {limit:,.0f} MB.",
        "raise its memory in its resources, or give it less to do.",
    )


def missing_blob(digest: str) -> UserError:
    """Make the error for content that is not in the store."""
    return UserError(
        "FLOW010",
        f"blob {digest} is not in the store.",
        "run what made it again, or restore the store from a copy.",
    )


def damaged_blob(digest: str, where: str) -> UserError:
    """Make the error for content that does not match its name."""
    return UserError(
        "FLOW011",
        f"blob {digest} at {where} is damaged: its content does not match its checksum.",
        "run what made it again, which replaces it, or restore it from a copy.",
    )


@contextlib.contextmanager
def coded(where: str) -> Iterator[None]:
    """Turn what the operating system raises into coded errors.

    ``FileNotFoundError`` passes: each caller says what a missing file means.
    """
    try:
        yield
    except (WeftError, FileNotFoundError):
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full(where) from error
        if error.errno in _READ_ONLY or isinstance(error, PermissionError):
            raise UserError(
                "FLOW013",
                f"{where} may not be read or written: {error.strerror or error}.",
                "give this user the right to write there, or name another store.",
            ) from error
        raise unreachable(where, error) from error


@contextlib.contextmanager
def coded_remote(where: str) -> Iterator[None]:
    """Do what `coded` does, and turn every other error of a remote store into a coded one.

    Each driver has exceptions of its own, which say that the place could not be used.
    """
    with coded(where):
        try:
            yield
        except (WeftError, OSError):
            raise
        except Exception as error:
            raise unreachable(where, error) from error


def unreachable(where: str, error: Exception) -> UnavailableError:
    """Make the error for a place that did not answer."""
    return UnavailableError(
        "FLOW016",
        f"{where} did not answer: {type(error).__name__}: {error}.",
        "check that the place exists and can be reached, then try again.",
    )
