"""What an artifact holds, and the digest that follows from it alone."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from weft.core import UserError, digest_bytes

FORMAT = 1
_MOST_PART_BYTES = 255
_MOST_NAME_BYTES = 2000


@dataclass(frozen=True)
class Entry:
    """One file of an artifact.

    Attributes:
        name: Path from the project's folder, parts separated by ``/``, in Unicode's composed form (NFC).
        is_executable: Whether its owner may run it; no other right is kept.
        size_bytes: Of the content.
        sha256: Of the content.
    """

    name: str
    is_executable: bool
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The files of an artifact in order of their names."""

    entries: tuple[Entry, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of names, executable bits and contents: the same on every machine, whatever packed it."""
        files = [[e.name, e.is_executable, e.sha256] for e in self.entries]
        body = {"files": files, "format": FORMAT}
        return digest_bytes(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode())

    @property
    def size_bytes(self) -> int:
        """Of all contents together."""
        return sum(e.size_bytes for e in self.entries)


def make_manifest(entries: Iterable[Entry]) -> Manifest:
    """Put entries in order.

    Raises:
        UserError: ``APP043`` when two names would be one file on a disk that ignores case.
    """
    ordered = tuple(sorted(entries, key=lambda e: e.name))
    check_clashes(e.name for e in ordered)
    return Manifest(ordered)


def name_fault(name: str) -> str:
    """Return why ``name`` may not be the path of a file below a folder; empty when it may."""
    parts = name.split("/")
    faults = (
        (name.startswith("/"), "its path is absolute"),
        (".." in parts, "its path leaves the folder"),
        (not name or "" in parts or "." in parts, "its path has an empty part"),
        ("\0" in name, "its path holds a null character"),
        (not _is_unicode(name), "its name is not Unicode text"),
        (_is_unicode(name) and _is_long(parts), "its path is too long"),
        (
            _is_unicode(name) and unicodedata.normalize("NFC", name) != name,
            "its name is not in composed form",
        ),
    )
    return next((words for is_so, words in faults if is_so), "")


def check_clashes(names: Iterable[str]) -> None:
    """Refuse names that are the same, or would be on a disk that ignores case; folders count.

    Raises:
        UserError: ``APP043``, with both names.
    """
    spelled: dict[str, str] = {}
    files: set[str] = set()
    folders: set[str] = set()
    for name in names:
        parts = name.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        for path in (*above, name):
            if (other := spelled.setdefault(_folded(path), path)) != path:
                raise _clash(other, path)
        if name in files or name in folders or files.intersection(above):
            raise _clash(name, name)
        files.add(name)
        folders.update(above)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def _clash(one: str, other: str) -> UserError:
    return UserError(
        "APP043",
        f"'{one}' and '{other}' would be one file where a disk ignores case.",
        "rename one of them.",
    )


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_long(parts: list[str]) -> bool:
    sizes = [len(part.encode()) for part in parts]
    return max(sizes) > _MOST_PART_BYTES or sum(sizes) + len(sizes) > _MOST_NAME_BYTES
