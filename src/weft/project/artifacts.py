"""Artifacts of a project: packed, kept somewhere, listed and pulled."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.compile.application import (
    APPLICATION_FILE,
    ARTIFACT_FILE,
    Specifications,
    read_specifications,
)
from weft.compile.environment import TOOL_LOCKS, find_lock
from weft.core import UserError
from weft.flow.faults import coded
from weft.hub.artifacts import (
    Listed,
    Packed,
    Place,
    Reference,
    SourceFile,
    is_tag,
    open_artifacts,
    pack,
    parse_reference,
    select_files,
    unpack,
)
from weft.project.folder import ProjectFolder
from weft.project.view import text_table
from weft.project.views import View

# Where artifacts are kept when no address is given.
PLACE_VARIABLE = "WEFT_ARTIFACTS"


@dataclass(frozen=True)
class _Wanted:
    """What a project's files say of its artifact."""

    name: str
    tag: str
    made: Specifications


def lock_names(made: Specifications) -> tuple[str, ...]:
    """Return which files may be a project's lock, in order."""
    return (*TOOL_LOCKS, made.artifact.lock, made.artifact.requirements)


def project_files(folder: Path, made: Specifications) -> tuple[SourceFile, ...]:
    """Return the files of a project's artifact: what ``artifact.json`` chooses, itself, and the lock.

    Raises:
        UserError: As `select_files`; ``APP054`` for dependencies that are not locked: what cannot be
            installed would fail on the machine that runs it.
    """
    spec = made.artifact
    lock = find_lock(folder, lock_names(made))
    needed = [name for name in (APPLICATION_FILE, ARTIFACT_FILE) if (folder / name).exists()]
    include = [*(spec.include or ["**"]), *needed, *([lock.name] if lock else [])]
    return select_files(folder, include=include, exclude=spec.exclude)


def create_artifact(
    project: ProjectFolder, *, tag: str | None = None, output: str | Path | None = None
) -> View:
    """Pack everything runnable of a project into one file.

    Args:
        project: With ``mlapplication.json``.
        tag: Instead of the one in ``artifact.json``.
        output: The file; ``name-tag.weft`` in the project's folder when left out.

    Raises:
        UserError: ``APP040`` to ``APP049`` for what cannot be packed, ``APP054`` for dependencies that are
            not locked.
    """
    wanted = _read(project, tag)
    path = Path(output) if output else project.folder / _file_name(wanted)
    packed = _pack(project, wanted, path)
    plain = _plain(Reference(wanted.name, wanted.tag), packed) | {"path": str(path)}
    return View(f"{_line(plain)}\n{path}", plain)


def upload_artifact(project: ProjectFolder, *, tag: str | None = None, to: str | None = None) -> View:
    """Pack a project and keep the archive where others find it.

    Args:
        project: With ``mlapplication.json``.
        tag: Instead of the one in ``artifact.json``; moved when it is there already.
        to: A folder, the URL of a store, or ``oci://host/path``. Else what ``WEFT_ARTIFACTS`` says, else the
            project's own store.

    Raises:
        UserError: As `create_artifact`; ``APP051`` and ``APP052`` for a place that cannot be used.
        UnavailableError: ``APP053`` or ``FLOW016`` for one that does not answer.
    """
    wanted = _read(project, tag)
    place, where = _place(project, to)
    with project.store.scratch("artifact") as scratch:
        packed = _pack(project, wanted, scratch / _file_name(wanted))
        place.push(packed, wanted.name, [wanted.tag])
    plain = _plain(Reference(wanted.name, wanted.tag), packed) | {"place": where}
    return View(f"{_line(plain)}\nkept at {where}", plain)


def list_artifacts(project: ProjectFolder, *, name: str | None = None, place: str | None = None) -> View:
    """List the tags of artifacts.

    Args:
        project: Whose store is looked in when no place is given.
        name: Only this artifact. A registry is asked for the project's own when it is left out.
        place: As ``to`` of `upload_artifact`.
    """
    opened, where = _place(project, place)
    if name is not None:
        name = parse_reference(name).name
    elif where.startswith("oci"):
        name = _read(project, None).name
    found = opened.list(name)
    rows = [[f"{t.name}:{t.tag}", f"sha256:{t.digest}", f"{t.size_bytes:,}"] for t in found]
    text = (
        text_table(["artifact", "digest", "bytes"], rows) if rows else f"There are no artifacts at {where}."
    )
    return View(text, {"place": where, "artifacts": [_listed(t) for t in found]})


