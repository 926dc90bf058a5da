"""A folder that appears all at once: written beside its place, then put there by one rename."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weft.core import UserError
from weft.graph import _native
from weft.graph.layout import MANIFEST
from weft.graph.writing import refused_write

_LOCK = "lock"
_GRAPH = "graph"


@contextmanager
def staging(directory: Path) -> Iterator[Path]:
    """Give a new folder beside ``directory`` to write a graph into; remove it when the block is left.

    The folder is held by a lock that ends with its process. What processes that died have left is
    removed first.

    Raises:
        UserError: ``GRAPH024`` when ``directory`` is something other than a graph.
        UnavailableError: ``GRAPH010`` when the folder cannot be made.
    """
    try:
        check_target(directory)
        directory.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(directory)
        place, lock = _make_place(directory)
        (place / _GRAPH).mkdir()
    except OSError as error:
        raise refused_write(directory, error) from error
    try:
        yield place / _GRAPH
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def _make_place(directory: Path) -> tuple[Path, int]:
    """Make a folder and lock it; again when another process took it for stale before it was locked."""
    while True:
        place = Path(tempfile.mkdtemp(prefix=_prefix(directory), dir=directory.parent))
        with suppress(FileNotFoundError):
            lock = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (place / _LOCK).exists() and (place / _LOCK).stat().st_ino == os.fstat(lock).st_ino:
                return place, lock
            os.close(lock)


def check_target(directory: Path) -> None:
    """Refuse a place that holds something other than a graph."""
    if directory.is_dir() and not (directory / MANIFEST).exists() and any(directory.iterdir()):
        raise UserError(
            "GRAPH024",
            f"'{directory}' holds files that are not a graph.",
            "choose a new or an empty folder.",
        )
    if directory.exists() and not directory.is_dir():
        raise UserError("GRAPH024", f"'{directory}' is not a folder.", "choose a new or an empty folder.")


def publish(graph: Path, directory: Path) -> None:
    """Put a finished graph in its place by one rename, in exchange for what is there.

    What was there is removed afterwards; who has it open keeps reading it.

    Raises:
        UnavailableError: ``GRAPH010`` when the file system refuses.
    """
    try:
        sync_folders(graph)
        try:
            graph.rename(directory)
        except OSError:
            if not (directory / MANIFEST).exists():
                raise
            _exchange(graph, directory)
        _sync(directory.parent)
    except OSError as error:
        raise refused_write(directory, error) from error


def _exchange(graph: Path, directory: Path) -> None:
    if not _native.exchange(str(graph), str(directory)):
        # A file system without an exchange takes two renames, between which there is no graph.
        directory.rename(graph.with_name("replaced"))
        graph.rename(directory)


def sync_folders(graph: Path) -> None:
    """Have the names of all files of a graph on the device."""
    for folder, _, _ in os.walk(graph):
        _sync(Path(folder))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_stale(directory: Path) -> None:
    """Remove what builds of the same graph left whose processes have ended."""
    for place in directory.parent.glob(f"{_glob_escaped(_prefix(directory))}*"):
        with suppress(OSError):
            # A folder without a lock file is one that is being made, or one whose maker died at once.
            lock = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(place, ignore_errors=True)
            finally:
                os.close(lock)


def _prefix(directory: Path) -> str:
    return f".{directory.name}.building-"


def _glob_escaped(text: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)
