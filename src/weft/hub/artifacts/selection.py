"""Which files of a project's folder are part of its artifact."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from weft.core import UserError
from weft.flow.faults import coded
from weft.hub.artifacts.manifest import check_clashes, name_fault

# What tools and systems leave behind, and what Weft itself makes.
IGNORED = (
    ".git", ".hg", ".svn", ".weft", ".venv", "venv", ".tox", ".nox", "__pycache__", "*.pyc", "*.egg-info",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".ipynb_checkpoints", "node_modules",
    ".DS_Store", "Thumbs.db", "*.weft",
)  # fmt: skip
_SECRETS = (
    ".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "id_rsa",
    "id_dsa", "id_ecdsa", "id_ed25519", ".netrc", "_netrc", ".pgpass", ".pypirc", ".npmrc", ".htpasswd",
    ".git-credentials", "credentials", "credentials.json", "credentials.yaml", "credentials.yml",
    "service-account*.json", "service_account*.json", "client_secret*.json", "kubeconfig", "secrets.json",
    "secrets.yaml", "secrets.yml", "secrets.toml",
)  # fmt: skip
_EXAMPLES = ("*.example", "*.sample", "*.template", "*.dist")
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]{0,30}PRIVATE KEY( BLOCK)?-----")
_LOOKED_AT_BYTES = 1 << 16


@dataclass(frozen=True)
class SourceFile:
    """A file that belongs to an artifact: its name there, and where it lies now."""

    name: str
    path: Path
    is_executable: bool


def select_files(
    folder: str | Path, *, include: Iterable[str] = (), exclude: Iterable[str] = ()
) -> tuple[SourceFile, ...]:
    """Return the files of ``folder`` that belong to its artifact, by name.

    A pattern with a ``/`` is matched against the path from ``folder``, one without against the name at any
    depth; ``*`` and ``?`` stay within a name, ``**`` crosses folders, and a folder that matches brings all
    that is in it. Without ``include`` everything belongs but what tools leave behind, such as ``.git`` and
    ``.venv``. A file that ``include`` names outright, without a wildcard, always belongs.

    Raises:
        UserError: ``APP040`` for a file that looks like a secret, ``APP041`` for a link that leads out of the
            folder, ``APP042`` for what is not a file or cannot be named, ``APP043`` for names that differ
            only by case, ``APP059`` when nothing is left.
    """
    root = Path(folder).absolute()
    rules = _Rules(tuple(include), tuple(exclude))
    with coded(str(root)):
        found = sorted(_walk(root, rules), key=lambda f: f.name) if root.is_dir() else []
    if not found:
        raise UserError(
            "APP059",
            f"no file of {root} belongs to the artifact.",
            "put the sources there, or widen include in artifact.json.",
        )
    check_clashes(f.name for f in found)
    return tuple(found)


class _Rules:
    def __init__(self, include: tuple[str, ...], exclude: tuple[str, ...]) -> None:
        self.named = {
            p.removeprefix("./") for p in include if not set(p) & set("*?[") and not p.endswith("/")
        }
        self._include = [_expression(p) for p in include]
        self._exclude = [_expression(p) for p in exclude]
        self._ignored = [_expression(p) for p in IGNORED]

    def takes(self, name: str) -> bool:
        if name in self.named:
            return True
        if any(e.match(name) for e in (*self._exclude, *self._ignored)):
            return False
        return not self._include or any(e.match(name) for e in self._include)

    def enters(self, name: str) -> bool:
        if any(n.startswith(f"{name}/") for n in self.named):
            return True
        return not any(e.match(name) for e in (*self._exclude, *self._ignored))


def _expression(pattern: str) -> re.Pattern[str]:
    """Translate a pattern: it matches a path, and all paths below it."""
    trimmed = pattern.removeprefix("./").strip("/")
    start = "" if "/" in pattern.removeprefix("./").rstrip("/") else "(?:.*/)?"
    parts = []
    for token in re.split(r"(\*\*/|\*\*|\*|\?)", trimmed):
        known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        parts.append(known[token] if token in known else re.escape(token))
    return re.compile(f"{start}{''.join(parts)}(?:/.*)?\\Z", re.DOTALL)


def _walk(root: Path, rules: _Rules) -> Iterator[SourceFile]:
    real_root = root.resolve()
    todo: list[tuple[Path, str, frozenset[Path]]] = [(root, "", frozenset({real_root}))]
    while todo:
        folder, prefix, above = todo.pop()
        for item in sorted(os.scandir(folder), key=lambda i: i.name):
            name = unicodedata.normalize("NFC", f"{prefix}{item.name}")
            path = Path(item.path)
            is_folder = path.is_dir()
            if not (rules.enters(name) if is_folder else rules.takes(name)):
                continue
            if fault := name_fault(name):
                raise _unfit(ascii(name)[1:-1], fault)
            target = _inside(path, real_root, name) if item.is_symlink() else path
            if is_folder:
                real = path.resolve()
                if real in above:
                    raise _leaves(name, "runs in a circle")
                todo.append((path, f"{name}/", above | {real}))
            else:
                yield _source(name, path, target, rules)


def _source(name: str, path: Path, target: Path, rules: _Rules) -> SourceFile:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise _unfit(name, "it is a socket, a pipe or a device")
    if name not in rules.named:
        if any(_is_secret_name(p.name) for p in (path, target)):
            raise _secret(name, "its name")
        with open(path, "rb") as file:
            if _PRIVATE_KEY.search(file.read(_LOOKED_AT_BYTES)):
                raise _secret(name, "the private key in it")
    return SourceFile(name, path, bool(mode & stat.S_IXUSR))


def _inside(path: Path, root: Path, name: str) -> Path:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise _leaves(name, "leads nowhere") from None
    if not real.is_relative_to(root):
        raise _leaves(name, "leads out of the folder")
    return real


def _is_secret_name(name: str) -> bool:
    lower = name.lower()
    if any(fnmatch.fnmatchcase(lower, p) for p in _EXAMPLES):
        return False
    return any(fnmatch.fnmatchcase(lower, p) for p in _SECRETS)


def _secret(name: str, why: str) -> UserError:
    return UserError(
        "APP040",
        f"'{name}' looks like a secret by {why}, and an artifact is read by many.",
        "add it to exclude in artifact.json, or name it outright in include when it is none.",
    )


def _leaves(name: str, how: str) -> UserError:
    return UserError(
        "APP041",
        f"the link '{name}' {how}.",
        "put a copy in its place, or add it to exclude in artifact.json.",
    )


def _unfit(name: str, why: str) -> UserError:
    return UserError(
        "APP042", f"'{name}' cannot be packed: {why}.", "rename it, or add it to exclude in artifact.json."
    )
