"""Data sets: tables published under a name, read alike by people, tasks and predictive queries."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from weft.core import UserError
from weft.data import connect as connect_source
from weft.data import gather_files, open_views, parquet_tables, read_batches, source_path
from weft.hub import About, Kind, Published, safe_name
from weft.project.folder import ProjectFolder
from weft.project.settings import DATASET

_FOLDER = "datasets"
_TABLES = "tables"


class DataSet:
    """One version of a data set; its content never changes.

    Attributes:
        name: Of all its versions.
        version: Given once.
        digest: Of its content: the same tables give the same digest in every store.
    """

    def __init__(self, project: ProjectFolder, published: Published) -> None:
        self.project = project
        self.published = published
        self.name, self.version, self.digest = published.name, published.version, published.digest

    @property
    def label(self) -> str:
        """Name and version, as in ``shop@3``."""
        return self.published.label

    @functools.cached_property
    def path(self) -> Path:
        """The folder with its files, to be read only; where it is a DuckDB or SQLite database, that file.

        Raises:
            UserError: ``FLOW010`` or ``FLOW011`` when the store has lost or damaged a file.
        """
        return source_path(_lay_out(self.project, self.digest))

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables."""
        return tuple(self._files)

    def arrow(self, table: str | None = None) -> pa.Table:
        """Return a table as Arrow.

        Args:
            table: Its name; not needed where there is one table only.

        Raises:
            UserError: ``HUB010`` when the name is missing or wrong.
        """
        return self.batches(table).read_all()

    def batches(self, table: str | None = None) -> pa.RecordBatchReader:
        """Return a table batch by batch, in bounded memory; ``table`` as for `arrow`."""
        return read_batches(self._files[self._choose(table)])

    def pandas(self, table: str | None = None) -> Any:
        """Return a table as a pandas frame; ``table`` as for `arrow`."""
        return self.arrow(table).to_pandas()

    def duckdb(self) -> Any:
        """Return a DuckDB connection in which every table is a view; nothing is copied."""
        return open_views(self._files, self.project.resources)

    @functools.cached_property
    def _files(self) -> dict[str, Path]:
        # Beside the content, never among it: what is derived must not change what is connected.
        directory = self.project.state / _FOLDER / f"{self.digest}.{_TABLES}"
        with contextlib.closing(connect_source(self.path)) as source:
            return parquet_tables(source, directory, self.project.resources)

    def _choose(self, table: str | None) -> str:
        names = self.tables
        if table is None and len(names) == 1:
            return names[0]
        if table in names:
            return str(table)
        raise UserError(
            "HUB010",
            f"the data set {self.label} has no table '{table}'."
            if table is not None
            else f"the data set {self.label} has {len(names)} tables.",
            f"name one of {', '.join(names)}.",
        )

    def __repr__(self) -> str:
        return f"DataSet({self.label!r}, {self.digest[:12]}…)"


def dataset(reference: str, *, project: str | Path | ProjectFolder | None = None, **limits: Any) -> DataSet:
    """Open a published data set, in a notebook, a script or a task.

    Args:
        reference: ``name`` or ``name@latest`` for the newest version, ``name@3``, or ``name@alias``.
        project: Folder whose hub and store hold it; without it ``WEFT_PROJECT``, else this folder.
        **limits: ``memory_limit`` and ``threads``.

    Example:
        ``weft.dataset("shop@3").arrow("orders")``

    Raises:
        UserError: ``HUB003`` when there is none, ``APP067`` in a task on a machine that cannot know.
    """
    folder = _project(project, limits)
    return DataSet(folder, folder.hub.get_published(Kind.DATASET, reference.removeprefix(DATASET)))


def publish_dataset(
    name: str,
    tables: Any,
    *,
    owner: str = "",
    description: str = "",
    tags: Mapping[str, str] | None = None,
    aliases: tuple[str, ...] = (),
    run: str = "",
    project: str | Path | ProjectFolder | None = None,
    **limits: Any,
) -> DataSet:
    """Publish tables as the next version of a data set; the same content again keeps its version.

    Args:
        name: Of the data set.
        tables: A folder, a data file, a DuckDB or SQLite file, a URL of a database; or a frame or a mapping
            from names to frames: Arrow tables and readers, pandas, polars, Ibis, DuckDB relations.
        owner: Who publishes it; this user when left out.
        description: In a sentence.
        tags: Words of your own.
        aliases: Names that point to this version from now on.
        run: The run that made the tables.
        project: As for `dataset`.
        **limits: ``memory_limit`` and ``threads``.

    Raises:
        UserError: ``HUB011`` for what cannot be a data set; ``FLOW061`` for a name that cannot be one.
    """
    folder = _project(project, limits)
    store = folder.store
    with store.lease(f"publish {name}"), store.scratch("dataset") as scratch:
        files = gather_files(name, tables, scratch, folder.resources)
        digest = store.put_tree({relative: store.put_file(path) for relative, path in files.items()})
        facts = {"files": len(files), "bytes": sum(path.stat().st_size for path in files.values())}
        about = About(owner, description, tags or {}, {}, facts)
        made = folder.hub.publish(
            Kind.DATASET, name, digest=digest, about=about, run=run, aliases=aliases, store=store
        )
    return DataSet(folder, made)


def open_named(source: str, project: ProjectFolder) -> DataSet | None:
    """Return the data set that a source names with ``dataset:``, ``None`` for any other source."""
    return dataset(source, project=project) if source.startswith(DATASET) else None


def _project(given: str | Path | ProjectFolder | None, limits: Mapping[str, Any]) -> ProjectFolder:
    if isinstance(given, ProjectFolder):
        return given
    place = given if given is not None else os.environ.get("WEFT_PROJECT")
    folder = ProjectFolder(place or ".", **limits)
    task, said = os.environ.get("WEFT_TASK"), folder.settings
    if place is None and task is not None and None in (said.database, said.store):
        raise UserError(
            "APP067",
            f"task '{task}' asks for a data set by its name, and does not see the folder of the project.",
            "set database and store in weft.yaml to what its machine can reach, and let the artifact include "
            "it.",
        )
    return folder


def _lay_out(project: ProjectFolder, digest: str) -> Path:
    """Lay the files of a data set out as links to the store, all or nothing."""
    target = project.state / _FOLDER / digest
    paths = {name: project.store.local_path(d) for name, d in project.store.get_tree(digest).items()}
    if all((target / name).exists() for name in paths):
        return target
    if target.exists():  # its links lead nowhere since the project was moved
        shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(exist_ok=True)
    with project.store.scratch("layout") as scratch:
        for name, path in paths.items():
            link = scratch / "files" / safe_name(name)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
        with contextlib.suppress(OSError):  # another process was faster, and laid out the same
            (scratch / "files").rename(target)
    return target
