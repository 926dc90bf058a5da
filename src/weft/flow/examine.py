"""Looking a whole store over: every blob against its name, every ref against its blob."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from weft.core import UserError
from weft.flow.place import DIGEST, LINKED, blob_name
from weft.flow.store import Store


@dataclass(frozen=True)
class Fault:
    """A blob or a ref that cannot be used.

    Attributes:
        fault: ``"missing"`` or ``"damaged"`` for a blob, ``"damaged ref"`` for a ref.
        digest: Of the blob; empty for a ref.
        place: Where it lies below the store's root.
        needed_by: The refs that need it, in order.
    """

    fault: str
    digest: str
    place: str
    needed_by: tuple[str, ...]


@dataclass(frozen=True)
class Examined:
    """What a walk over a store found.

    Attributes:
        num_blobs: Blobs whose content was read and compared with their names.
        num_refs: Refs that were followed.
        faults: What cannot be used; empty for a sound store.
    """

    num_blobs: int
    num_refs: int
    faults: tuple[Fault, ...]


def examine_store(store: Store) -> Examined:
    """Read every blob, follow every ref, and name what is damaged or missing with who needs it.

    Nothing is changed. The cost is one read of the whole store.
    """
    damaged = set(store.verify())
    refs, broken = _read_refs(store)
    needed: dict[str, set[str]] = {}
    for name, digest in refs.items():
        for reached in _reach(store, digest, damaged):
            needed.setdefault(reached, set()).add(name)
    missing = {digest for digest in needed if not store.has(digest)}
    faults = [Fault("damaged ref", "", f"refs/{name}", (name,)) for name in broken]
    faults += [
        Fault(kind, digest, blob_name(digest), tuple(sorted(needed.get(digest, ()))))
        for kind, digests in (("missing", missing), ("damaged", damaged))
        for digest in sorted(digests)
    ]
    return Examined(store.num_blobs(), len(refs) + len(broken), tuple(faults))


def _read_refs(store: Store) -> tuple[Mapping[str, str], list[str]]:
    """Return name → digest of the refs that can be read, and the names of those that cannot."""
    refs, broken = {}, []
    for name in store.list_ref_names():
        try:
            if digest := store.get_ref(name):
                refs[name] = digest
        except UserError as error:
            if error.code != "FLOW015":
                raise
            broken.append(name)
    return refs, broken


def _reach(store: Store, digest: str, damaged: set[str]) -> set[str]:
    """Return ``digest`` and every blob that it names, directly or through others."""
    reached, todo = {digest}, [digest]
    while todo:
        name = todo.pop()
        if name in damaged or not store.has(name):
            continue
        fresh = set(_links(store, name)) - reached
        reached |= fresh
        todo.extend(fresh)
    return reached


def _links(store: Store, digest: str) -> list[str]:
    path = store.local_path(digest)
    with open(path, "rb") as file:
        if file.read(len(LINKED)) != LINKED:
            return []
    return [d for d in json.loads(path.read_bytes())["$links"] if DIGEST.fullmatch(str(d))]
