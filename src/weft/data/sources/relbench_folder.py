"""A RelBench folder: ``manifest.yaml``, ``db/`` with the tables, ``tasks/`` that is never input.

The one place where RelBench's words (``pkey``, ``time_col``, ``fkeys``) become Weft's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from weft.core import Finding, Link, Resources, UserError
from weft.data.declared import Declared
from weft.data.sources.files import is_data_file
from weft.data.sources.folder import FolderSource
from weft.data.sources.source import choose

MANIFEST = "manifest.yaml"
DATABASE = "db"


def has_manifest(folder: Path) -> bool:
    """Say whether ``folder`` is laid out as RelBench lays out a data set."""
    return (folder / MANIFEST).is_file() and (folder / DATABASE).is_dir()


def is_bare_database(folder: Path) -> bool:
    """Say whether ``folder`` has the layout without the manifest: tables lie in ``db/`` alone."""
    if not (folder / DATABASE).is_dir():
        return False
    return not any(p.is_file() and is_data_file(p.name) for p in folder.iterdir())


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``manifest.yaml``.

    Raises:
        UserError: ``DATA045`` when it is not a manifest.
    """
    import yaml

    path = folder / MANIFEST
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise _refusal(path, str(error).splitlines()[0]) from error
    tables = content.get("tables") if isinstance(content, Mapping) else None
    if not isinstance(tables, Mapping):
        raise _refusal(path, "it has no mapping 'tables'")
    for name, entry in tables.items():
        if not isinstance(entry, Mapping):
            raise _refusal(path, f"table '{name}' is not a mapping")
    return dict(content)


def _refusal(path: Path, why: str) -> UserError:
    return UserError(
        "DATA045",
        f"'{path}' is not a RelBench manifest: {why}.",
        "mend the file, or connect with use_manifest=False.",
    )


class RelbenchSource:
    """The tables of ``db/``, with what the manifest declares about them."""

    kind = "relbench"

    def __init__(
        self, folder: Path, *, tables: dict[str, str] | None = None, use_manifest: bool = True
    ) -> None:
        self.folder = folder
        self.files = FolderSource(str(folder / DATABASE), tables=tables)
        names = choose(self.files.names(), None, str(folder)) if tables is None else tables
        self._declared = _declared(read_manifest(folder), names, folder) if use_manifest else Declared()

    @property
    def declared(self) -> Declared:
        """Keys, times and links of the manifest."""
        return self._declared

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed about the files."""
        return self.files.findings

    def names(self) -> tuple[str, ...]:
        """Return the names of the tables, sorted."""
        return self.files.names()

    def batches(self, table: str, resources: Resources) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table in the order of its file."""
        return self.files.batches(table, resources)

    def fingerprints(self, resources: Resources) -> dict[str, str]:
        """Return a digest per table of its file."""
        return self.files.fingerprints(resources)

    def close(self) -> None:
        """Do nothing: files are closed as soon as they are read."""


def _declared(manifest: dict[str, Any], names: Mapping[str, str], folder: Path) -> Declared:
    by_origin = {origin: name for name, origin in names.items()}
    entries = {by_origin[o]: e for o, e in manifest["tables"].items() if o in by_origin}
    keys = {n: _key(e["pkey"]) for n, e in entries.items() if e.get("pkey")}
    times = {n: str(e["time_col"]) for n, e in entries.items() if e.get("time_col")}
    links = []
    for name, entry in entries.items():
        for column, origin in (entry.get("fkeys") or {}).items():
            parent = by_origin.get(origin)
            if parent is None:
                continue
            if parent not in keys:
                raise _refusal(folder / MANIFEST, f"{name}.{column} points to '{origin}', which has no pkey")
            links.append(Link(name, (column,), parent, keys[parent]))
    return Declared(keys, times, {}, tuple(sorted(links)), MANIFEST)


def _key(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(v) for v in value)
