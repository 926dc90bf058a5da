"""Which networks there are: how each is built, and what it wants sampled."""

from __future__ import annotations

import functools
import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from weft.core import UserError
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.known_items import KnownItems

NETWORK_GROUP = "weft.networks"
_BUILT_IN = ("graph_transformer", "hybrid", "id_gnn", "relgnn", "sage", "two_tower")


def build_network(name: str, inputs: NetworkInputs, config: NetworkConfig) -> Any:
    """Build a network: a module from a `NetworkBatch` to the states of its seeds, ``(seeds, channels)``."""
    return _module(name).build(inputs, config)


def crossed_tables(name: str, inputs: NetworkInputs) -> tuple[str, ...]:
    """Return the bridge tables that a network crosses in one step."""
    crossed: Any = getattr(_module(name), "crossed", None)
    return () if crossed is None else tuple(crossed(inputs))


def build_ranking_network(name: str, inputs: NetworkInputs, known: KnownItems, config: NetworkConfig) -> Any:
    """Build a network that ranks items: a `weft.learn.networks.towers.RankingNetwork`."""
    return _module(name).build(inputs, known, config)


def network_defaults(name: str) -> dict[str, Any]:
    """Return the settings in which a network usually differs from `NetworkConfig`: its ``DEFAULTS``."""
    return dict(getattr(_module(name), "DEFAULTS", {}))


@functools.cache
def added_networks() -> dict[str, EntryPoint]:
    """Return the networks that other packages register with the group ``weft.networks``, by name."""
    return {e.name: e for e in entry_points(group=NETWORK_GROUP) if e.name not in _BUILT_IN}


@functools.cache
def _module(name: str) -> Any:
    """Return what has ``build``, and maybe ``crossed`` and ``DEFAULTS``: a module, or an object.

    Raises:
        UserError: ``LEARN011`` when the package of an added network does not load.
    """
    if name in _BUILT_IN:
        return importlib.import_module(f"weft.learn.models.{name}.network")
    try:
        loaded = added_networks()[name].load()
        assert callable(getattr(loaded, "build", None)), "it has no function 'build'"
    except Exception as error:
        raise UserError(
            "LEARN011",
            f"'{name}' of the group {NETWORK_GROUP} does not load: {type(error).__name__}: {error}.",
            "repair or remove the package that registers it.",
        ) from error
    return loaded
