"""Where a store's files lie: a local folder, or any place that fsspec reaches."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from weft.flow.faults import coded, coded_remote, unreachable
from weft.flow.temporary import Temporaries

# Stores whose PUT is all or nothing; elsewhere a file is written aside and moved.
_ATOMIC_PUT = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "memory", "oci", "oss"}


@dataclass(frozen=True)
class Stat:
    """Size of a file, and when it was written or last touched, in seconds since 1970.

    The time is ``None`` where the place does not keep it.
    """

    size: int
    modified_s: float | None


_RELAXED: ContextVar[bool] = ContextVar("relaxed", default=False)


@contextlib.contextmanager
def relaxed() -> Iterator[None]:
    """Within this block local files are written without waiting for the disk.

    A killed process loses nothing by it. A power cut may leave such a file empty, so this is for what is
    checked when it is read and can be made again.
    """
    token = _RELAXED.set(True)
    try:
        yield
    finally:
        _RELAXED.reset(token)


class Files(Protocol):
    """What a store needs of the place it lies in; every write is all or nothing."""

    def read(self, name: str, size: int | None = None) -> bytes:
        """Return the content of ``name`` or its first ``size`` bytes.

        Raises:
            FileNotFoundError: It is not there.
        """

    def write(self, name: str, data: bytes) -> None:
        """Write ``name``, replacing what is there."""

    def adopt(self, name: str, source: Path) -> None:
        """Make the content of the local file ``source`` the content of ``name``."""

    def stat(self, name: str) -> Stat | None:
        """Return size and time of ``name``, ``None`` when it is not there."""

    def remove(self, name: str) -> None:
        """Remove ``name`` if it is there."""

    def list(self, prefix: str) -> Iterator[tuple[str, Stat]]:
        """Yield all files below the folder ``prefix`` with their names from the root."""

    def describe(self, name: str) -> str:
        """Return the place of ``name`` in words, for messages."""


class LocalFiles:
    """Files in a folder of this machine: written aside, synced to disk, then renamed.

    Until `sync_folders` a power cut may take back whole writes, the latest first, but leaves
    none half done. A killed process loses nothing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.temporaries = Temporaries(root / "tmp")
        self._unsynced: set[Path] = set()

    def path(self, name: str) -> Path:
        """Return where ``name`` lies."""
        return self.root / name

    def describe(self, name: str) -> str:
        """Return the path of ``name``."""
        return str(self.path(name))

    def read(self, name: str, size: int | None = None) -> bytes:
        """Return the content of ``name`` or its first ``size`` bytes."""
        with coded(self.describe(name)), open(self.path(name), "rb") as file:
            return file.read(-1 if size is None else size)

    def write(self, name: str, data: bytes) -> None:
        """Write ``name`` by way of a temporary file."""
        with coded(self.describe(name)), self.temporary() as temporary:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                _sync(file.fileno())
            self._rename(temporary, name)

    def adopt(self, name: str, source: Path) -> None:
        """Move ``source``, a file below this root, to ``name``; from now on it is read-only."""
        with coded(self.describe(name)):
            with open(source, "rb") as file:
                _sync(file.fileno())
                os.fchmod(file.fileno(), 0o444)
            self._rename(source, name)

    def stat(self, name: str) -> Stat | None:
        """Return size and time of ``name``."""
        try:
            with coded(self.describe(name)):
                found = self.path(name).stat()
        except FileNotFoundError:
            return None
        return Stat(found.st_size, found.st_mtime)

    def touch(self, name: str) -> None:
        """Set the time of ``name`` to now, if it is there."""
        with coded(self.describe(name)), contextlib.suppress(FileNotFoundError):
            os.utime(self.path(name))

    def remove(self, name: str) -> None:
        """Remove ``name`` if it is there."""
        with coded(self.describe(name)):
            self.path(name).unlink(missing_ok=True)

    def list(self, prefix: str) -> Iterator[tuple[str, Stat]]:
        """Yield all files below ``prefix``; those that vanish meanwhile are left out."""
        todo = [prefix]
        while todo:
            folder = todo.pop()
            try:
                with coded(self.describe(folder)):
                    entries = sorted(os.scandir(self.path(folder)), key=lambda e: e.name)
            except FileNotFoundError:
                continue
            for entry in entries:
                name = f"{folder}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    todo.append(name)
                elif found := self.stat(name):
                    yield name, found

    @contextlib.contextmanager
    def temporary(self, stem: str = "part") -> Iterator[Path]:
        """Yield a free path on the same file system; what is left there is removed."""
        path = self.temporaries.new_path(stem)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def sync_folders(self) -> None:
        """Force to disk the names of all that was written since; contents already are."""
        folders, self._unsynced = self._unsynced, set()
        for folder in sorted(folders):
            with coded(str(folder)), contextlib.suppress(FileNotFoundError):
                _sync_folder(folder)

    def _rename(self, source: Path, name: str) -> None:
        target = self.path(name)
        if not target.parent.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._unsynced.update(p for p in target.parents if self.root in p.parents or p == self.root)
        source.replace(target)
        self._unsynced.add(target.parent)


