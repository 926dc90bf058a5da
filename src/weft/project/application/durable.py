"""The engine of durable runs, for a project: its database, its backends, how it says a job is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from weft.core import UserError
from weft.flow.backends import INLINE, Backend, backend_names
from weft.flow.engine import Engine, Hooks, RunStatus
from weft.hub import RunRecord, RunState
from weft.project.application.job import JOB
from weft.project.folder import ProjectFolder
from weft.project.settings import resolve_address

_FILE = "engine.db"


def open_engine(folder: ProjectFolder, hooks: Hooks | None = None) -> Engine:
    """Open the engine of a project's submitted jobs.

    It is a file beside the store, or what ``engine`` in ``weft.yaml`` says. The database of the hub does not
    serve: projects with stores of their own share it, and a controller finds a run's sources in its store.

    Raises:
        UserError: ``EXT001`` when the extra ``server`` is not installed, ``FLOW080`` for a wrong URL.
        UnavailableError: ``FLOW081`` when the database does not answer.
    """
    address = folder.settings.engine
    url = f"sqlite:///{folder.state / _FILE}" if address is None else resolve_address(address, folder.folder)
    backends = ProjectBackends(folder)
    return Engine(url, folder.store, resources=folder.resources, backends=backends, hooks=hooks)


class ProjectBackends(Mapping[str, Backend]):
    """Name → backend of a project, opened when it is asked for.

    A name may carry settings: ``kubernetes@`` and the digest of their JSON in the store.
    """

    def __init__(self, folder: ProjectFolder) -> None:
        self._folder = folder
        self._opened: dict[str, Backend] = {}

    def __getitem__(self, name: str) -> Backend:
        if name not in self._opened:
            plain, _, digest = name.partition("@")
            settings = json.loads(self._folder.store.get_bytes(digest)) if digest else {}
            backend = self._folder.open_backend(plain, settings) if plain in self._names() else None
            if backend is None:
                raise KeyError(name)
            self._opened[name] = backend
        return self._opened[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.partition("@")[0] in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> tuple[str, ...]:
        return backend_names()


def name_backend(folder: ProjectFolder, name: str, settings: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name under which `ProjectBackends` has a backend with its settings, and their digest."""
    if name == INLINE or not settings:
        return name, ""
    digest = folder.store.put_bytes(json.dumps(settings, sort_keys=True).encode())
    return f"{name}@{digest}", digest


def is_durable(record: RunRecord) -> bool:
    """Whether a job was submitted to the engine."""
    return bool(record.parameters[JOB].get("durable"))


def engine_status(folder: ProjectFolder, record: RunRecord) -> RunStatus | None:
    """Return how the engine says that a job is; ``None`` where it is for the hub alone to say."""
    if not is_durable(record) or record.state is RunState.SUCCEEDED:
        return None
    with open_engine(folder) as engine:
        try:
            return engine.status(record.name)
        except UserError as error:
            if error.code == "FLOW083":
                return None  # it was cut off before it was submitted
            raise
