"""Graph: tables, what they mean, and how they are linked; the place where questions are asked."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.compile import TablesSpec, compile_tables, hold_source, read_value
from weft.core import Finding, Link, Schema, Table, UserError, from_plain, to_plain
from weft.data import Profile
from weft.data import connect as connect_source
from weft.flow import Node, Output, Plan
from weft.pql import compile_query
from weft.project.datasets import open_named
from weft.project.folder import ProjectFolder
from weft.project.guard import absolute_place
from weft.project.query import Query
from weft.project.reproduction import FRAMES, public_place
from weft.project.settings import DATASET, read_settings, resolve_source, state_more
from weft.project.view import html_table, text_table

# What preparing the tables says again that their profile says with examples.
_SAME = {"dangling_keys": "dangling_references", "null_key": "null_keys", "duplicate_key": "duplicate_keys"}


class Graph:
    """The tables of one source, profiled: schema with evidence, statistics, findings.

    Made by `Graph.from_data`, `connect` or `from_relbench`. Nothing is read before it is asked for.

    Args:
        source: From `weft.data.connect`.
        project: Where results are kept.
        example: A frame whose type the results come back in; ``None`` gives Arrow tables.
        place: Where the tables are, in words without a password; shown with every run.
        stated: What Python states about ``tables`` and ``links``, besides ``weft.yaml``.
    """

    def __init__(
        self,
        source: Any,
        project: ProjectFolder,
        example: Any = None,
        *,
        place: str = FRAMES,
        stated: Mapping[str, Any] | None = None,
    ) -> None:
        self._source = source
        self.project = project
        self.example = example
        self.place = place
        self.place_at = absolute_place(place)
        self.stated = {name: said for name, said in (stated or {}).items() if said}
        self._settings = state_more(project.settings, self.stated.get("tables"), self.stated.get("links"))

    @classmethod
    def from_data(
        cls, tables: Mapping[str, Any], *, project: str | Path | ProjectFolder = ".", **limits: Any
    ) -> Graph:
        """Make a graph of frames; the same as ``connect(tables).graph()``.

        Args:
            tables: Name → pandas, polars or Arrow table, DuckDB relation or Ibis table. All results
                come back in the type of the first.
            project: Folder that keeps results in ``.weft``.
            **limits: ``memory_limit``, ``threads`` and ``backend``.
        """
        return connect(tables, project=project, **limits).graph()

    @functools.cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of a Plan that every query over these tables shares."""
        settings = self._settings
        fingerprints = self._source.fingerprints(self.project.resources)
        spec = TablesSpec(
            source=hold_source(self._source, fingerprints),
            fingerprints=fingerprints,
            declared=to_plain(self._source.declared),
            overrides=settings.overrides,
            derived=settings.derived,
        )
        return compile_tables(spec, self.project.resources)

    @functools.cached_property
    def outputs(self) -> Mapping[str, Output]:
        """What the nodes made: ``snapshot``, ``profile``, ``tables``; runs what is missing."""
        return self.project.run(Plan("tables", self.nodes)).outputs

    @functools.cached_property
    def profile(self) -> Profile:
        """What was found in the tables: schema, evidence, statistics, findings."""
        return read_value(self.outputs["profile"], Profile, "profile.json")

    @property
    def schema(self) -> Schema:
        """Tables, columns, keys, times and links as they will be used."""
        return self.profile.schema

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables of the schema."""
        return self.schema.tables

    @property
    def links(self) -> tuple[Link, ...]:
        """The links of the schema."""
        return self.schema.links

    @functools.cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong or noteworthy in the data, from the profile and from preparing the tables."""
        found = self.profile.findings
        said = {(f.rule, f.table, f.columns, f.severity) for f in found}
        prepared = (from_plain(Finding, f) for f in self.outputs["tables"].value["findings"])
        more = (f for f in prepared if (_SAME.get(f.rule), f.table, f.columns, f.severity) not in said)
        return (*found, *more)

    def query(self, text: str) -> Query:
        """Ask: parse, bind and check a predictive query against these tables.

        Raises:
            UserError: ``PQLnnn`` with a caret under the place.
        """
        return self.ask(text, {})

    def ask(self, text: str, options: Mapping[str, Any]) -> Query:
        """Ask with options given beforehand; ``text`` may be the name of a query in ``weft.yaml``."""
        named = self.project.settings.queries.get(text.strip())
        if named is None:
            self._refuse_unknown_name(text.strip())
            return Query(self, compile_query(text, self.schema), dict(options))
        stated = named.model_dump(exclude={"pql"}, exclude_defaults=True)
        return Query(self, compile_query(named.pql, self.schema), {**stated, **options})

    def _refuse_unknown_name(self, text: str) -> None:
        """Say of a single word that it names no query, rather than that it is no PREDICT."""
        if text.isidentifier() and text.upper() != "PREDICT":
            known = ", ".join(self.project.settings.queries)
            raise UserError(
                "DATA129",
                f"there is no query named '{text}' in weft.yaml.",
                f"choose one of {known}." if known else "write the query out, as in PREDICT … FOR EACH ….",
            )

    def __repr__(self) -> str:
        return text_table(*self._overview())

    def _repr_html_(self) -> str:
        return html_table(*self._overview())

    def _overview(self) -> tuple[list[str], list[list[str]]]:
        rows = []
        for table in self.tables:
            links = [k.name.partition(".")[2] for k in self.schema.links_from(table.name)]
            rows.append(
                [
                    table.name,
                    f"{self.profile.table(table.name).num_rows:,}",
                    ", ".join(table.primary_key) or "–",
                    table.time_column or "–",
                    "; ".join(links) or "–",
                ]
            )
        return ["table", "rows", "primary key", "time", "links"], rows


