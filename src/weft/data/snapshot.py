"""A snapshot: the input tables at one moment, as Parquet files of canonical types.

A folder with one zstd Parquet file per table and ``snapshot.json``. Every later stage reads the
snapshot and never the source, so that a source may change while a run goes on.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from weft.core import Finding, Progress, Resources, Silent, UserError, from_json, path_name, to_json
from weft.data.declared import Declared
from weft.data.derived import write_derived
from weft.data.engine import engine_errors
from weft.data.sources import Source
from weft.data.sources.source import check_names
from weft.data.sources.writer import Written, write_table

MANIFEST = "snapshot.json"


@dataclass(frozen=True)
class SnapshotTable:
    """One table of a snapshot: its file, its rows, and its columns with their types."""

    name: str
    file: str
    num_rows: int
    columns: dict[str, str]
    derived_by: str | None = None


@dataclass(frozen=True)
class SnapshotInfo:
    """What a snapshot holds, and what its source declared about it."""

    tables: tuple[SnapshotTable, ...]
    declared: Declared
    findings: tuple[Finding, ...]
    source_kind: str = ""

    def paths(self, directory: Path) -> dict[str, Path]:
        """Return table name → Parquet file."""
        return {t.name: directory / t.file for t in self.tables}


def take_snapshot(
    source: Source,
    directory: Path,
    *,
    derived: Mapping[str, str] | None = None,
    resources: Resources,
    progress: Progress | None = None,
) -> SnapshotInfo:
    """Copy every table of ``source`` into ``directory``, then compute the derived ones.

    Tables are streamed: memory does not grow with their size.

    Args:
        source: What `connect` returned.
        directory: Folder to write; made when missing.
        derived: Name of a table → one ``SELECT`` over the other tables. Its rows are sorted, so
            that the same data give the same bytes.
        resources: Memory limit and threads.
        progress: Told tables done of all.

    Raises:
        UserError: ``DATA025`` for clashing names, ``DATA033`` … ``DATA035`` for derived tables,
            and what the connector raises.
    """
    derived = dict(derived or {})
    names = source.names()
    check_names([*names, *derived], "the snapshot")
    _check_no_overwrite(names, derived)
    directory.mkdir(parents=True, exist_ok=True)
    with engine_errors("taking the snapshot"):
        written = _copy(source, directory, len(derived), resources, progress or Silent())
        paths = {n: directory / file_name(n) for n in names}
        written |= write_derived(derived, paths, directory, resources=resources, file_name=file_name)
        info = _describe(source, written, derived)
        (directory / MANIFEST).write_text(to_json(info), encoding="utf-8")
    return info


def _copy(
    source: Source, directory: Path, num_derived: int, resources: Resources, progress: Progress
) -> dict[str, Written]:
    written = {}
    names = source.names()
    for done, name in enumerate(names):
        progress.update(done, len(names) + num_derived, name)
        batches = functools.partial(source.batches, name, resources)
        written[name] = write_table(batches, directory / file_name(name), table=name)
    progress.update(len(names), len(names) + num_derived)
    return written


def _describe(source: Source, written: Mapping[str, Written], derived: Mapping[str, str]) -> SnapshotInfo:
    declared = source.declared
    for name, table in written.items():
        declared = _rename(declared, name, table)
    tables = tuple(
        SnapshotTable(n, file_name(n), written[n].num_rows, written[n].kinds, derived.get(n))
        for n in sorted(written)
    )
    findings = (f for table in written.values() for f in table.findings)
    return SnapshotInfo(tables, declared, (*source.findings, *findings), source.kind)


def read_snapshot(directory: Path) -> SnapshotInfo:
    """Read what `take_snapshot` wrote about its snapshot."""
    return from_json(SnapshotInfo, (directory / MANIFEST).read_text(encoding="utf-8"))


def file_name(table: str) -> str:
    """Return the file of a table: its name, with what a file system may refuse percent-encoded.

    Example:
        >>> file_name("orders"), file_name("a/b")
        ('orders.parquet', 'a%2Fb.parquet')
    """
    return f"{path_name(table)}.parquet"


def _check_no_overwrite(names: tuple[str, ...], derived: Mapping[str, str]) -> None:
    for name in derived:
        if name in names:
            raise UserError(
                "DATA025",
                f"the derived table '{name}' has the name of a table of the source.",
                "give it another name.",
            )


def _rename(declared: Declared, table: str, written: Written) -> Declared:
    """Let declarations follow columns whose names had to change."""
    new = written.renamed
    if not new:
        return declared

    def of(columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(new.get(c, c) if c not in written.kinds else c for c in columns)

    links = tuple(
        replace(
            link,
            columns=of(link.columns) if link.table == table else link.columns,
            parent_columns=of(link.parent_columns) if link.parent == table else link.parent_columns,
        )
        for link in declared.links
    )
    keys = {t: of(k) if t == table else k for t, k in declared.primary_keys.items()}
    times = {t: of((c,))[0] if t == table else c for t, c in declared.time_columns.items()}
    return replace(declared, primary_keys=keys, time_columns=times, links=links)
