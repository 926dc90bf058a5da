"""The files of an artifact in a store: kept under one digest, and laid out again for a program."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

from weft.core import UserError
from weft.flow import Store


class SourceFile(Protocol):
    """A file that belongs to an artifact: its name there, and where it lies now."""

    @property
    def name(self) -> str:
        """Return the path within the artifact, parts separated by ``/``."""

    @property
    def path(self) -> Path:
        """Return where the file lies."""

    @property
    def is_executable(self) -> bool:
        """Return whether its owner may run it."""


def keep_sources(store: Store, files: Iterable[SourceFile]) -> str:
    """Put the files of an artifact into a store.

    Returns:
        The digest of their tree. It follows from names, contents and which files may be run alone.
    """
    chosen = list(files)
    kept = {file.name: store.put_file(file.path) for file in chosen}
    executable = sorted(file.name for file in chosen if file.is_executable)
    return store.put_linked({"kind": "tree", "files": kept, "executable": executable}, kept.values())


def lay_out_sources(store: Store, digest: str, folder: Path) -> Path:
    """Copy the files of an artifact out of a store into a new folder, which a program may write to.

    Raises:
        UserError: ``APP018`` when a name in the artifact would leave the folder.
    """
    executable = set(store.get_linked(digest).get("executable", ()))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in store.get_tree(digest).items():
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
            raise UserError(
                "APP018",
                f"the artifact {digest[:12]}… holds a file '{name}', which would lie outside of it.",
                "do not use it: whoever made it did not use Weft.",
            )
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(store.get_bytes(content))
        target.chmod(0o755 if name in executable else 0o644)
    return folder
