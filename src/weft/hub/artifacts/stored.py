"""Artifacts in a store: a folder, or an object store that fsspec reaches."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from weft.flow import Store
from weft.flow.faults import coded
from weft.hub.artifacts.packing import Packed
from weft.hub.artifacts.place import Listed, missing
from weft.hub.artifacts.references import Reference

_ROOT = "artifacts"


class StorePlace:
    """Artifacts as blobs of a store, which refs below ``artifacts`` keep."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def push(self, packed: Packed, name: str, tags: Sequence[str]) -> None:
        """Keep an archive under its digest, then let ``tags`` point to it."""
        with self._store.lease(f"artifact-{packed.digest[:16]}", f"upload of {name}"):
            archive = self._store.put_file(packed.path)
            body = {
                "kind": "artifact",
                "name": name,
                "digest": packed.digest,
                "archive": archive,
                "size_bytes": packed.size_bytes,
            }
            record = self._store.put_linked(body, [archive])
            self._store.set_ref(f"{_ROOT}/{name}/sha256/{packed.digest}", record)
            for tag in tags:
                self._store.set_ref(f"{_ROOT}/{name}/tags/{tag}", record)

    def find(self, reference: Reference) -> str:
        """Return the digest of an artifact."""
        return str(self._body(reference)["digest"])

    def fetch(self, reference: Reference, target: Path) -> str:
        """Write the archive of an artifact to ``target`` and return the artifact's digest."""
        body = self._body(reference)
        source = self._store.local_path(str(body["archive"]))
        with coded(str(target)):
            shutil.copyfile(source, target)
        return str(body["digest"])

    def list(self, name: str | None = None) -> tuple[Listed, ...]:
        """Return the tags of one artifact or of all, in order."""
        refs = self._store.list_refs(_ROOT if name is None else f"{_ROOT}/{name}/tags")
        found = []
        for ref, record in refs.items():
            _, *words, kind, tag = ref.split("/")
            if kind == "tags" and (name is None or "/".join(words) == name):
                body = self._store.get_linked(record)
                found.append(Listed("/".join(words), tag, str(body["digest"]), int(body["size_bytes"])))
        return tuple(found)

    def _body(self, reference: Reference) -> dict[str, object]:
        kind, last = ("sha256", reference.digest) if reference.digest else ("tags", reference.tag)
        record = self._store.get_ref(f"{_ROOT}/{reference.name}/{kind}/{last}")
        body = self._store.get_linked(record) if record else {}
        if body.get("kind") != "artifact":
            raise missing(reference, self._store.url, [listed.tag for listed in self.list(reference.name)])
        return body