class Connection:
    """A source that is connected and not yet read; `graph` profiles it."""

    def __init__(self, source: Any, project: ProjectFolder, example: Any = None, *, place: str) -> None:
        self._source = source
        self.project = project
        self.example = example
        self.place = place

    def graph(
        self,
        *,
        tables: Mapping[str, Any] | None = None,
        links: Mapping[str, Any] | Sequence[str] | None = None,
    ) -> Graph:
        """Return the graph of all tables of the source.

        What is stated here has the shape of ``weft.yaml`` and beats it, which beats what is inferred.

        Args:
            tables: Table → ``primary_key``, ``time_column``, ``end_time_column``, ``columns``, ``sql``.
            links: Links to add, such as ``["orders.user_id -> users"]``; or a mapping with ``add`` and
                ``remove``.

        Example:
            ``weft.connect(frames).graph(tables={"users": {"primary_key": "uid"}})``

        Raises:
            UserError: ``DATA111`` when a field is of the wrong type.
        """
        stated = {"tables": tables, "links": links}
        return Graph(self._source, self.project, self.example, place=self.place, stated=stated)

    def __repr__(self) -> str:
        return f"Connection({self.place!r})"


def connect(
    source: str | Path | Mapping[str, Any], *, project: str | Path | ProjectFolder = ".", **limits: Any
) -> Connection:
    """Connect frames in memory, a folder, a file or a database.

    Args:
        source: A mapping from names to pandas, polars, Arrow, DuckDB or Ibis tables, whose results come
            back in the type of the first; a folder of Parquet and CSV, a DuckDB or SQLite file, a RelBench
            folder, a published data set such as ``dataset:shop@3``, or a URL such as
            ``postgresql://user@host/shop``, ``duckdb:///shop.db`` or ``s3://bucket/shop``.
        project: Folder that holds ``weft.yaml`` and keeps results in ``.weft``.
        **limits: ``memory_limit``, ``threads`` and ``backend``.

    Example:
        ``weft.connect("shop/").graph()``
    """
    folder = project if isinstance(project, ProjectFolder) else ProjectFolder(project, **limits)
    if isinstance(source, Mapping):
        example = next(iter(source.values()), None)
        return Connection(connect_source(dict(source)), folder, example, place=FRAMES)
    if (found := open_named(str(source), folder)) is not None:
        return Connection(connect_source(found.path), folder, place=f"{DATASET}{found.label}")
    return Connection(connect_source(source), folder, place=public_place(str(source)))


def open_project(folder: str | Path = ".", **limits: Any) -> Graph:
    """Open the graph of a project folder: the source and the tables that its ``weft.yaml`` states."""
    place = Path(folder).resolve()
    source = resolve_source(read_settings(place), place)
    project = ProjectFolder(folder, **limits)
    found = open_named(source, project)
    opened = connect_source(source if found is None else found.path)
    # The folder as it was named: with it, and not with the source, the command is repeated.
    return Connection(opened, project, place=str(folder)).graph()


def from_relbench(folder: str | Path, *, project: str | Path | ProjectFolder = ".", **limits: Any) -> Graph:
    """Make a graph of a RelBench v3 folder; its manifest declares keys, times and links."""
    return connect(folder, project=project, **limits).graph()
