"""The lock of a project's dependencies: one version of each package, read from what tools write."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from weft.compile.environment.machine import python_version
from weft.compile.environment.requirements import read_requirements
from weft.compile.environment.tables import read_pylock, read_uv
from weft.core import UserError, digest_value

TOOL_LOCKS = ("uv.lock", "pylock.toml")
LOCKS = (*TOOL_LOCKS, "requirements.lock", "requirements.txt")


@dataclass(frozen=True)
class Lock:
    """What is installed, for this Python and platform.

    Attributes:
        name: The file it was read from.
        lines: Requirements as pip reads them, each with one version, in order.
    """

    name: str
    lines: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Digest of the lines: comments, order and other platforms' packages do not count."""
        return digest_value(list(self.lines))


def find_lock(folder: str | Path, names: Iterable[str] = LOCKS) -> Lock | None:
    """Read the first lock that is there; ``None`` when a project has none.

    Args:
        folder: Of the project.
        names: Files to look for, in order; any but uv's and ``pylock.*.toml`` is a list of requirements.

    Raises:
        UserError: ``APP054`` when it cannot be read or leaves a version open, ``APP056`` when it is for
            another Python, ``APP058`` when it holds a password.
    """
    root = Path(folder)
    name = next((n for n in names if (root / n).is_file()), None)
    if name is None:
        return None
    file = Path(name).name
    if file == "uv.lock":
        return Lock(name, _from_table(root / name, name, read_uv))
    if file.startswith("pylock.") and file.endswith(".toml"):
        return Lock(name, _from_table(root / name, name, read_pylock))
    return Lock(name, read_requirements(root, name))


def _from_table(
    path: Path, name: str, read: Callable[[dict[str, Any], str], tuple[str, ...]]
) -> tuple[str, ...]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        wanted = table.get("requires-python", "")
        fits = python_version() in SpecifierSet(wanted)
        lines = read(table, name) if fits else ()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, InvalidSpecifier) as error:
        raise UserError("APP054", f"{name} cannot be read: {error}.", "lock the project again.") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            "APP054", f"{name} is not as its tool writes it: {error!r} is amiss.", "lock the project again."
        ) from None
    if not fits:
        raise UserError(
            "APP056",
            f"{name} needs Python {wanted}, and this is {python_version()}.",
            "run Weft with a Python that fits, or lock the project for this one.",
        )
    return lines
