"""The folder that a program leaves: what of it is kept, and how it is laid out again."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from weft.core import UserError
from weft.flow.events import Output

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


@dataclass(frozen=True)
class Left:
    """A file that a program left, or a folder with nothing in it.

    Attributes:
        name: From the folder of the program, with slashes.
        path: Where it is.
        is_folder: Whether it is a folder.
        is_executable: Whether its owner may run it.
        is_linked: Whether a link leads to it, so that it may belong to somebody else.
    """

    name: str
    path: Path
    is_folder: bool
    is_executable: bool
    is_linked: bool


def find_left(node: str, directory: Path) -> list[Left]:
    """Return what is to be kept of the folder of a node's program, in order of name.

    It is what a reader of the folder sees: behind a link stands what it leads to, wherever that is.

    Raises:
        UserError: ``FLOW026`` for what cannot be kept: a pipe, a socket, a device, a link that leads nowhere
            or back to a folder above itself, a name that is not UTF-8.
    """
    return sorted(_walk(node, directory, "", (), is_linked=False), key=lambda left: left.name)


def _walk(
    node: str, folder: Path, above: str, ids: tuple[tuple[int, int], ...], *, is_linked: bool
) -> Iterator[Left]:
    found = folder.stat()
    here = (found.st_dev, found.st_ino)
    if here in ids:
        raise _unkept(node, above, "is a link that leads back to a folder above itself")
    with os.scandir(folder) as entries:
        children = list(entries)
    if above and not children:
        yield Left(above, folder, True, False, is_linked)
    for entry in children:
        name = f"{above}/{entry.name}" if above else entry.name
        mode = _mode(node, entry, name)
        is_reached = is_linked or entry.is_symlink()
        if stat.S_ISDIR(mode):
            yield from _walk(node, Path(entry.path), name, (*ids, here), is_linked=is_reached)
        else:
            yield Left(name, Path(entry.path), False, bool(mode & stat.S_IXUSR), is_reached)


def _mode(node: str, entry: os.DirEntry[str], name: str) -> int:
    """Return the mode of what is behind a name, if it can be kept."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _unkept(node, name, "has a name that is not UTF-8") from None
    try:
        mode = entry.stat().st_mode
    except OSError:
        raise _unkept(node, name, "is a link that leads nowhere") from None
    for is_kind, words in _KINDS:
        if is_kind(mode):
            raise _unkept(node, name, f"is {words}")
    return mode


def _unkept(node: str, name: str, what: str) -> UserError:
    shown = os.fsencode(name).decode(errors="backslashreplace")
    return UserError(
        "FLOW026",
        f"node '{node}' left '{shown}', which cannot be kept: it {what}.",
        "leave files and folders, and put all else where the program keeps what nobody needs later.",
    )


def lay_out(output: Output, directory: Path) -> Path:
    """Lay an output out as the folder that it was: files to be read only, which are links to the store."""
    return _lay_out(output, directory, lambda source, target: target.symlink_to(source))


def copy_out(output: Output, directory: Path) -> Path:
    """Copy an output into a folder as it was."""
    return _lay_out(output, directory, shutil.copyfile)


def _lay_out(output: Output, directory: Path, lay: Callable[[Path, Path], object]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in output.folders:
        (directory / name).mkdir(parents=True, exist_ok=True)
    for name in output.files:
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in output.executables:
            # In the store content has no rights, since others may have left the same without them.
            shutil.copyfile(output.path(name), target)
            target.chmod(0o755)
        else:
            lay(output.path(name), target)
    return directory
