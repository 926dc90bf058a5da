"""Names for content: SHA-256 of bytes, files, plain values and Arrow tables."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.core.codec import to_json

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK_BYTES = 1 << 20


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, read in chunks of 1 MiB."""
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            sha.update(chunk)
    return sha.hexdigest()


def digest_value(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of a plain value or dataclass."""
    return digest_bytes(to_json(value).encode())


def digest_table(table: pa.Table) -> str:
    """Return the SHA-256 of an Arrow table's schema and values.

    Chunking does not count: the same rows in other batches give the same digest.
    """
    import pyarrow as pa

    sha = hashlib.sha256()
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=False)
    with pa.ipc.new_stream(_HashSink(sha), table.schema, options=options) as writer:
        for batch in table.combine_chunks().to_batches():
            writer.write_batch(batch)
    return sha.hexdigest()


class _HashSink:
    """A write-only file that feeds a hash."""

    closed = False

    def __init__(self, sha: Any) -> None:
        self._sha = sha
        self._position = 0

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._sha.update(view)
        self._position += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        return None

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False
