"""Batches on disk, shared by trainers in several processes."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import mmap
import os
import re
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from weft.core import MOST_UINT64, Batch, UserError, check_integer, to_json
from weft.graph.wire import WIRE_VERSION, decode_batch, encode_batch

Array = np.ndarray[Any, Any]

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[0-9a-f]{64}")
_LOCK = "lock"
_BATCH = ".batch"
_TEMPORARY = ".tmp"


def batch_key(*, graph: str, options: Any, seeds: tuple[Array, ...], epoch: int, number: int) -> str:
    """Name a batch by all that decides on its bytes.

    Args:
        graph: Digest of the graph.
        options: Plain values or frozen dataclasses: what is sampled, and how.
        seeds: Rows and anchor times of the batch's seeds, or keys for both.
        epoch: Number of the pass over the seeds.
        number: Of the batch within the epoch.

    Returns:
        SHA-256 as 64 hexadecimal digits.
    """
    epoch = check_integer("GRAPH067", "the epoch of a key", epoch, most=MOST_UINT64)
    number = check_integer("GRAPH067", "the number of a batch", number, most=MOST_UINT64)
    words = [WIRE_VERSION, graph, options, epoch, number, [(a.dtype.str, a.shape) for a in seeds]]
    digest = hashlib.sha256(to_json(words).encode())
    for array in seeds:
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


class BatchCache:
    """A folder of batches that was made once and is read by many.

    Any number of threads and processes may share the folder. A batch is a file that is written aside and
    then renamed, so that there is a whole one or none; readers map it and keep it when it is evicted. Where
    one more batch would exceed the limit, those that were used longest ago go first. A batch that is
    damaged is dropped, with a warning in the log, and made again. When the folder takes no batch, because
    the disk is full, say, batches are made and not kept, and the log has one warning.

    A batch made by several threads of one process at once is made by the first; processes do not wait for
    each other, and the last to write wins, with equal bytes.

    Args:
        folder: Is made if need be; holds nothing else.
        max_bytes: Most bytes of all batches together, those being written included.

    Raises:
        UserError: GRAPH067 when the limit is below 1, or a key is not one that `batch_key` makes.
    """

    def __init__(self, folder: str | Path, *, max_bytes: int) -> None:
        self._folder = Path(folder)
        self._max_bytes = check_integer("GRAPH067", "max_bytes of a batch cache", max_bytes, least=1)
        self._has_warned = False
        self._forget()
        _caches.add(self)

    def __reduce__(self) -> tuple[Callable[[str, int], BatchCache], tuple[str, int]]:
        return _opened, (str(self._folder), self._max_bytes)

    def get(self, key: str, make: Callable[[], Batch]) -> Batch:
        """Read the batch of a key, or make and keep it.

        Args:
            key: From `batch_key`.
            make: Makes the batch; what it raises is raised here, and in all threads that wait for it.

        Returns:
            The batch as made, or with arrays that are views of a private map of the file, or a copy. Its
            arrays are the caller's own, to write to as well.
        """
        if not _KEY.fullmatch(key):
            raise UserError("GRAPH067", f"'{key}' is not the key of a batch.", "make keys by batch_key.")
        batch = self._read(key)
        if batch is not None:
            return batch
        mine: Future[Batch] = Future()
        with self._lock:
            first = self._making.setdefault(key, mine)
        if first is mine:
            return self._make(key, make, mine)
        # Each caller may write to what it got, so those who waited get copies.
        return decode_batch(encode_batch(first.result()))

    def kept_bytes(self) -> int:
        """Return the bytes of the batches that are in the folder now."""
        return sum(size for _, size, _ in self._files())

    def _make(self, key: str, make: Callable[[], Batch], mine: Future[Batch]) -> Batch:
        try:
            # Who made it since it was looked for has left the file.
            batch = self._read(key)
            if batch is None:
                batch = make()
                self._keep(key, batch)
            mine.set_result(batch)
            return batch
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                self._making.pop(key, None)

    def _read(self, key: str) -> Batch | None:
        path = self._folder / (key + _BATCH)
        try:
            with open(path, "rb") as file:
                # Private and writable: torch takes such arrays without a copy, and the file stays.
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
                # The time of change is the time of use here; that of access is not kept everywhere.
                with suppress(OSError):
                    os.utime(file.fileno())
            return decode_batch(mapped)
        except FileNotFoundError:
            pass
        except OSError as error:
            _log.warning("%s cannot be read and is made again: %s", path, error)
        except ValueError as error:
            # An empty file cannot be mapped; what is damaged cannot be decoded.
            _log.warning("%s is dropped and made again: %s", path, str(error).partition("\n")[0])
            with suppress(OSError):
                path.unlink()
        return None

    def _keep(self, key: str, batch: Batch) -> None:
        data = encode_batch(batch)
        try:
            is_kept = self._write(key, data)
            reason = f"a batch of {len(data)} bytes does not fit into {self._max_bytes}"
        except OSError as error:
            is_kept, reason = False, str(error)
        if not is_kept and not self._has_warned:
            self._has_warned = True
            _log.warning("batches are made and not kept in %s: %s", self._folder, reason)

    def _write(self, key: str, data: Array) -> bool:
        """Write a batch aside and rename it; return whether there was room."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._locked() as lock:
            if not self._make_room(lock, len(data)):
                return False
            file, name = self._reserve(len(data))
        try:
            os.posix_fallocate(file, 0, len(data))
            _write_all(file, data)
            Path(name).replace(self._folder / (key + _BATCH))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        finally:
            _release(file)
        return True

    def _reserve(self, size: int) -> tuple[int, str]:
        """Make the file that a batch is written to, of its size at once, for others to count."""
        file, name = tempfile.mkstemp(_TEMPORARY, dir=self._folder)
        try:
            # Whoever finds this lock free knows that the writer has died.
            fcntl.flock(file, fcntl.LOCK_EX)
            os.ftruncate(file, size)
        except OSError:
            Path(name).unlink()
            os.close(file)
            raise
        return file, name

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Hold the lock of the folder, in whose file the bytes of all batches stand."""
        file = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            _release(file)

    def _make_room(self, lock: int, size: int) -> bool:
        """Note ``size`` more bytes, after evicting what must go for them."""
        text = os.pread(lock, 20, 0)
        if text.isdigit() and (total := int(text) + size) <= self._max_bytes:
            return _note(lock, total)
        # In this order a batch that is renamed meanwhile counts twice and not never.
        total = size + self._sweep()
        files = sorted(self._files())
        total += sum(one for _, one, _ in files)
        # Some more than must go, so that not every batch has to look at all files.
        goal = max(size, self._max_bytes * 9 // 10)
        for _, one, path in files:
            if total <= goal or size > self._max_bytes:
                break
            Path(path).unlink(missing_ok=True)
            total -= one
        return total <= self._max_bytes and _note(lock, total)

    def _files(self) -> Iterator[tuple[int, int, str]]:
        """Yield when each batch was used, its bytes, and its path."""
        for entry, status in self._entries(_BATCH):
            yield status.st_mtime_ns, status.st_size, entry.path

    def _sweep(self) -> int:
        """Remove what dead writers left; return the bytes of those at work."""
        at_work = 0
        for entry, status in self._entries(_TEMPORARY):
            with suppress(FileNotFoundError):
                file = os.open(entry.path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    Path(entry.path).unlink()
                except BlockingIOError:
                    at_work += status.st_size
                finally:
                    _release(file)
        return at_work

    def _entries(self, ending: str) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
        if not self._folder.exists():
            return
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.name.endswith(ending):
                        yield entry, entry.stat()

    def _forget(self) -> None:
        """Begin without a batch being made; in a forked process its maker is elsewhere."""
        self._lock = threading.Lock()
        self._making: dict[str, Future[Batch]] = {}


def _opened(folder: str, max_bytes: int) -> BatchCache:
    return BatchCache(folder, max_bytes=max_bytes)


def _write_all(file: int, data: Array) -> None:
    rest = data.data
    while len(rest):
        rest = rest[os.write(file, rest) :]


def _note(lock: int, total: int) -> bool:
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(total).encode(), 0)
    return True


def _release(file: int) -> None:
    """Unlock, and then close: a process forked meanwhile holds the file open, and with it the lock."""
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_UN)
    os.close(file)


_caches: weakref.WeakSet[BatchCache] = weakref.WeakSet()


def _forget_all() -> None:
    for cache in list(_caches):
        cache._forget()


os.register_at_fork(after_in_child=_forget_all)
