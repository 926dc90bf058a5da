"""``weft.yaml``: what a project says about its tables, read and checked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from weft.core import UserError

FILE_NAME = "weft.yaml"
DATASET = "dataset:"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class QuerySettings(BaseModel):
    """A named query with how it is split."""

    model_config = ConfigDict(extra="forbid")

    pql: str
    history: str = "seed_time"
    val_start: str | None = None
    test_start: str | None = None
    step: str | None = None
    eval_anchors: int = 1


class ProjectSettings(BaseModel):
    """The content of ``weft.yaml``.

    ``source`` is a folder, a file, a URL or ``dataset:name@version``; ``database`` is where the hub is, a
    file or ``postgresql://…``; ``engine`` is the database of submitted jobs, ``postgresql://…`` for a
    project folder that several machines share, and no other project's; ``store`` is where results
    lie, a folder or an address such as ``s3://bucket/weft``, for workers that do not see this folder;
    ``lineage`` is a file or URL that events of OpenLineage go to. ``${NAME}`` in them is replaced by the
    environment variable, so that no secret stands in the file. ``tables`` and ``links`` overrule what
    inference finds; a table with ``sql`` is derived from the others. ``audit`` holds the decision for each
    flagged column. ``search`` narrows or widens what a search over networks tries: setting → value, list of
    values, or ``{low, high, log}``. A value holds for networks that are named singly, too.
    ``sentence_model`` is a folder, an installed package or a repository in the cache of Hugging Face.
    """

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    source: str = "."
    database: str | None = None
    engine: str | None = None
    store: str | None = None
    lineage: str | None = None
    tables: dict[str, dict[str, Any]] = Field(default_factory=dict)
    links: dict[str, Any] = Field(default_factory=dict)
    audit: dict[str, Any] = Field(default_factory=dict)
    search: dict[str, Any] = Field(default_factory=dict)
    sentence_model: str | None = None
    queries: dict[str, QuerySettings] = Field(default_factory=dict)
    memory_limit: str | None = None
    threads: int | None = Field(default=None, ge=1)
    gpus: int = Field(default=0, ge=0)

    @property
    def derived(self) -> dict[str, str]:
        """Name → SQL of the tables that are derived from others."""
        return {name: spec["sql"] for name, spec in self.tables.items() if "sql" in spec}

    @property
    def overrides(self) -> dict[str, Any]:
        """What the user says about tables and links, without the SQL."""
        tables = {name: {k: v for k, v in spec.items() if k != "sql"} for name, spec in self.tables.items()}
        return {"tables": {k: v for k, v in tables.items() if v}, "links": self.links}


def read_settings(folder: Path) -> ProjectSettings:
    """Read ``weft.yaml`` of ``folder``; without one, the defaults.

    Raises:
        UserError: ``DATA110`` when it is not YAML, ``DATA111`` when a field is unknown or of the wrong type.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return ProjectSettings()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise UserError(
            "DATA110", f"{path}{line} is not valid YAML.", "mend the line that is named."
        ) from error
    return _validate(content, str(path), "the file")


def state_more(
    settings: ProjectSettings,
    tables: Mapping[str, Any] | None,
    links: Mapping[str, Any] | Sequence[str] | None,
) -> ProjectSettings:
    """Add what Python states about tables and links to what the file states; Python's word stands.

    Args:
        settings: Of the project.
        tables: As ``tables`` in ``weft.yaml``.
        links: As ``links`` in ``weft.yaml``; a list is what is added.

    Raises:
        UserError: ``DATA111`` when a field is of the wrong type.
    """
    if isinstance(links, Sequence) and not isinstance(links, str):
        links = {"add": list(links)}
    said = _validate({"tables": tables or {}, "links": links or {}}, "graph()", "what is stated")
    merged = dict(settings.tables)
    for name, fields in said.tables.items():
        known = merged.get(name, {})
        columns = {**(known.get("columns") or {}), **(fields.get("columns") or {})}
        merged[name] = {**known, **fields, **({"columns": columns} if columns else {})}
    lists = {kind: [*(known or [])] for kind, known in settings.links.items()}
    for kind, added in said.links.items():
        lists[kind] = [*lists.get(kind, []), *added]
    return settings.model_copy(update={"tables": merged, "links": lists})


def _validate(content: Any, place: str, whole: str) -> ProjectSettings:
    try:
        return ProjectSettings.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or whole
        raise UserError(
            "DATA111",
            f"{place}: {field}: {first['msg'].lower()}.",
            f"fields of {whole} are {', '.join(ProjectSettings.model_fields)}.",
        ) from error


def resolve_source(settings: ProjectSettings, folder: Path) -> str:
    """Return the source with variables filled in and a relative folder made absolute.

    Raises:
        UserError: ``DATA112`` when an environment variable is not set.
    """
    return resolve_address(settings.source, folder)


def resolve_address(address: str, folder: Path) -> str:
    """Return an address of ``weft.yaml`` with variables filled in and a relative path made absolute.

    Raises:
        UserError: ``DATA112`` when an environment variable is not set.
    """

    def fill(match: re.Match[str]) -> str:
        value = os.environ.get(match[1])
        if value is None:
            raise UserError(
                "DATA112",
                f"the environment variable {match[1]}, which {FILE_NAME} names, is not set.",
                f"set it: export {match[1]}=…",
            )
        return value

    filled = _VARIABLE.sub(fill, address)
    return filled if "://" in filled or filled.startswith(DATASET) else str((folder / filled).resolve())
