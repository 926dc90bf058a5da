"""Which blobs in the local folder are known to be sound."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from weft.core import digest_file
from weft.flow.faults import coded
from weft.flow.files import LocalFiles
from weft.flow.place import blob_name

_CHUNK_BYTES = 1 << 20


class SoundBlobs:
    """Checks blobs against their names, each once while its file stays unchanged.

    A file counts as unchanged while size, time and inode are; only this process's own marks of
    use (`touch`) may change the time.
    """

    def __init__(self, local: LocalFiles) -> None:
        self._local = local
        self._known: dict[str, tuple[int, ...]] = {}

    def check(self, digest: str) -> str:
        """Return ``""`` for a sound blob, else ``"missing"`` or ``"damaged"``."""
        path = self._local.path(blob_name(digest))
        try:
            with coded(str(path)):
                now = _fingerprint(path)
                if self._known.get(digest) == now:
                    return ""
                self._known.pop(digest, None)
                if digest_file(path) != digest:
                    return "damaged"
        except FileNotFoundError:
            self._known.pop(digest, None)
            return "missing"
        self._known[digest] = now
        return ""

    def adopt(self, digest: str, source: Path) -> None:
        """Give ``source``, whose digest was just computed, its name."""
        name = blob_name(digest)
        self._local.adopt(name, source)
        self._remember(digest)

    def touch(self, digest: str) -> None:
        """Set the time of a blob to now, if it is there."""
        name = blob_name(digest)
        with contextlib.suppress(FileNotFoundError):
            is_sound = self._known.get(digest) == _fingerprint(self._local.path(name))
            self._local.touch(name)
            if is_sound:
                self._remember(digest)

    def _remember(self, digest: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._known[digest] = _fingerprint(self._local.path(blob_name(digest)))


def copy_and_digest(source: Path, target: Path) -> str:
    """Copy a file in one pass and return the digest of what was copied."""
    sha = hashlib.sha256()
    with open(source, "rb") as reader, open(target, "xb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            sha.update(chunk)
            writer.write(chunk)
    return sha.hexdigest()


def _fingerprint(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino
