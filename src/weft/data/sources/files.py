"""Files of a folder, on this machine or behind any fsspec URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from weft.core import UnavailableError, UserError, missing_extra

_COMPRESSION = {"gz": "gzip", "zst": "zstd", "bz2": "bz2"}
_SUFFIX = re.compile(r"\.(parquet|pq|csv|tsv|txt)(?:\.(gz|zst|bz2))?$", re.IGNORECASE)


@dataclass(frozen=True)
class DataFile:
    """One file: where it is, how it is written, and what its folders say.

    Attributes:
        filesystem: The fsspec file system.
        path: Full path in it.
        relative: Path below the folder that was connected.
        size_bytes: As listed.
    """

    filesystem: Any
    path: str
    relative: str
    size_bytes: int

    @property
    def format(self) -> str:
        """``parquet`` or ``text``."""
        suffix = _suffix(self.path)
        return "parquet" if suffix and suffix[0] in ("parquet", "pq") else "text"

    @property
    def is_loose_text(self) -> bool:
        """Whether the name says nothing about what is inside."""
        suffix = _suffix(self.path)
        return bool(suffix and suffix[0] == "txt")

    @property
    def compression(self) -> str | None:
        """Name of the compression around a text file."""
        suffix = _suffix(self.path)
        return _COMPRESSION[suffix[1]] if suffix and suffix[1] else None

    @property
    def stem(self) -> str:
        """The file's name without its endings."""
        return _SUFFIX.sub("", PurePosixPath(self.path).name)

    def open_arrow(self) -> pa.NativeFile:
        """Open the bytes as they lie."""
        if is_local(self.filesystem):
            return pa.OSFile(self.path, "rb")
        return pa.PythonFile(self.filesystem.open(self.path, "rb"), mode="r")

    def open_text(self) -> pa.NativeFile:
        """Open the bytes of a text file, decompressed."""
        raw = self.open_arrow()
        return pa.CompressedInputStream(raw, self.compression) if self.compression else raw


def _suffix(path: str) -> tuple[str, str] | None:
    match = _SUFFIX.search(path)
    return (match[1].lower(), (match[2] or "").lower()) if match else None


def is_data_file(name: str) -> bool:
    """Say whether a file of this name can hold a table."""
    return _suffix(name) is not None


def is_hidden(name: str) -> bool:
    """Say whether a file or folder of this name is passed over."""
    return name.startswith((".", "_"))


def is_local(filesystem: Any) -> bool:
    """Say whether the files are on this machine's own file system."""
    protocol = filesystem.protocol
    return "file" in ((protocol,) if isinstance(protocol, str) else protocol)


def open_folder(url: str) -> tuple[Any, str]:
    """Return the file system and the path of a folder or URL.

    Raises:
        UserError: ``DATA020`` when there is no such folder, ``EXT001`` when the protocol needs a
            package that is not installed.
        UnavailableError: ``DATA029`` when the storage does not answer.
    """
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        is_folder = filesystem.isdir(path)
    except ImportError as error:
        scheme = url.split("://")[0]
        raise missing_extra(f"'{scheme}://'", str(error).split("Install ")[-1], scheme) from None
    except ValueError as error:
        raise UserError(
            "DATA020", f"'{url}' cannot be opened: {error}.", "give a folder or a URL that fsspec knows."
        ) from None
    except Exception as error:
        raise UnavailableError(
            "DATA029",
            f"'{url}' did not answer: {type(error).__name__}.",
            "check the address and the network.",
        ) from error
    if not is_folder:
        raise UserError(
            "DATA020", f"there is no folder '{url}'.", "give a folder, a database file or a database URL."
        )
    return filesystem, path.rstrip("/") or "/"


def walk(filesystem: Any, folder: str) -> Iterator[DataFile]:
    """Yield the data files below ``folder`` in order of their paths, hidden ones left out."""
    yield from _walk(filesystem, folder, folder)


def _walk(filesystem: Any, root: str, folder: str) -> Iterator[DataFile]:
    entries = sorted(filesystem.ls(folder, detail=True), key=lambda e: _natural(e["name"]))
    for entry in entries:
        path = entry["name"].rstrip("/")
        name = PurePosixPath(path).name
        if is_hidden(name) or path == folder:
            continue
        if entry["type"] == "directory":
            yield from _walk(filesystem, root, path)
        elif is_data_file(name):
            relative = path.removeprefix(root).lstrip("/")
            yield DataFile(filesystem, path, relative, int(entry["size"] or 0))


def _natural(path: str) -> list[tuple[int, int, str]]:
    """Order ``part-10`` after ``part-9``."""
    pieces = re.split(r"(\d+)", path)
    return [(1, int(p), p) if p.isdecimal() else (0, 0, p) for p in pieces]
