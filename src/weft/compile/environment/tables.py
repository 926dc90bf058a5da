"""The two lock files that are TOML: uv's, and the one that is a standard of Python packaging."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from packaging.markers import Marker, default_environment
from packaging.utils import canonicalize_name

from weft.core import UserError


def read_pylock(table: dict[str, Any], name: str) -> tuple[str, ...]:
    """Return what ``pylock.toml`` installs here, without extras, with its default groups.

    Raises:
        UserError: ``APP054`` for a newer format, or a package that is not a file with a checksum.
    """
    if not str(table["lock-version"]).startswith("1."):
        raise _unusable(name, f"its format is {table['lock-version']}, and this Weft reads 1.0")
    groups = frozenset(table.get("default-groups", ()))
    environment: Any = {**default_environment(), "extras": frozenset(), "dependency_groups": groups}
    lines = []
    for package in table["packages"]:
        marker = package.get("marker")
        if marker and not Marker(marker).evaluate(environment, "lock_file"):
            continue
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
        archive = package.get("archive")
        if archive and "url" in archive:
            lines.append(_line(f"{package['name']} @ {archive['url']}", [archive["hashes"]["sha256"]]))
        elif files and "version" in package:
            lines.append(
                _line(f"{package['name']}=={package['version']}", [f["hashes"]["sha256"] for f in files])
            )
        else:
            raise _unusable(name, f"{package['name']} is not a file of one version")
    return tuple(sorted(lines))


def read_uv(table: dict[str, Any], name: str) -> tuple[str, ...]:
    """Return what ``uv.lock`` installs here for the project itself, without extras and groups.

    Raises:
        UserError: ``APP054`` for a newer format, no project, or a package that is not a file with a checksum.
    """
    if table["version"] != 1:
        raise _unusable(name, f"its format is {table['version']}, and this Weft reads 1")
    packages = table.get("package", [])
    root = next((p for p in packages if {"virtual", "editable"} & p["source"].keys() and _is_root(p)), None)
    if root is None:
        raise _unusable(name, "it names no project")
    lines = {_uv_line(p, name) for p in _reached(root, packages) if p is not root}
    return tuple(sorted(lines))


def _is_root(package: dict[str, Any]) -> bool:
    return "." in package["source"].values()


def _reached(root: dict[str, Any], packages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    todo: list[tuple[dict[str, Any], str]] = [(root, "")]
    seen: set[tuple[int, str]] = set()
    while todo:
        package, extra = todo.pop()
        if (id(package), extra) in seen:
            continue
        seen.add((id(package), extra))
        yield package
        needed = package.get("optional-dependencies", {})[extra] if extra else package.get("dependencies", ())
        for need in needed:
            if "marker" in need and not Marker(need["marker"]).evaluate():
                continue
            found = next(p for p in packages if _is_meant(p, need))
            todo += [(found, e) for e in ("", *need.get("extra", ()))]


def _is_meant(package: dict[str, Any], need: dict[str, Any]) -> bool:
    return all(package.get(key) == need[key] for key in ("name", "version", "source") if key in need)


def _uv_line(package: dict[str, Any], name: str) -> str:
    source = package["source"]
    files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
    hashes = [f["hash"].removeprefix("sha256:") for f in files if "hash" in f]
    if "url" in source and hashes:
        return _line(f"{package['name']} @ {source['url']}", hashes)
    if "registry" not in source or not hashes:
        raise _unusable(name, f"{package['name']} is not a file with a checksum from an index")
    return _line(f"{package['name']}=={package['version']}", hashes)


def _line(requirement: str, hashes: list[str]) -> str:
    separator = " @ " if " @ " in requirement else "=="
    package, rest = requirement.split(separator, 1)
    pin = f"{canonicalize_name(package)}{separator}{rest}"
    return " ".join((pin, *(f"--hash=sha256:{h}" for h in sorted(set(hashes)))))


def _unusable(name: str, why: str) -> UserError:
    return UserError(
        "APP054", f"{name} cannot be used: {why}.", "lock the project again, or with another tool."
    )
