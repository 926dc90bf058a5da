"""Which networks there are, and how one is built."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import NetworkInputs

# (inputs, config) -> torch.nn.Module that maps a NetworkBatch to the states of its seeds, (seeds, channels)
Build = Callable[[NetworkInputs, NetworkConfig], Any]
_BUILT_IN = {"sage": "weft.learn.models.sage.network:build"}


def get_network(name: str) -> Build:
    """Return what builds the network called ``name``; the rung of that name is known to exist."""
    module, _, attribute = _BUILT_IN[name].partition(":")
    build: Build = getattr(importlib.import_module(module), attribute)
    return build
