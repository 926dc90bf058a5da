"""Removing what nothing needs: mark from the names, then sweep what is old and unmarked."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from weft.core import UserError
from weft.flow.files import Files, LocalFiles, RemoteFiles, Stat
from weft.flow.lease import oldest_start
from weft.flow.locks import FileLock, exclusive
from weft.flow.place import DIGEST, LINKED, blob_name, digest_of
from weft.flow.temporary import clean_dead

_BATCH = 1000


@dataclass(frozen=True)
class Swept:
    """What `weft.flow.Store.gc` removed, or would remove.

    Attributes:
        num_blobs: Blobs that nothing reached.
        num_bytes: Their size.
        num_refs: Results of nodes that no run used for a while, now forgotten.
        num_leftovers: Temporary folders of processes that were killed.
        num_kept: Blobs that stay.
        is_dry_run: Nothing was removed.
    """

    num_blobs: int
    num_bytes: int
    num_refs: int
    num_leftovers: int
    num_kept: int
    is_dry_run: bool


@dataclass
class _Marks:
    """Blobs that stay, and the records of nodes among them."""

    blobs: set[str] = field(default_factory=set)
    refs: dict[str, float] = field(default_factory=dict)


def sweep(
    local: LocalFiles, remote: RemoteFiles | None, *, grace_s: float, keep_s: float, dry_run: bool
) -> Swept:
    """Do the work of `weft.flow.Store.gc`."""
    files: Files = remote or local
    now_s = _clock(files)
    cutoff_s = oldest_start(local, remote, now_s) - grace_s
    leftovers = 0 if dry_run else clean_dead(local.root / "tmp")
    stale, marks = _mark(files, min(cutoff_s, now_s - keep_s))
    blobs = list(files.list("blobs"))
    doomed = [(n, s) for n, s in blobs if digest_of(n) not in marks.blobs and _is_older(s, cutoff_s)]
    if not dry_run:
        stale = _remove(local, files, stale, min(cutoff_s, now_s - keep_s), set(), now_s)
        doomed = _remove(local, files, doomed, cutoff_s, marks.blobs, now_s)
        _clean_claims(local)
        _clean_unfinished(local, min(cutoff_s, now_s - keep_s))
        _clean_remote(local, remote, cutoff_s)
    size = sum(s.size for _, s in doomed)
    return Swept(len(doomed), size, len(stale), leftovers, len(blobs) - len(doomed), dry_run)


def _clock(files: Files) -> float:
    """Return the time by the clock of the place itself, by which its files are dated."""
    name = f"gc/{time.time_ns()}"
    files.write(name, b"")
    found = files.stat(name)
    files.remove(name)
    if found is None or found.modified_s is None:
        raise UserError(
            "FLOW020",
            f"{files.describe('')} does not say how old its files are, so nothing can be removed safely.",
            "keep the store in a folder, or on s3:// or gs://.",
        )
    return found.modified_s


def _mark(files: Files, ref_cutoff_s: float) -> tuple[list[tuple[str, Stat]], _Marks]:
    """Follow every name; return the refs of nodes to be forgotten, and what stays."""
    marks = _Marks()
    nodes: list[tuple[str, Stat, str]] = []
    for name, stat in files.list("refs"):
        if (digest := _target(files, name)) is None:
            continue
        if name.startswith(("refs/nodes/", "refs/attempts/")):
            nodes.append((name, stat, digest))
        elif name.startswith("refs/plans/"):
            marks.blobs.add(digest)  # to explain the next run; it keeps no results alive
        else:
            _follow(files, digest, marks.blobs)
    stale = []
    for name, stat, digest in nodes:
        if digest in marks.blobs or not _is_older(stat, ref_cutoff_s):
            _follow(files, digest, marks.blobs)
        else:
            stale.append((name, stat))
    return stale, marks


def _follow(files: Files, digest: str, marked: set[str]) -> None:
    todo = [digest]
    while todo:
        name = todo.pop()
        if name in marked and name != digest:
            continue
        marked.add(name)
        todo.extend(link for link in _links(files, name) if link not in marked)


def _links(files: Files, digest: str) -> Iterator[str]:
    name = blob_name(digest)
    try:
        if files.read(name, len(LINKED)) == LINKED:
            yield from (d for d in json.loads(files.read(name))["$links"] if DIGEST.fullmatch(str(d)))
    except FileNotFoundError:
        return
    except (ValueError, TypeError):
        return  # a user's file that begins alike


def _target(files: Files, name: str) -> str | None:
    try:
        text = files.read(name).decode(errors="replace").strip()
    except FileNotFoundError:
        return None
    return text if DIGEST.fullmatch(text) else None


def _remove(
    local: LocalFiles,
    files: Files,
    doomed: list[tuple[str, Stat]],
    cutoff_s: float,
    marked: set[str],
    now_s: float,
) -> list[tuple[str, Stat]]:
    """Remove files unless they were used since they were listed; return those that went.

    Writers hold the store's lock together while they write or mark as used; this holds it alone,
    so what it looks at again cannot change before it is removed.
    """
    removed = []
    for start in range(0, len(doomed), _BATCH):
        with exclusive(local.path("lock")):
            fresh = set(marked)
            for name, stat in list(files.list("refs")):
                if not _is_older(stat, now_s) and (digest := _target(files, name)):
                    _follow(files, digest, fresh)
            for name, _ in doomed[start : start + _BATCH]:
                stat_now = files.stat(name)
                if stat_now and _is_older(stat_now, cutoff_s) and digest_of(name) not in fresh:
                    files.remove(name)
                    removed.append((name, stat_now))
    return removed


def _clean_claims(local: LocalFiles) -> None:
    """Remove the claims of processes that were killed; a living holder keeps its own."""
    for name, _ in list(local.list("claims")):
        claim = FileLock(local.path(name))
        if claim.try_acquire():
            claim.release()


def _clean_unfinished(local: LocalFiles, cutoff_s: float) -> None:
    """Remove how far nodes were that were killed and never taken up again."""
    for name, stat in list(local.list("unfinished")):
        if _is_older(stat, cutoff_s):
            local.remove(name)


def _clean_remote(local: LocalFiles, remote: RemoteFiles | None, cutoff_s: float) -> None:
    """Remove uploads that were cut off, and copies on this machine of what the store lost."""
    if remote is None:
        return
    for name, stat in list(remote.list("tmp")):
        if _is_older(stat, cutoff_s):
            remote.remove(name)
    there = {name for name, _ in remote.list("blobs")}
    with exclusive(local.path("lock")):
        for name, _ in list(local.list("blobs")):
            if name not in there:
                local.remove(name)


def _is_older(stat: Stat, cutoff_s: float) -> bool:
    return stat.modified_s is not None and stat.modified_s < cutoff_s