def pull_artifact(
    project: ProjectFolder, reference: str, *, place: str | None = None, folder: str | Path | None = None
) -> View:
    """Fetch an artifact and unpack it into a new folder, after its content was compared with its digest.

    Args:
        project: Whose store is looked in when no place is given.
        reference: ``name``, ``name:tag`` or ``name@sha256:digest``.
        place: As ``to`` of `upload_artifact`.
        folder: Must be missing or empty; by default the last word of the name, here.

    Raises:
        UserError: ``APP045`` to ``APP048`` for an archive that is refused, ``APP050`` when there is none,
            ``APP059`` for a folder that holds something.
    """
    wanted = parse_reference(reference)
    opened, where = _place(project, place)
    target = Path(folder) if folder else Path(wanted.name.rpartition("/")[2])
    with _beside(target) as scratch:
        digest = opened.fetch(wanted, scratch / "archive.weft")
        manifest = unpack(scratch / "archive.weft", target, digest=wanted.digest or digest)
    plain = {
        "artifact": str(wanted),
        "digest": manifest.digest,
        "place": where,
        "folder": str(target),
        "files": [entry.name for entry in manifest.entries],
    }
    files = len(manifest.entries)
    return View(f"{wanted}  sha256:{manifest.digest}  {files} files\nunpacked into {target}", plain)


def fetch_artifact(project: ProjectFolder, wanted: Reference, folder: Path) -> None:
    """Fetch an artifact from where the project keeps them, and unpack it into a new folder.

    Raises:
        UserError: As `pull_artifact`.
    """
    opened, _ = _place(project, None)
    with _beside(folder) as scratch:
        digest = opened.fetch(wanted, scratch / "archive.weft")
        unpack(scratch / "archive.weft", folder, digest=digest)


def _read(project: ProjectFolder, tag: str | None) -> _Wanted:
    made = read_specifications(project.folder)
    name = made.artifact.name or made.application.name or project.folder.name
    chosen = tag or made.artifact.tag
    # Registries want lower case; a folder's name rarely is meant to differ by it.
    parsed = parse_reference(name.lower())
    if not is_tag(chosen) or parsed.name != name.lower():
        raise UserError(
            "APP049",
            f"'{chosen}' is not a tag.",
            "use letters, digits, '.', '_' and '-', 128 at most, and nothing that looks like a digest.",
        )
    return _Wanted(parsed.name, chosen, made)


def _pack(project: ProjectFolder, wanted: _Wanted, path: Path) -> Packed:
    return pack(project.folder, path, project_files(project.folder, wanted.made))


def _place(project: ProjectFolder, address: str | None) -> tuple[Place, str]:
    chosen = address or os.environ.get(PLACE_VARIABLE)
    if chosen is None:
        return open_artifacts(project.store), str(project.store.url)
    return open_artifacts(chosen), chosen


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Yield a new folder on the disk of ``target``, which is removed afterwards."""
    parent = target.absolute().parent
    with coded(str(parent)):
        parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".weft-", dir=parent)
    with folder as name:
        yield Path(name)


def _file_name(wanted: _Wanted) -> str:
    return f"{wanted.name.replace('/', '-')}-{wanted.tag}.weft"


def _plain(reference: Reference, packed: Packed) -> dict[str, Any]:
    return {
        "artifact": str(reference),
        "digest": packed.digest,
        "files": [entry.name for entry in packed.manifest.entries],
        "size_bytes": packed.size_bytes,
    }


def _line(plain: dict[str, Any]) -> str:
    files = len(plain["files"])
    return f"{plain['artifact']}  sha256:{plain['digest']}  {files} files, {plain['size_bytes']:,} bytes"


def _listed(listed: Listed) -> dict[str, Any]:
    return {"name": listed.name, "tag": listed.tag, "digest": listed.digest, "size_bytes": listed.size_bytes}
