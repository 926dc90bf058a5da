"""Lists of requirements, each with one version, in the form that pip reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from weft.core import UserError

_PASSWORD = re.compile(r"://[^/@\s]*:(?!\$\{\w+\}@)[^/@\s]+@")
_INCLUDE = re.compile(r"(?:-r|--requirement)[ =]\s*(\S+)")
_SKIPPED = re.compile(r"(?:-c|--constraint)[ =]")
_HASH = re.compile(r"\s--hash[= ](\S+)")


def read_requirements(root: Path, name: str) -> tuple[str, ...]:
    """Return the requirements of a file and those it includes: options first, then packages in order.

    Raises:
        UserError: ``APP054`` for a line that leaves its version open, ``APP058`` for one with a password.
    """
    options: list[str] = []
    pins: set[str] = set()
    for file, number, line in _lines(root, name, ()):
        where = f"{file}, line {number}"
        if _PASSWORD.search(line):
            raise UserError(
                "APP058",
                f"{where}, holds a password in an address.",
                "write ${NAME} in its place and set that variable, or give pip the address in PIP_INDEX_URL.",
            )
        if line.startswith("-"):
            if line.startswith(("-e", "--editable")):
                raise _open(where, line)
            options.append(line)
        elif pin := _pin(where, line):
            pins.add(pin)
    return (*dict.fromkeys(options), *sorted(pins))


def _lines(root: Path, name: str, above: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
    """Yield file, number and text of each line that says something, included files in their place."""
    path = (root / name).resolve()
    try:
        if not path.is_relative_to(root.resolve()) or name in above:
            raise OSError("it is out of the folder, or includes itself")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError("APP054", f"{name} cannot be read: {reason}.", "lock the project again.") from None
    held, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        start = start or number
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if line.endswith("\\"):
            held += f"{line[:-1].strip()} "
            continue
        line, held, first, start = f"{held}{line}".strip(), "", start, 0
        if match := _INCLUDE.match(line):
            inner = (Path(name).parent / match[1]).as_posix()
            yield from _lines(root, inner, (*above, name))
        elif line and not _SKIPPED.match(line):
            yield name, first, line


def _pin(where: str, line: str) -> str:
    """Return one requirement in one form; empty when it is not for this machine."""
    hashes = sorted(set(_HASH.findall(line)))
    text = _HASH.sub("", line).strip()
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise _open(where, text) from None
    if requirement.marker is not None and not requirement.marker.evaluate():
        return ""
    specifiers = [s for s in requirement.specifier if s.operator in ("==", "===") and "*" not in s.version]
    is_pinned = len(specifiers) == len(requirement.specifier) == 1
    if not (is_pinned or (requirement.url and (hashes or "#sha256=" in requirement.url))):
        raise _open(where, text)
    requirement.marker = None
    return " ".join((str(requirement), *(f"--hash={h}" for h in hashes)))


def _open(where: str, text: str) -> UserError:
    return UserError(
        "APP054",
        f"{where}: '{text[:120]}' does not name one version.",
        "write name==version for each package, or let weft project build --lock do it.",
    )