class RemoteFiles:
    """Files wherever fsspec reaches: an object store, a server, the memory of this process."""

    def __init__(self, files: Any, root: str) -> None:
        self._opened, self._process = files, os.getpid()
        self._root = root.rstrip("/")
        protocols = {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)
        self._is_atomic = bool(protocols & _ATOMIC_PUT)
        self._scheme = sorted(protocols)[0]

    @property
    def _files(self) -> Any:
        if self._process != os.getpid():
            # Connections do not outlive a fork, and neither do the threads that serve them.
            made = self._opened
            self._opened, self._process = type(made)(*made.storage_args, **made.storage_options), os.getpid()
        return self._opened

    def describe(self, name: str) -> str:
        """Return the address of ``name``."""
        return f"{self._scheme}://{self._path(name).lstrip('/')}"

    def read(self, name: str, size: int | None = None) -> bytes:
        """Return the content of ``name`` or its first ``size`` bytes."""
        with coded_remote(self.describe(name)):
            return bytes(self._files.cat_file(self._path(name), start=0, end=size))

    def fetch(self, name: str, target: Path) -> None:
        """Copy ``name`` to the local file ``target``."""
        with coded_remote(self.describe(name)):
            self._files.get_file(self._path(name), str(target))

    def write(self, name: str, data: bytes) -> None:
        """Write ``name``."""
        with coded_remote(self.describe(name)), self._landing(name) as path:
            self._files.pipe_file(path, data)

    def adopt(self, name: str, source: Path) -> None:
        """Upload ``source``, which stays where it is."""
        with coded_remote(self.describe(name)), self._landing(name) as path:
            self._files.put_file(str(source), path)

    def stat(self, name: str) -> Stat | None:
        """Return size and time of ``name``."""
        with coded_remote(self.describe(name)):
            try:
                info = self._files.info(self._path(name))
            except FileNotFoundError:
                return None
            return None if info.get("type") == "directory" else self._stat(info)

    def remove(self, name: str) -> None:
        """Remove ``name`` if it is there."""
        with coded_remote(self.describe(name)), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def list(self, prefix: str) -> Iterator[tuple[str, Stat]]:
        """Yield all files below ``prefix``."""
        with coded_remote(self.describe(prefix)):
            self._files.invalidate_cache()
            found = self._files.find(self._path(prefix), detail=True)
            self._files.invalidate_cache()
        base = len(self._files._strip_protocol(self._root).rstrip("/")) + 1
        for path in sorted(found):
            yield path[base:], self._stat(found[path])

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _stat(self, info: dict[str, Any]) -> Stat:
        for field in ("LastModified", "last_modified", "mtime", "updated", "modified", "created"):
            if info.get(field) is not None:
                return Stat(int(info["size"]), _seconds(info[field]))
        return Stat(int(info["size"]), None)

    @contextlib.contextmanager
    def _landing(self, name: str) -> Iterator[str]:
        path = self._path(name)
        if self._is_atomic:
            try:
                yield path
            except FileNotFoundError as error:  # what is missing is the bucket
                raise unreachable(self.describe(name), error) from error
            return
        aside = self._path(f"tmp/{os.urandom(8).hex()}")
        self._files.makedirs(self._path("tmp"), exist_ok=True)
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        try:
            yield aside
            self._files.mv(aside, path)
        except BaseException:
            with contextlib.suppress(Exception):
                self._files.rm_file(aside)
            raise


def _seconds(moment: Any) -> float:
    if isinstance(moment, str):
        moment = dt.datetime.fromisoformat(moment)
    if isinstance(moment, dt.datetime):
        return moment.replace(tzinfo=moment.tzinfo or dt.UTC).timestamp()
    return float(moment)


def _sync(file: int) -> None:
    if not _RELAXED.get():
        os.fsync(file)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
