"""What to say when the system refuses a write."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from weft.core import UnavailableError

_IN_THE_WAY = "choose another folder; something that is no folder is in the way."
_SPACE = "free some space or choose another folder, and run it again."
_FORBIDDEN = "allow this user to write there, or choose another folder."
_MISSING = "choose a folder that exists."
_FILES = "allow more open files, and run it again."
# native/src/writefault.hpp says the same.
_HINTS: Mapping[int, str] = {
    errno.EROFS: "choose a folder on a file system that can be written, and run it again.",
    errno.ENOENT: _MISSING,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENAMETOOLONG: "choose a folder with a shorter name.",
    errno.EEXIST: _IN_THE_WAY,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.ELOOP: _IN_THE_WAY,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
}


def refused_write(path: Path | str, error: OSError, *, setting: str = "") -> UnavailableError:
    """Return ``GRAPH010`` for a file or folder, with a hint that fits what the system said.

    Args:
        path: What could not be written.
        error: What the system said.
        setting: Where the folder is chosen, if not by the call; added to the hint.
    """
    hint = _HINTS.get(error.errno or 0, _SPACE) + (f" It is chosen by {setting}." if setting else "")
    return UnavailableError("GRAPH010", f"'{path}' could not be written: {error.strerror or error}.", hint)
