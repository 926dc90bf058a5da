"""The archive: a plain tar that is a function of its files alone, and a reader that takes nothing else.

The archive is not compressed: what a compressor writes differs between its versions, and an archive that
cannot grow when it is read holds no surprise. Each header is made and read by `tarfile.TarInfo`; the walk
from header to header is our own, since it takes two kinds of member only and never goes back.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from weft.core import UserError
from weft.hub.artifacts.manifest import name_fault

_BLOCK = tarfile.BLOCKSIZE
_CHUNK_BYTES = 1 << 20
_MOST_RECORD_BYTES = 16_384
_RECORD = re.compile(rb"(\d{1,5}) (path|size)=")


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold before it is refused."""

    max_bytes: int = 64 << 30
    max_files: int = 200_000


@dataclass(frozen=True)
class Member:
    """The header of one file in an archive."""

    name: str
    is_executable: bool
    size_bytes: int


def header(name: str, size_bytes: int, *, is_executable: bool) -> bytes:
    """Return the blocks that stand before a file's content: no owner, no time, one of two modes."""
    info = tarfile.TarInfo(name)
    info.size = size_bytes
    info.mode = 0o755 if is_executable else 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def padding(size_bytes: int) -> bytes:
    """Return the zeros that follow a file's content."""
    return b"\0" * (-size_bytes % _BLOCK)


END = b"\0" * (2 * _BLOCK)


class Reader:
    """Reads an archive from front to back.

    Args:
        file: The archive, open for reading bytes.
        size_bytes: Of the archive.
        where: Its path, for messages.
        limits: What it may hold at most.
    """

    def __init__(self, file: BinaryIO, size_bytes: int, where: str, limits: Limits) -> None:
        self._file = file
        self._left = size_bytes
        self._where = where
        self._limits = limits

    def members(self) -> Iterator[Member]:
        """Yield the header of each file; `chunks` must have been read to the end before the next.

        Raises:
            UserError: ``APP045`` for what is no whole artifact, ``APP046`` for a member that may not be
                unpacked, ``APP047`` when there is more than the limits allow.
        """
        seen: set[str] = set()
        total = 0
        while (member := self._next()) is not None:
            if fault := name_fault(member.name):
                raise self.refused(member.name, fault)
            if member.name in seen:
                raise self.refused(member.name, "it is there twice")
            seen.add(member.name)
            total += member.size_bytes
            self._check_limits(len(seen), total)
            yield member
        self._check_rest()

    def chunks(self, member: Member) -> Iterator[bytes]:
        """Yield the content of the member that came last."""
        left = member.size_bytes
        while left:
            chunk = self._read(min(left, _CHUNK_BYTES))
            left -= len(chunk)
            yield chunk
        self._read(len(padding(member.size_bytes)))

    def refused(self, name: str, why: str) -> UserError:
        """Make the error for a member that may not be unpacked."""
        return UserError(
            "APP046",
            f"'{ascii(name)[1:-1][:200]}' in {self._where} is refused: {why}.",
            "do not use this archive; ask whoever made it for one that weft artifact create wrote.",
        )

    def _next(self) -> Member | None:
        info = self._header()
        if info is None:
            return None
        name, size = info.name, info.size
        if info.type == tarfile.XHDTYPE:
            records = self._records(info.size)
            info = self._header()
            if info is None:
                raise self._damaged("it ends within a header")
            name, size = records.get("path", info.name), int(records.get("size", info.size))
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise self.refused(name, f"it is {_KINDS.get(info.type, 'of an unknown kind')}, not a file")
        if not 0 <= size <= self._left:
            raise self._damaged(f"'{ascii(name)[1:-1][:200]}' claims {size:,} bytes, more than there are")
        return Member(name, bool(info.mode & 0o100), size)

    def _header(self) -> tarfile.TarInfo | None:
        block = self._read(_BLOCK)
        if not any(block):
            return None
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError, OverflowError):
            raise self._damaged("it is not a tar archive, or is damaged") from None

    def _records(self, size: int) -> dict[str, str]:
        if not 0 < size <= _MOST_RECORD_BYTES:
            raise self._damaged("it has a header of an unknown kind")
        data, found = self._read(size), {}
        self._read(len(padding(size)))
        while data:
            match = _RECORD.match(data)
            length = int(match[1]) if match else 0
            if match is None or not match.end() < length <= len(data) or data[length - 1 : length] != b"\n":
                raise self._damaged("it has a header of an unknown kind")
            found[match[2].decode()] = data[match.end() : length - 1].decode("utf-8", "surrogateescape")
            data = data[length:]
        if not re.fullmatch(r"[0-9]{1,18}", found.get("size", "0")):
            raise self._damaged("it has a header of an unknown kind")
        return found

    def _check_limits(self, num_files: int, total: int) -> None:
        if num_files > self._limits.max_files or total > self._limits.max_bytes:
            raise UserError(
                "APP047",
                f"{self._where} holds more than {self._limits.max_files:,} files or "
                f"{self._limits.max_bytes:,} bytes.",
                "leave data out of the artifact: publish it as a data set.",
            )

    def _check_rest(self) -> None:
        if any(self._read(_BLOCK)):
            raise self._damaged("something follows its end")
        while self._left:
            if any(self._read(min(self._left, _CHUNK_BYTES))):
                raise self._damaged("something follows its end")

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise self._damaged("it is cut short")
        self._left -= size
        return data

    def _damaged(self, why: str) -> UserError:
        return UserError(
            "APP045",
            f"{self._where} is not a whole artifact: {why}.",
            "pull it again, or make it again with weft artifact create.",
        )


_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder",
    tarfile.CONTTYPE: "of an unknown kind",
    tarfile.GNUTYPE_SPARSE: "a file with holes",
}
