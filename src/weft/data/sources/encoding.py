"""Find how the characters of a text file are written, from all of its bytes."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa

from weft.core import UserError

_CHUNK_BYTES = 1 << 22
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = "cp1252"
_NOT_WESTERN = bytes((0x81, 0x8D, 0x8F, 0x90, 0x9D))


def find_encoding(open_text: Callable[[], pa.NativeFile], path: str) -> str:
    """Return ``utf-8``, ``utf-16``, ``utf-16-le``, ``utf-16-be``, ``utf-32`` or ``cp1252``.

    A file that is not UTF-8 anywhere beyond ASCII is Western European. One that is UTF-8 in one
    place and not in another was glued from two, and no reading of it would be right.

    Raises:
        UserError: ``DATA023`` names the byte and the line.
    """
    chunks = _chunks(open_text)
    head = next(chunks, b"")
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    wide = _wide_without_mark(head)
    return wide or _scan(path, _chain(head, chunks))


def _chunks(open_text: Callable[[], pa.NativeFile]) -> Iterator[bytes]:
    with closing(open_text()) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk


def _chain(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


def _wide_without_mark(head: bytes) -> str | None:
    """Recognize UTF-16 of mostly Western text by where its zero bytes lie."""
    even, odd = head[0:4096:2].count(0), head[1:4096:2].count(0)
    half = max(len(head[:4096]) // 2, 1)
    if odd / half > 0.4 and even / half < 0.1:
        return "utf-16-le"
    return "utf-16-be" if even / half > 0.4 and odd / half < 0.1 else None


@dataclass
class _Scan:
    first_bad: tuple[int, int] | None = None
    has_multibyte: bool = False
    is_western: bool = True


def _scan(path: str, chunks: Iterator[bytes]) -> str:
    scan = _Scan()
    pending, offset, line = b"", 0, 1
    for chunk in chunks:
        if b"\0" in chunk:
            at = offset + len(pending) + chunk.index(b"\0")
            raise _refusal(path, at, line + chunk[: chunk.index(b"\0")].count(b"\n"), "a zero byte")
        data = pending + chunk
        pending = b"" if data.isascii() else _scan_chunk(scan, data, offset, line)
        offset += len(data) - len(pending)
        line += data.count(b"\n")
    if pending:
        scan.first_bad = scan.first_bad or (offset, line)
    return _decide(path, scan)


def _scan_chunk(scan: _Scan, data: bytes, offset: int, line: int) -> bytes:
    """Look at one chunk; return the bytes at its end that the next one may complete."""
    start = 0
    while True:
        try:
            text, used = codecs.utf_8_decode(data[start:], "strict", False)
        except UnicodeDecodeError as error:
            bad = start + error.start
            scan.has_multibyte |= not data[start:bad].isascii()
            scan.first_bad = scan.first_bad or (offset + bad, line + data[:bad].count(b"\n"))
            scan.is_western &= data[bad] not in _NOT_WESTERN
            start = bad + 1
            continue
        scan.has_multibyte |= not text.isascii()
        return data[start + used :]


def _decide(path: str, scan: _Scan) -> str:
    if scan.first_bad is None:
        return "utf-8"
    if scan.has_multibyte:
        raise _refusal(path, *scan.first_bad, "a byte that is not UTF-8, while other characters are")
    if not scan.is_western:
        raise _refusal(path, *scan.first_bad, "a byte that neither UTF-8 nor Windows-1252 has")
    return _WESTERN


def _refusal(path: str, byte: int, line: int, what: str) -> UserError:
    return UserError(
        "DATA023",
        f"'{path}' mixes encodings: line {line} (byte {byte}) holds {what}.",
        "write the file again as UTF-8, or name its encoding with encoding='latin-1'.",
    )
