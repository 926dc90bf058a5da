"""Locking: from the packages that a project asks for to one version of each, with checksums."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tomllib
from pathlib import Path

from packaging.utils import canonicalize_name

from weft.compile.environment.installer import Tell, run_process
from weft.compile.environment.machine import python_version
from weft.core import UserError
from weft.flow.faults import coded

REQUIREMENTS = "requirements.txt"
REQUIREMENTS_LOCK = "requirements.lock"


def lock_project(
    folder: str | Path,
    *,
    requirements: str = REQUIREMENTS,
    lock: str = REQUIREMENTS_LOCK,
    on_line: Tell | None = None,
) -> Path:
    """Resolve what a project asks for and write its lock; nothing is installed.

    Args:
        folder: Of the project. What it asks for stands in the file ``requirements``, or else in
            ``pyproject.toml``.
        requirements: One package a line, as pip reads it.
        lock: The file to write: a version and the checksum of each package, for this Python and platform.
        on_line: Told what pip says, line by line.

    Returns:
        The lock's path.

    Raises:
        UserError: ``APP057`` when there is nothing to lock, or no versions fit together.
    """
    root = Path(folder)
    source = requirements if (root / requirements).is_file() else "pyproject.toml"
    wanted = ["-r", str(root / requirements)] if source == requirements else _declared(root)
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    ended = run_process([*command, "--report", "-", *wanted])
    if ended.code:
        raise _failed(source, ended.last)
    lines = _resolved(source, ended.output)
    if on_line is not None:
        on_line(f"{len(lines)} packages of {source} locked in {lock}")
    head = f"# Made by weft project build --lock from {source} for Python {python_version()}.\n"
    _write(root / lock, head + "".join(f"{line}\n" for line in lines))
    return root / lock


def _write(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with coded(str(path)):
        try:
            aside.write_text(text, encoding="utf-8")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def _declared(root: Path) -> list[str]:
    path = root / "pyproject.toml"
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
        found = project["dependencies"]
        if not isinstance(found, list) or any(not isinstance(f, str) or f.startswith("-") for f in found):
            raise TypeError
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError):
        raise UserError(
            "APP057",
            f"{root} says nowhere which packages it needs.",
            f"write {REQUIREMENTS} with one package a line, or project.dependencies in pyproject.toml.",
        ) from None
    return ["--", *found] if found else ["-r", os.devnull]


def _resolved(source: str, report: str) -> list[str]:
    lines = []
    for item in json.loads(report)["install"] if report.strip() else ():
        metadata, download = item["metadata"], item["download_info"]
        hashes = download.get("archive_info", {}).get("hashes", {})
        name = canonicalize_name(metadata["name"])
        if "sha256" not in hashes:
            raise _failed(
                source, f"{name} is not a file with a checksum, but {next(iter(download.keys() - {'url'}))}"
            )
        pin = f"{name} @ {download['url']}" if item["is_direct"] else f"{name}=={metadata['version']}"
        lines.append(f"{pin} --hash=sha256:{hashes['sha256']}")
    return sorted(lines)


def _failed(source: str, last: str) -> UserError:
    lines = "\n  ".join(last.splitlines() or ["(pip said nothing)"])
    return UserError(
        "APP057",
        f"the dependencies in {source} were not locked. The last lines were:\n  {lines}",
        f"correct {source}, or the index that PIP_INDEX_URL names, then run again.",
    )
