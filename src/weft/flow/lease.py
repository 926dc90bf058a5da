"""Leases: how a run that is alive keeps its results from being swept away."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from weft.core import UnavailableError, WeftError
from weft.flow.faults import coded
from weft.flow.files import LocalFiles, RemoteFiles
from weft.flow.locks import FileLock
from weft.flow.place import ref_name
from weft.flow.temporary import clean_dead

_BEAT_S = 60.0
_DEAD_AFTER_S = 900.0
# Whoever only looks whether a lease is alive holds it for much less.
_TAKEN_AFTER_S = 1.0
_FOLDER = "leases"


@contextlib.contextmanager
def hold(local: LocalFiles, remote: RemoteFiles | None, name: str, words: str) -> Iterator[None]:
    """Hold a lease called ``name`` from now until the block ends or the process dies.

    Leftovers of dead processes on this machine are removed on the way in.

    Raises:
        UnavailableError: ``FLOW025`` when somebody holds it.
    """
    place = f"{_FOLDER}/{ref_name(name).removeprefix('refs/')}"
    lock = FileLock(local.path(place), words)
    with coded(local.describe(place)):
        clean_dead(local.root / "tmp")
        if not lock.acquire(limit_s=_TAKEN_AFTER_S):
            raise UnavailableError(
                "FLOW025",
                f"a run named '{name}' is under way ({lock.holder() or 'elsewhere'}).",
                "wait for it to end, or give this run another name.",
            )
    try:
        with _heartbeat(remote, place):
            yield
    finally:
        lock.release()


def oldest_start(local: LocalFiles, remote: RemoteFiles | None, now_s: float) -> float:
    """Return when the oldest lease that is alive began, ``now_s`` when there is none.

    On this machine a lease lives as long as its process; elsewhere, while its heart beats.
    """
    starts = [now_s]
    for name, stat in list(local.list(_FOLDER)):
        lock = FileLock(local.path(name))
        if lock.try_acquire():
            lock.release()
        elif stat.modified_s is not None:
            starts.append(stat.modified_s)
    for name, stat in list(remote.list(_FOLDER)) if remote else []:
        assert remote is not None
        if stat.modified_s is not None and now_s - stat.modified_s < _DEAD_AFTER_S:
            starts.append(stat.modified_s - _age_s(remote, name))
        else:
            remote.remove(name)
    return min(starts)


def _age_s(remote: RemoteFiles, name: str) -> float:
    """Return how long a remote lease had been held at its last beat."""
    try:
        return float(remote.read(name))
    except (FileNotFoundError, ValueError):
        return 0.0


@contextlib.contextmanager
def _heartbeat(remote: RemoteFiles | None, place: str) -> Iterator[None]:
    if remote is None:
        yield
        return
    started = time.monotonic()
    remote.write(place, b"0")
    stopped = threading.Event()

    def beat() -> None:
        while not stopped.wait(_BEAT_S):
            # A beat that is lost is made up for by the next.
            with contextlib.suppress(WeftError):
                remote.write(place, str(time.monotonic() - started).encode())

    thread = threading.Thread(target=beat, name=place, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        with contextlib.suppress(WeftError):
            remote.remove(place)
