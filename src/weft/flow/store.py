"""The content-addressed store: blobs named by SHA-256, and names that point to them."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from weft.core import UserError, digest_bytes, digest_file
from weft.flow import lease, sweep
from weft.flow.faults import coded, damaged_blob, missing_blob
from weft.flow.files import Files, LocalFiles
from weft.flow.locks import FileLock, shared
from weft.flow.place import DIGEST, LINKED, blob_name, digest_of, open_place, ref_clash, ref_name
from weft.flow.sound import SoundBlobs, copy_and_digest

FORMAT = 1
_FORMAT_FILE = "store.json"


class Store:
    """Immutable content under its SHA-256, and names (refs) that point to it.

    Writes are all or nothing, what is read is checked against its name, and any number of
    threads and processes may use one store at once.

    Args:
        url: The store's own folder (``project/.weft``), or a URL that fsspec opens.
        cache: For a store that is not a folder: where blobs are kept on this machine. By default
            a folder of the user's cache.

    Raises:
        UserError: ``EXT001`` when the URL needs a package, ``FLOW017`` for a store that a newer
            Weft made, ``FLOW021`` for a URL that is none.
        UnavailableError: ``FLOW016`` when the place does not answer.
    """

    def __init__(self, url: str | Path, *, cache: str | Path | None = None) -> None:
        self.url = str(url)
        self._remote, root = open_place(self.url, cache)
        self._local = LocalFiles(root)
        self._sound = SoundBlobs(self._local)
        self._uploaded: set[str] = set()
        self._is_marked = False
        self._check_format()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.url, self._local.root if self._remote else None)

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

    @property
    def is_local(self) -> bool:
        """Whether the store is a folder of this machine."""
        return self._remote is None

    # Blobs

    def put_bytes(self, data: bytes) -> str:
        """Keep ``data`` and return its digest."""
        digest = digest_bytes(data)
        name = blob_name(digest)
        with self._writing(), coded(self._local.describe(name)), self._local.temporary() as path:
            path.write_bytes(data)
            self._place(digest, path)
        return digest

    def put_file(self, path: str | Path, *, move: bool = False) -> str:
        """Keep the content of a file and return its digest.

        Args:
            path: The file; it is copied, since what lies in the store must never change.
            move: Take the file itself. It must lie in a `scratch` folder of this store.
        """
        with self._writing(), coded(self._local.describe("blobs")):
            if move:
                digest = digest_file(path)
                self._place(digest, Path(path))
                Path(path).unlink(missing_ok=True)
                return digest
            with self._local.temporary() as copy:
                digest = copy_and_digest(Path(path), copy)
                self._place(digest, copy)
            return digest

    def put_tree(self, source: str | Path | Mapping[str, str]) -> str:
        """Keep a folder, or a mapping of relative names to digests, under one digest.

        Raises:
            UserError: ``FLOW010`` when the mapping names content that is not in the store.
        """
        if isinstance(source, Mapping):
            files = dict(source)
        else:
            base = Path(source)
            paths = sorted(p for p in base.rglob("*") if p.is_file())
            files = {p.relative_to(base).as_posix(): self.put_file(p) for p in paths}
        for digest in files.values():
            if not self.has(digest):
                raise missing_blob(digest)
        return self.put_linked({"kind": "tree", "files": files}, files.values())

    def get_tree(self, digest: str) -> dict[str, str]:
        """Return what `put_tree` kept: relative names and the digests of their content."""
        body = self.get_linked(digest)
        if body.get("kind") != "tree":
            raise UserError(
                "FLOW022", f"blob {digest} is not a tree.", "give a digest that put_tree returned."
            )
        return dict(body["files"])

    def put_linked(self, body: Mapping[str, Any], links: Any) -> str:
        """Keep a JSON object that keeps the blobs ``links`` from being removed while it is kept."""
        linked = {"$links": sorted(set(links)), **body}
        text = json.dumps(linked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return self.put_bytes(text.encode())

    def get_linked(self, digest: str) -> dict[str, Any]:
        """Return the object that `put_linked` kept; empty when the blob is something else."""
        data = self.get_bytes(digest)
        if not data.startswith(LINKED):
            return {}
        found: dict[str, Any] = json.loads(data)
        return found

    def get_bytes(self, digest: str) -> bytes:
        """Return the content of a blob.

        Raises:
            UserError: ``FLOW010`` when it is not there, ``FLOW011`` when it is damaged.
        """
        name = blob_name(digest)
        if self._remote is not None:
            return self.local_path(digest).read_bytes()
        try:
            data = self._local.read(name)
        except FileNotFoundError:
            raise missing_blob(digest) from None
        if digest_bytes(data) != digest:
            raise damaged_blob(digest, self._local.describe(name))
        return data

    def local_path(self, digest: str) -> Path:
        """Return a path on this machine with the content of a blob, to be read only.

        The content is checked the first time and whenever the file has changed since.

        Raises:
            UserError: ``FLOW010`` when it is not there, ``FLOW011`` when it is damaged.
        """
        path = self._local.path(blob_name(digest))
        fault = self._sound.check(digest)
        if fault and self._remote is not None:
            return self._fetch(digest)
        if fault == "missing":
            raise missing_blob(digest)
        if fault:
            raise damaged_blob(digest, str(path))
        return path

    def has(self, digest: str) -> bool:
        """Return whether a blob of this name is in the store; its content is not read."""
        return self._files.stat(blob_name(digest)) is not None

    def check(self, digest: str, size: int | None = None) -> str:
        """Return ``""`` for a blob that is sound, else ``"missing"`` or ``"damaged"``.

        In a local store the content is read (once per process while the file stays unchanged);
        in a remote one presence and size are compared, and the content when it is fetched.
        """
        if self._remote is None:
            return self._sound.check(digest)
        found = self._remote.stat(blob_name(digest))
        if found is None:
            return "missing"
        return "damaged" if size is not None and found.size != size else ""

    def verify(self) -> tuple[str, ...]:
        """Read every blob and return the digests of those that are damaged."""
        names = [name for name, _ in self._files.list("blobs")]
        return tuple(digest_of(n) for n in names if self._digest_now(n) != digest_of(n))

    def num_blobs(self) -> int:
        """Return how many blobs there are."""
        return sum(1 for _ in self._files.list("blobs"))

    def _digest_now(self, name: str) -> str:
        if self._remote is None:
            return digest_file(self._local.path(name))
        return digest_bytes(self._remote.read(name))

    def discard(self, digest: str) -> None:
        """Remove a blob if it is damaged, so that what makes it again is not taken for a copy."""
        name = blob_name(digest)
        if self.is_local and self._sound.check(digest) != "damaged":
            return
        with self._writing():
            self._local.remove(name)
            self._files.remove(name)

    # Refs

    def set_ref(self, name: str, digest: str) -> None:
        """Let ``name`` point to a blob, which from now on is kept.

        Raises:
            UserError: ``FLOW010`` when the blob is not in the store, ``FLOW014`` for a name that
                cannot be one.
        """
        place = ref_name(name)
        with self._writing():
            if not self.has(digest):
                raise missing_blob(digest)
            self._sound.touch(digest)
            with ref_clash(name):
                self._files.write(place, digest.encode())
            if not name.startswith(
                ("nodes/", "attempts/")
            ):  # a result that a power cut takes back is made again
                self._local.sync_folders()

    def get_ref(self, name: str) -> str | None:
        """Return the digest that ``name`` points to, ``None`` when there is no such name.

        Raises:
            UserError: ``FLOW015`` when the ref's file is damaged.
        """
        place = ref_name(name)
        try:
            with ref_clash(name):
                text = self._files.read(place).decode(errors="replace").strip()
        except FileNotFoundError:
            return None
        if not DIGEST.fullmatch(text):
            raise UserError(
                "FLOW015",
                f"ref '{name}' at {self._files.describe(place)} is damaged: it holds {text[:40]!r}.",
                "set it again, or delete it.",
            )
        return text

    def list_refs(self, prefix: str = "") -> dict[str, str]:
        """Return all names below the folder ``prefix`` with their digests, in order of name."""
        found = {name: self.get_ref(name) for name in self.list_ref_names(prefix)}
        return {name: digest for name, digest in found.items() if digest}

    def list_ref_names(self, prefix: str = "") -> list[str]:
        """Return all names below the folder ``prefix`` in order; what they hold is not read."""
        folder = ref_name(prefix.rstrip("/")) if prefix.strip("/") else "refs"
        return sorted(unquote(place.removeprefix("refs/")) for place, _ in self._files.list(folder))

    def delete_ref(self, name: str) -> None:
        """Forget ``name`` if it is there; what only it reached goes with the next `gc`."""
        with self._writing():
            self._files.remove(ref_name(name))

    # Running

    @contextlib.contextmanager
    def scratch(self, stem: str = "scratch") -> Iterator[Path]:
        """Yield a new folder on the store's own disk; it is removed afterwards."""
        with self._writing(), coded(self._local.describe("tmp")):
            folder = self._local.temporaries.new_path(re.sub(r"\W", "_", stem)[:40])
            folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def unfinished(self, key: str) -> Path:
        """Return where the work on a node's key is kept until it has a result; nothing is made there."""
        return self._local.path(f"unfinished/{key}")

    def logs(self, run: str) -> Path:
        """Return the folder of what a run's programs printed on this machine; nothing is made there."""
        return self._local.path(f"logs/{run}")

    def lease(self, name: str, words: str = "") -> contextlib.AbstractContextManager[None]:
        """Keep `gc` from removing anything written or used from now until the block ends."""
        return lease.hold(self._local, self._remote, name, words)

    def gc(
        self, *, grace_s: float = 3600.0, keep_s: float = 30 * 86_400.0, dry_run: bool = False
    ) -> sweep.Swept:
        """Remove what no name reaches; safe while others run and write.

        Names are all refs but those below ``nodes/`` and ``plans/``. The result of a node stays
        as long as a run that used it, or was used in the last ``keep_s`` seconds.

        Args:
            grace_s: What was written or used in the last ``grace_s`` seconds stays, and all that
                was since the oldest run that is alive began.
            keep_s: How long results that no run names are kept for the next.
            dry_run: Only say what would be removed.

        Raises:
            UserError: ``FLOW020`` when the place does not say how old its files are.
        """
        with coded(self._local.describe("")):
            return sweep.sweep(self._local, self._remote, grace_s=grace_s, keep_s=keep_s, dry_run=dry_run)

    def claim(self, key: str, words: str) -> FileLock:
        """Return the lock by which the processes of this machine agree who computes ``key``."""
        return FileLock(self._local.path(f"claims/{key}"), words)

    def refresh(self, names: list[str], digests: list[str]) -> None:
        """Mark refs and blobs as used now, which keeps `gc` from taking them for old."""
        with self._writing():
            for name in names:
                self._touch_ref(name)
            for digest in digests:
                self._sound.touch(digest)

    # Inside

    @property
    def _files(self) -> Files:
        return self._remote or self._local

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Exclude `gc` from removing anything while something is written or marked as used."""
        with contextlib.ExitStack() as stack:
            with coded(self._local.describe("")):
                stack.enter_context(shared(self._local.path("lock")))
            if not self._is_marked:
                self._is_marked = True
                if self._files.stat(_FORMAT_FILE) is None:
                    self._files.write(_FORMAT_FILE, json.dumps({"format": FORMAT}).encode())
            yield

    def _place(self, digest: str, source: Path) -> None:
        """Give the content of ``source``, which is among the temporary files, its name."""
        if self._remote is not None and self._needs_upload(digest, source.stat().st_size):
            self._remote.adopt(blob_name(digest), source)
            self._uploaded.add(digest)
        if self._sound.check(digest) == "":
            self._sound.touch(digest)
        else:
            self._sound.adopt(digest, source)

    def _needs_upload(self, digest: str, size: int) -> bool:
        assert self._remote is not None
        if digest not in self._uploaded:
            return True  # what others sent was never read, so it may be damaged
        found = self._remote.stat(blob_name(digest))
        # An object's time cannot be set, so a copy that may soon be taken for old is sent again.
        return found is None or found.size != size or not self._is_recent(found.modified_s)

    def _is_recent(self, modified_s: float | None) -> bool:
        return modified_s is not None and time.time() - modified_s < 1800

    def _touch_ref(self, name: str) -> None:
        place = ref_name(name)
        if self._remote is None:
            self._local.touch(place)
        else:
            with contextlib.suppress(FileNotFoundError):
                self._remote.write(place, self._remote.read(place))

    def _fetch(self, digest: str) -> Path:
        """Copy a blob from the remote store into the local folder, checking its content."""
        assert self._remote is not None
        name = blob_name(digest)
        with self._writing(), self._local.temporary() as path:
            try:
                self._remote.fetch(name, path)
            except FileNotFoundError:
                raise missing_blob(digest) from None
            if digest_file(path) != digest:
                raise damaged_blob(digest, self._remote.describe(name))
            self._sound.adopt(digest, path)
        return self._local.path(name)

    def _check_format(self) -> None:
        try:
            found = json.loads(self._files.read(_FORMAT_FILE))["format"]
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError):
            found = "damaged"
        if found != FORMAT:
            raise UserError(
                "FLOW017",
                f"the store at {self.url} has format {found}, and this Weft reads format {FORMAT}.",
                "use the version of Weft that made it, or name another store.",
            )
        self._is_marked = True


def _reopen(url: str, cache: Path | None) -> Store:
    return Store(url, cache=cache)
