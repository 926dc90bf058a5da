"""Versions moved between hubs with everything they need, and laid out as plain files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from weft.core import InvariantError, UserError
from weft.flow import Store
from weft.flow.place import LINKED
from weft.hub.hub import Hub
from weft.hub.published import About
from weft.hub.records import Kind, Published


@dataclass(frozen=True)
class Copied:
    """What `copy_published` did.

    Attributes:
        published: The version as the other hub knows it.
        num_blobs: Blobs that were copied.
        num_there: Blobs that were there already.
        size_bytes: Of the blobs that were copied.
    """

    published: Published
    num_blobs: int
    num_there: int
    size_bytes: int


def copy_published(
    kind: Kind | str,
    reference: str,
    *,
    source: tuple[Hub, Store],
    target: tuple[Hub, Store],
    on_blob: Callable[[str], None] | None = None,
) -> Copied:
    """Copy a version with its content and its lineage to another hub and store.

    Each blob is compared with its digest when it is read and after it was written. The version is published
    last: killed in between, nothing can be seen of it, and the next copy goes on with what is lacking. It
    keeps its number where that was never given there; the same content published there keeps its version.
    Aliases stay where they are.

    Args:
        kind: What it is.
        reference: As for `Hub.get_published`.
        source: Hub and store that have it.
        target: Hub and store that get it.
        on_blob: Called with the digest of each blob that was copied.

    Raises:
        UserError: When it is not there; ``FLOW010`` or ``FLOW011`` when the store lost or damaged content.
    """
    (hub, store), (other, other_store) = source, target
    found = hub.get_published(kind, reference)
    num_there = num_blobs = size = 0
    with other_store.lease(f"copy {found.name}"):
        for digest in _blobs(store, found.digest):
            if _is_sound(other_store, digest):
                num_there += 1
                continue
            size += _copy_blob(store, other_store, digest)
            num_blobs += 1
            if on_blob is not None:
                on_blob(digest)
        made = _publish(hub, other, other_store, found)
    return Copied(made, num_blobs, num_there, size)


def lay_out_files(store: Store, digest: str, folder: str | Path) -> tuple[str, ...]:
    """Write the files of a tree as copies into a folder; all or nothing.

    Returns:
        Relative names.

    Raises:
        UserError: ``HUB015`` when the folder holds something, ``HUB012`` for a name that leads out of it.
    """
    target = Path(folder).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError("HUB015", f"{target} is not an empty folder.", "name a folder that is not there yet.")
    files = store.get_tree(digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        for name, content in files.items():
            path = aside / safe_name(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(store.local_path(content), path)
        aside.replace(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return tuple(files)


def safe_name(name: str) -> PurePosixPath:
    """Refuse a name of a file that leads out of its folder: a tree may come from anybody.

    Raises:
        UserError: ``HUB012``.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise UserError(
            "HUB012",
            f"a file of the version is called '{name}', which leads out of its folder.",
            "do not use this version.",
        )
    return path


def _blobs(store: Store, digest: str) -> list[str]:
    """Return a blob and all that it links to, what is linked to first."""
    found: dict[str, None] = {}
    todo = [digest]
    while todo:
        name = todo.pop()
        found.pop(name, None)
        found[name] = None
        todo += _links(store, name)
    return list(found)[::-1]


def _links(store: Store, digest: str) -> list[str]:
    with open(store.local_path(digest), "rb") as file:
        if file.read(len(LINKED)) != LINKED:
            return []
    return list(store.get_linked(digest)["$links"])


def _is_sound(store: Store, digest: str) -> bool:
    fault = store.check(digest) if store.has(digest) else "missing"
    if fault == "damaged":
        store.discard(digest)
    return not fault


def _copy_blob(source: Store, target: Store, digest: str) -> int:
    path = source.local_path(digest)
    if (written := target.put_file(path)) != digest:
        raise InvariantError(
            "HUB016",
            f"blob {digest} became {written} while it was copied.",
            "copy it again, and look at the disk.",
        )
    return path.stat().st_size


def _publish(hub: Hub, other: Hub, store: Store, found: Published) -> Published:
    known = {run.id: run.name for run in hub.list_runs()} if found.run_id else {}
    origin = {"hub": hub.place, "run": known.get(found.run_id, ""), "version": found.version}
    about = About(
        found.owner, found.description, found.tags, found.metrics, {**found.facts, "origin": origin}
    )
    made = other.publish(
        found.kind, found.name, digest=found.digest, about=about, store=store, version=found.version
    )
    # The runs stay with the hub that has them; an id of twelve digits names the same one anywhere.
    other.add_edges(hub.lineage(found.digest))
    if found.deprecated is not None:
        made = other.deprecate(found.kind, made.label, found.deprecated)
    return made
