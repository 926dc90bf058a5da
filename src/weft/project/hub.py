"""What the commands of the hub do: publish, search, show, pull, copy, trace; models and data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weft.core import UserError, digest_file, format_time, to_plain
from weft.hub import About, Direction, Kind, Published, Reference, copy_published, lay_out_files, read_kind
from weft.hub.artifacts import pack, unpack
from weft.project.datasets import publish_dataset
from weft.project.folder import ProjectFolder
from weft.project.view import count_text, text_table
from weft.project.views import View

_EMPTY = "Nothing is found. Publish something with weft hub publish, or ask for less."


def publish_view(folder: ProjectFolder, kind: str, name: str, content: str, about: About) -> View:
    """Publish a folder or file: tables as a data set, sources as an application, files as a model."""
    if read_kind(kind) is Kind.DATASET:
        made = publish_dataset(
            name,
            content,
            owner=about.owner,
            description=about.description,
            tags=about.tags,
            project=folder,
        ).published
    else:
        made = _publish_files(folder, read_kind(kind), name, Path(content), about)
    return _said(f"Published {made.kind} {made.label}", made)


def _publish_files(folder: ProjectFolder, kind: Kind, name: str, path: Path, about: About) -> Published:
    if not path.is_dir():
        raise UserError("HUB017", f"there is no folder '{path}'.", f"name the folder of the {kind.value}.")
    store = folder.store
    with store.lease(f"publish {name}"), store.scratch("publish") as scratch:
        if kind is Kind.APPLICATION:
            packed = pack(path, scratch / "archive.tar")
            digest = store.put_file(packed.path, move=True)
            facts: dict[str, Any] = {"artifact": packed.digest, "files": len(packed.manifest.entries)}
        else:
            digest, facts = store.put_tree(path), {}
        said = About(about.owner, about.description, about.tags, about.metrics, facts)
        return folder.hub.publish(kind, name, digest=digest, about=said, store=store)


def search_view(
    folder: ProjectFolder,
    words: str = "",
    *,
    kind: str | None = None,
    owner: str | None = None,
    tag: str | None = None,
    all_versions: bool = False,
    deprecated: bool = False,
) -> View:
    """List what was published, newest first."""
    if folder.is_unused:
        return View(_EMPTY, {"found": []})
    found = folder.hub.search(
        words, kind=kind, owner=owner, tag=tag, all_versions=all_versions, deprecated=deprecated
    )
    header = ["kind", "name", "version", "owner", "published", "aliases", "description"]
    rows = [
        [
            one.kind.value,
            one.name,
            str(one.version),
            one.owner or "–",
            _second(one.created_us),
            ", ".join(one.aliases) or "–",
            _described(one),
        ]
        for one in found
    ]
    return View(text_table(header, rows) if rows else _EMPTY, {"found": [to_plain(one) for one in found]})


def show_view(folder: ProjectFolder, reference: str) -> View:
    """Show one version with its aliases' history."""
    found = find_version(folder, reference)
    history = folder.hub.alias_history(found.name, kind=found.kind)
    lines = [f"{found.kind.value} {found.label}", f"  digest       {found.digest}"]
    told = {
        "published": _second(found.created_us),
        "owner": found.owner,
        "description": found.description,
        "tags": ", ".join(f"{k}={v}" if v else k for k, v in found.tags.items()),
        "metrics": ", ".join(f"{k} {v:.4f}" for k, v in found.metrics.items()),
        "aliases": ", ".join(found.aliases),
        "deprecated": found.deprecated or "",
    }
    lines += [f"  {name:<12} {value}" for name, value in told.items() if value]
    for change in history:
        words = f"{_second(change.at_us)}  {change.alias} {change.action.value} {found.name}@{change.version}"
        lines.append("  " + "  ".join(part for part in (words, change.who, change.reason) if part))
    plain = to_plain(found) | {"history": [to_plain(change) for change in history]}
    return View("\n".join(lines), plain)


