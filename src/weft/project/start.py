"""``weft init``: a project file with everything that was found, ready to be corrected."""

from __future__ import annotations

import os.path
from pathlib import Path
from typing import Any

import yaml

from weft.core import Stype, UserError
from weft.project.graph import Graph, connect
from weft.project.proposals import propose_queries
from weft.project.settings import FILE_NAME
from weft.project.view import count_text
from weft.project.views import View

_HEAD = """\
# What Weft knows about these tables. Everything here was found by itself; correct what is wrong, delete what
# you agree with. What stands here beats what a database declares, which beats what is inferred.
# All fields: docs/reference/weft-yaml.md
"""


def init_project(folder: str | Path, source: str, **limits: Any) -> View:
    """Write ``weft.yaml`` for ``source`` into ``folder``.

    Raises:
        UserError: ``DATA119`` when there is one already.
    """
    place = Path(folder)
    path = place / FILE_NAME
    if path.exists():
        raise UserError("DATA119", f"{path} is already there.", "change it by hand, or remove it first.")
    graph = connect(source, project=place, **limits).graph()
    content = _settings(graph, _relative(source, place))
    path.write_text(_HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110), "utf-8")
    names = ", ".join(t.name for t in graph.tables)
    tables, links = count_text(len(graph.tables), "table"), count_text(len(graph.links), "link")
    text = f"Wrote {path}: {tables} ({names}), {links}."
    return View(text, {"file": str(path)} | content)


def _settings(graph: Graph, source: str) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for table in graph.tables:
        said: dict[str, Any] = {}
        if table.primary_key:
            said["primary_key"] = (
                table.primary_key[0] if len(table.primary_key) == 1 else list(table.primary_key)
            )
        said["time_column"] = table.time_column
        kinds = {c.name: c.stype.value for c in table.columns if c.stype is not Stype.ID}
        if kinds:
            said["columns"] = kinds
        tables[table.name] = said
    try:
        queries = {f"proposal{i}": {"pql": text} for i, text in enumerate(propose_queries(graph), 1)}
    except UserError:
        queries = {}
    return {
        "source": source,
        "tables": tables,
        "links": {"add": [k.name for k in graph.links], "remove": []},
        "audit": {},
        "queries": queries,
    }


def _relative(source: str, place: Path) -> str:
    if "://" in source:
        return source
    return os.path.relpath(Path(source).resolve(), place.resolve())
