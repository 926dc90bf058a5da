"""The Weft that runs, in an environment whose lock does not name it: tasks may import it all the same."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from weft.version import __version__

_PACKAGE = Path(__file__).parents[2]
_NAME = "weft"


def running_weft(lines: tuple[str, ...]) -> dict[str, str] | None:
    """Return which Weft is added to an environment; ``None`` where one of its requirements is Weft."""
    words = [re.match(r"[A-Za-z0-9][\w.-]*", line) for line in lines]
    is_named = _NAME in {canonicalize_name(word[0]) for word in words if word}
    return None if is_named else {"path": str(_PACKAGE), "version": __version__}


def add_running_weft(environment: Path, lock: str) -> None:
    """Let an environment import the Weft that runs, or say in words why it cannot.

    Args:
        environment: Its folder, at the place where it stays.
        lock: Name of the lock, for the words.
    """
    (packages,) = (environment / "lib").glob("python*/site-packages")
    # A folder of its own: what lies beside the package here is not part of the environment.
    folder = environment / _NAME
    folder.mkdir()
    if lacking := _lacking(packages):
        (folder / _NAME).mkdir()
        text = (
            f"{lock} does not name weft: add it to what the project asks for, then run weft project build "
            f"--lock. The Weft {__version__} that runs here would do, but the lock lacks {', '.join(lacking)}"
        )
        (folder / _NAME / "__init__.py").write_text(f"raise ImportError({text!r})\n", encoding="utf-8")
    else:
        (folder / _NAME).symlink_to(_PACKAGE)
    (packages / "weft-that-runs.pth").write_text(f"{folder}\n", encoding="utf-8")


def _lacking(packages: Path) -> list[str]:
    """Return what Weft needs and the environment has not, in versions that fit."""
    there = {canonicalize_name(d.name): d.version for d in distributions(path=[str(packages)])}
    try:
        needed = [Requirement(text) for text in requires(_NAME) or ()]
    except PackageNotFoundError:
        return []  # a source tree that is not installed does not say
    wanted = [n for n in needed if n.marker is None or n.marker.evaluate({"extra": ""})]
    return [
        f"{n.name}{n.specifier}"
        for n in wanted
        if not n.specifier.contains(there.get(canonicalize_name(n.name), ""), prereleases=True)
    ]
