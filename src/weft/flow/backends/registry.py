"""Backends by the names they have on the command line."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.core import Resources, UserError, parse_size
from weft.flow.backends.base import Backend
from weft.flow.backends.settings import read_settings
from weft.flow.store import Store

GROUP = "weft.backends"
# Threads of the process that asks: no backend that is opened.
INLINE = "inline"
# Named here as well, so that a checkout that is not installed has them.
_OWN = {name: f"weft.flow.backends.registry:open_{name}" for name in ("kubernetes", "process", "ray")}


@dataclass(frozen=True)
class ProcessSettings:
    """What a deployment says of the processes of this machine.

    Attributes:
        folder: Where attempts are kept for a week; by default beside the store, where workspaces are.
        memory: What all attempts may use together, such as ``8GB``; by default what the machine has.
        threads: As for memory.
        gpus: As for memory.
    """

    folder: str | None = None
    memory: str | None = None
    threads: int | None = None
    gpus: int | None = None


def backend_names() -> tuple[str, ...]:
    """Return the names of all backends that can be opened, in order; `INLINE` is none of them."""
    return tuple(sorted(_known()))


def check_backend_name(name: str) -> str:
    """Return ``name`` if it is `INLINE` or that of a backend.

    Raises:
        UserError: ``FLOW093`` when it is neither.
    """
    known = [INLINE, *backend_names()]
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        advice = f"write {near[0]}" if near else f"use {', '.join(known)}"
        raise UserError("FLOW093", f"there is no backend '{name}'.", f"{advice}.")
    return name


def find_backend(name: str, store: Store, settings: Mapping[str, Any] | None = None) -> Backend:
    """Return the backend that is called ``name``; nothing is asked of it yet.

    Args:
        name: ``process``, ``kubernetes``, ``ray``, or one that a package registers in the entry point group
            ``weft.backends``: a function of the store and the settings.
        store: Holds specifications, results and logs.
        settings: Of this backend, plain values.

    Raises:
        UserError: ``FLOW093`` for a name that nothing is registered under, or a backend that does not load;
            ``FLOW090`` for a setting that cannot be used.
    """
    place = _known()[check_backend_name(name)]
    module, _, function = place.partition(":")
    try:
        made: Backend = getattr(importlib.import_module(module), function)(store, settings or {})
    except (ImportError, AttributeError) as error:
        raise UserError(
            "FLOW093",
            f"the backend '{name}' ({place}) cannot be loaded: {error}.",
            "install what it needs, or ask its author.",
        ) from error
    return made


def _known() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {**_OWN, **{e.name: e.value for e in entry_points(group=GROUP)}}


def open_kubernetes(store: Store, settings: Mapping[str, Any]) -> Backend:
    """Make the backend ``kubernetes``."""
    from weft.flow.backends.kubernetes import KubernetesBackend, KubernetesSettings

    return KubernetesBackend(store, read_settings(KubernetesSettings, "kubernetes", settings))


def open_process(store: Store, settings: Mapping[str, Any]) -> Backend:
    """Make the backend ``process``."""
    from weft.flow.backends.process import ProcessBackend
    from weft.flow.backends.slots import machine_slots

    read = read_settings(ProcessSettings, "process", settings)
    folder = Path(read.folder) if read.folder else store.logs("process").parents[1] / "process"
    if read.memory is None and read.threads is None and read.gpus is None:
        return ProcessBackend(folder)
    whole = machine_slots(None)
    limits = Resources(
        parse_size(read.memory) if read.memory else whole.memory_bytes,
        read.threads or whole.threads,
        len(whole.gpus) if read.gpus is None else read.gpus,
    )
    return ProcessBackend(folder, limits)


def open_ray(store: Store, settings: Mapping[str, Any]) -> Backend:
    """Make the backend ``ray``."""
    from weft.flow.backends.ray import RayBackend, RaySettings

    return RayBackend(store, read_settings(RaySettings, "ray", settings))
