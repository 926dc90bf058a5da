"""The sources of an application: those of its folder, or of an artifact that a run specification names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from weft.compile.application import (
    APPLICATION_FILE,
    ARTIFACT_FILE,
    Specifications,
    check_files,
    check_specifications,
    keep_sources,
    read_document,
)
from weft.compile.environment import LOCKS, REQUIREMENTS_LOCK, find_lock, lock_project
from weft.flow import Store
from weft.hub.artifacts import Reference, SourceFile
from weft.project.artifacts import fetch_artifact, lock_names, project_files
from weft.project.folder import ProjectFolder


@dataclass(frozen=True)
class Sources:
    """The files of an application, with what they say."""

    folder: Path
    made: Specifications
    is_fetched: bool = False

    @cached_property
    def files(self) -> tuple[SourceFile, ...]:
        """The files of the artifact."""
        return project_files(self.folder, self.made)

    def check(self, given: Mapping[str, Any]) -> None:
        """Refuse specifications that name files which are not there.

        Raises:
            UserError: ``APP024`` for a task's program, ``APP070`` for a Dockerfile.
        """
        check_files(self.made, {f.name for f in self.files}, given)

    def keep(self, store: Store) -> str:
        """Keep what tasks run on; not the specifications, which reach a task as its parameters."""
        said = {APPLICATION_FILE, ARTIFACT_FILE, *(d.name for d in self.made.documents.values())}
        lock = self.made.artifact.lock
        # Where tasks run, nobody knows what the project calls its lock.
        usual = {lock: REQUIREMENTS_LOCK} if lock not in LOCKS else {}
        files = [replace(f, name=usual.get(f.name, f.name)) for f in self.files if f.name not in said]
        return keep_sources(store, files)

    def lock(self, *, anew: bool) -> str:
        """Lock the dependencies where the lock is missing or does not fit; return the lock's name."""
        spec = self.made.artifact
        wanted, lock = self.folder / spec.requirements, self.folder / spec.lock
        is_ours = wanted.is_file() and not self.is_fetched
        if is_ours and (anew or not lock.is_file() or not _fits(self.folder, wanted, spec.lock)):
            lock_project(self.folder, requirements=spec.requirements, lock=spec.lock)
        found = find_lock(self.folder, lock_names(self.made))
        return found.name if found else ""


@contextlib.contextmanager
def open_sources(project: ProjectFolder, made: Specifications, name: str) -> Iterator[Sources]:
    """Yield the sources of a run.

    A run specification that names the artifact which the folder itself is, or none, means the folder. Any
    other artifact is fetched, and its tasks and flows are those that run.

    Raises:
        UserError: ``APP050`` when there is no such artifact, and as `check_specifications`.
    """
    own = ((made.artifact.name or name).lower(), made.artifact.tag)
    wanted = made.run.artifact and (made.run.artifact.lower(), made.run.artifactTag)
    if not wanted or wanted == own:
        yield Sources(project.folder, made)
        return
    with project.store.scratch("artifact") as scratch:
        folder = scratch / "files"
        fetch_artifact(project, Reference(*wanted), folder)
        found = {"mlapplication": read_document(folder / APPLICATION_FILE)}
        if (folder / ARTIFACT_FILE).exists():
            found["artifact"] = read_document(folder / ARTIFACT_FILE)
        ours = {kind: d for kind, d in made.documents.items() if kind in ("run", "deployment")}
        yield Sources(folder, check_specifications(found | ours), is_fetched=True)


def _fits(folder: Path, wanted: Path, lock: str) -> bool:
    """Whether a lock has a fitting version of everything that is asked for directly."""
    found = find_lock(folder, (lock,))
    pins = {}
    for line in found.lines if found else ():
        name, _, version = line.split(" ")[0].partition("==")
        pins[canonicalize_name(name.partition("[")[0])] = version
    for line in wanted.read_text(encoding="utf-8").splitlines():
        text = line.partition(" #")[0].strip()
        if not text or text.startswith(("#", "-")):
            continue
        with contextlib.suppress(InvalidRequirement):
            asked = Requirement(text)
            if asked.marker is not None and not asked.marker.evaluate():
                continue
            chosen = pins.get(canonicalize_name(asked.name))
            if chosen is None or (chosen and not asked.specifier.contains(chosen, prereleases=True)):
                return False
    return True
