"""A project's folder into one archive, and back."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from weft.core import UserError
from weft.flow.faults import coded
from weft.hub.artifacts.manifest import Entry, Manifest, make_manifest
from weft.hub.artifacts.selection import SourceFile, select_files
from weft.hub.artifacts.tar import END, Limits, Member, Reader, header, padding

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Packed:
    """An archive on disk.

    Attributes:
        digest: Of what is in it, as `Manifest.digest`.
        path: Where it lies.
        manifest: What is in it.
        archive_digest: SHA-256 of the archive's own bytes.
        size_bytes: Of the archive.
    """

    digest: str
    path: Path
    manifest: Manifest
    archive_digest: str
    size_bytes: int


def describe_files(files: Iterable[SourceFile]) -> Manifest:
    """Read files and return what an artifact of them would hold; nothing is written.

    Raises:
        UserError: ``APP044`` for a file that cannot be read.
    """
    return make_manifest(_entry(file) for file in files)


def pack(folder: str | Path, target: str | Path, files: Iterable[SourceFile] | None = None) -> Packed:
    """Pack a folder into the archive ``target``, which is replaced; the same files give the same bytes.

    Args:
        folder: Of the project.
        target: The archive; written aside and renamed.
        files: What to pack; by default what `select_files` finds.

    Raises:
        UserError: As `select_files`; ``APP044`` for a file that cannot be read or changes meanwhile.
    """
    chosen = {f.name: f for f in (select_files(folder) if files is None else files)}
    manifest = describe_files(chosen.values())
    path = Path(target).absolute()
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with coded(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(aside, "xb") as file:
                sink = _Sink(file)
                for entry in manifest.entries:
                    _append(sink, entry, chosen[entry.name])
                sink.write(END)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    return Packed(manifest.digest, path, manifest, sink.sha.hexdigest(), sink.size_bytes)


def unpack(
    archive: str | Path, folder: str | Path, *, digest: str | None = None, limits: Limits | None = None
) -> Manifest:
    """Unpack an archive into ``folder``, which must be missing or empty; all of it or nothing.

    The archive may come from anybody: only plain files below ``folder`` are made.

    Args:
        archive: The archive.
        folder: Where its files go.
        digest: What `Manifest.digest` must be.
        limits: What it may hold at most.

    Raises:
        UserError: ``APP043`` and ``APP045`` to ``APP047`` for an archive that is refused, ``APP048`` when
            it is not what ``digest`` says, ``APP059`` when the folder holds something.
    """
    target = Path(folder).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError("APP059", f"{target} is not an empty folder.", "name a folder that is not there yet.")
    aside = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    with coded(str(target)):
        aside.mkdir(parents=True)
        try:
            manifest = _read(Path(archive), limits or Limits(), aside)
            check_digest(manifest.digest, digest, str(archive))
            aside.replace(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return manifest


def inspect(archive: str | Path, *, limits: Limits | None = None) -> Manifest:
    """Read a whole archive and return what it holds; nothing is written.

    Raises:
        UserError: As `unpack`.
    """
    return _read(Path(archive), limits or Limits(), None)


def check_digest(found: str, wanted: str | None, where: str) -> None:
    """Refuse content that is not what was asked for.

    Raises:
        UserError: ``APP048``.
    """
    if wanted is not None and found != wanted:
        raise UserError(
            "APP048",
            f"{where} holds sha256:{found}, not sha256:{wanted} as asked for.",
            "pull it again; if it stays so, the place was tampered with: tell who keeps it.",
        )


class _Sink:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.sha.update(data)
        self.size_bytes += len(data)


def _entry(file: SourceFile) -> Entry:
    sha, size = hashlib.sha256(), 0
    for chunk in _chunks(file):
        sha.update(chunk)
        size += len(chunk)
    return Entry(file.name, file.is_executable, size, sha.hexdigest())


def _append(sink: _Sink, entry: Entry, source: SourceFile) -> None:
    sink.write(header(entry.name, entry.size_bytes, is_executable=entry.is_executable))
    sha, size = hashlib.sha256(), 0
    for chunk in _chunks(source):
        sha.update(chunk)
        size += len(chunk)
        if size <= entry.size_bytes:
            sink.write(chunk)
    if (size, sha.hexdigest()) != (entry.size_bytes, entry.sha256):
        raise _unreadable(source.name, "it changed while it was packed")
    sink.write(padding(size))


def _chunks(file: SourceFile) -> Iterator[bytes]:
    try:
        with open(file.path, "rb") as reader:
            while chunk := reader.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise _unreadable(file.name, f"it cannot be read: {error.strerror}") from error


def _unreadable(name: str, why: str) -> UserError:
    return UserError(
        "APP044", f"'{name}' was not packed: {why}.", "let nothing write there, then pack again."
    )


def _read(archive: Path, limits: Limits, folder: Path | None) -> Manifest:
    try:
        file = open(archive, "rb")  # noqa: SIM115 - closed below, its absence told apart from other faults
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(
            "APP050", f"there is no artifact at {archive}.", "make one with weft artifact create."
        ) from None
    with file, coded(str(archive)):
        reader = Reader(file, os.fstat(file.fileno()).st_size, str(archive), limits)
        return make_manifest([_take(reader, member, folder) for member in reader.members()])


def _take(reader: Reader, member: Member, folder: Path | None) -> Entry:
    """Read a member, and write it when there is a folder."""
    sha = hashlib.sha256()
    sink = open(os.devnull, "wb") if folder is None else _create(reader, member, folder)  # noqa: SIM115
    with sink:
        for chunk in reader.chunks(member):
            sha.update(chunk)
            sink.write(chunk)
    return Entry(member.name, member.is_executable, member.size_bytes, sha.hexdigest())


def _create(reader: Reader, member: Member, folder: Path) -> BinaryIO:
    path = folder / member.name
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(path, flags, 0o777 if member.is_executable else 0o666), "wb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise reader.refused(member.name, "another member of it is in its way") from None