def pull_view(folder: ProjectFolder, reference: str, out: str | None) -> View:
    """Write the content of a version into a new folder."""
    found = find_version(folder, reference)
    target = Path(out or f"{found.name}-{found.version}")
    if found.kind is Kind.APPLICATION:
        archive = folder.store.local_path(found.digest)
        files: Sequence[str] = [entry.name for entry in unpack(archive, target).entries]
    else:
        files = lay_out_files(folder.store, found.digest, target)
    plain = {"folder": str(target), "files": list(files), "digest": found.digest}
    return View(f"Wrote {count_text(len(files), 'file')} of {found.kind} {found.label} to {target}.", plain)


def copy_view(folder: ProjectFolder, reference: str, to: str) -> View:
    """Copy a version with its content and lineage to the hub and store of another project."""
    found = find_version(folder, reference)
    other = ProjectFolder(to)
    done = copy_published(
        found.kind,
        found.label,
        source=(folder.hub, folder.store),
        target=(other.hub, other.store),
    )
    made = done.published
    text = (
        f"Copied {made.kind} {found.label} to {other.folder} as {made.label}: "
        f"{count_text(done.num_blobs, 'blob')}, {done.size_bytes:,} bytes; {done.num_there} were there."
    )
    return View(text, to_plain(done))


def trace_view(folder: ProjectFolder, what: str, *, uses: bool = False) -> View:
    """Draw where something came from, or what it led to; a path names the file's content."""
    path = Path(what)
    known = digest_file(path) if path.is_file() else what
    found = folder.hub.trace(known, Direction.USES if uses else Direction.SOURCES)
    return View(found.text(), found.plain())


def deprecate_view(folder: ProjectFolder, reference: str, reason: str) -> View:
    """Say that a version is no longer to be used."""
    found = find_version(folder, reference)
    made = folder.hub.deprecate(found.kind, found.label, reason)
    return _said(f"Deprecated {made.kind} {made.label}" if reason else f"{made.label} is in use again", made)


def delete_view(folder: ProjectFolder, reference: str) -> View:
    """Forget a version; its number is not given again."""
    found = find_version(folder, reference)
    made = folder.hub.delete_published(found.kind, found.label, store=folder.store)
    return _said(f"Deleted {made.kind} {made.label}", made)


def promote_view(
    folder: ProjectFolder, model: str, *, alias: str, better_on: str | None, reason: str, who: str = ""
) -> View:
    """Make a version of a model the champion, or what the alias says."""
    made = folder.hub.promote_model(model, alias, better_on=better_on, reason=reason, who=who)
    return _said(f"{made.label} is now {alias}", made)


def rollback_view(folder: ProjectFolder, name: str, *, alias: str, reason: str, who: str = "") -> View:
    """Let an alias point to the version before."""
    made = folder.hub.roll_back(name, alias, reason=reason, who=who)
    return _said(f"{made.label} is {alias} again", made)


def find_version(folder: ProjectFolder, reference: str) -> Published:
    """Return a version of any kind; a name that several kinds share needs the kind before it.

    Raises:
        UserError: ``HUB003`` when there is none, ``HUB004`` when several kinds have the name.
    """
    asked = Reference.parse(reference)
    bare = reference.partition(":")[2] if asked.kind else reference
    known = (k for k in Kind if folder.hub.list_published(k, asked.name))
    kinds = (asked.kind,) if asked.kind else tuple(known)
    if len(kinds) > 1:
        raise UserError(
            "HUB004",
            f"'{reference}' can mean {len(kinds)} things: {', '.join(f'{k.value}:{bare}' for k in kinds)}.",
            "write the kind before it.",
        )
    if not kinds:
        raise UserError(
            "HUB003", f"nothing is published as '{reference}'.", "see what there is: weft hub search."
        )
    return folder.hub.get_published(kinds[0], bare)


def read_about(owner: str, description: str, tags: Sequence[str] | None) -> About:
    """Return what is said about a version; tags are such as ``daily`` and ``team=sales``."""
    parted = (tag.partition("=") for tag in tags or ())
    return About(owner, description, {name: value for name, _, value in parted})


def _said(text: str, made: Published) -> View:
    return View(f"{text}.", to_plain(made))


def _described(one: Published) -> str:
    tags = ", ".join(f"{k}={v}" if v else k for k, v in one.tags.items())
    noted = f"deprecated: {one.deprecated}" if one.deprecated is not None else ""
    return "; ".join(part for part in (one.description, tags, noted) if part) or "–"


def _second(time_us: int) -> str:
    return format_time(time_us - time_us % 1_000_000)
