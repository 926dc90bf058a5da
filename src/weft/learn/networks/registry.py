"""Which networks there are: how each is built, and what it wants sampled."""

from __future__ import annotations

import importlib
from typing import Any

from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NetworkInputs

_BUILT_IN = ("graph_transformer", "relgnn", "sage")


def build_network(name: str, inputs: NetworkInputs, config: NetworkConfig) -> Any:
    """Build a network: a module from a `NetworkBatch` to the states of its seeds, ``(seeds, channels)``."""
    return _module(name).build(inputs, config)


def crossed_tables(name: str, inputs: NetworkInputs) -> tuple[str, ...]:
    """Return the bridge tables that a network crosses in one step."""
    crossed: Any = getattr(_module(name), "crossed", None)
    return () if crossed is None else tuple(crossed(inputs))


def _module(name: str) -> Any:
    assert name in _BUILT_IN, name
    return importlib.import_module(f"weft.learn.models.{name}.network")
