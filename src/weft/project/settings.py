"""``weft.yaml``: what a project says about its tables, read and checked."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from weft.core import UserError

FILE_NAME = "weft.yaml"
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

    ``source`` is a folder, a file or a URL; ``${NAME}`` in it is replaced by the environment variable, so
    that no secret stands in the file. ``tables`` and ``links`` overrule what inference finds; a table with
    ``sql`` is derived from the others. ``audit`` holds the decision for each flagged column.
    """

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    source: str = "."
    tables: dict[str, dict[str, Any]] = Field(default_factory=dict)
    links: dict[str, Any] = Field(default_factory=dict)
    audit: dict[str, Any] = Field(default_factory=dict)
    queries: dict[str, QuerySettings] = Field(default_factory=dict)
    memory_limit: str | None = None
    threads: int | None = Field(default=None, ge=1)

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
    try:
        return ProjectSettings.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(
            "DATA111",
            f"{path}: {field}: {first['msg'].lower()}.",
            f"fields of the file are {', '.join(ProjectSettings.model_fields)}.",
        ) from error


def resolve_source(settings: ProjectSettings, folder: Path) -> str:
    """Return the source with variables filled in and a relative folder made absolute.

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

    source = _VARIABLE.sub(fill, settings.source)
    return source if "://" in source else str((folder / source).resolve())
