"""In which settings some configurations differ: what tells trials apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from weft.learn.encoders import EncoderOptions
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.search.space import LINK, flatten, plain

# When, for how long and on which network a trial was made is no setting of the network.
_APART = {"budget_s", "kind", "network", "origins", "place", "round", "start", "trials", "variant"}


def differing(configs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return of each configuration the settings that are not the same in all, the others left out.

    What a configuration leaves open is as `NetworkConfig` has it.

    Example:
        >>> differing([{"channels": 32, "dropout": 0.1}, {"dropout": 0.3}, {"channels": 64}])
        [{'channels': 32, 'dropout': 0.1}, {'channels': 64, 'dropout': 0.3}, {'channels': 64, 'dropout': 0.1}]
    """
    usual = flatten(asdict(NetworkConfig()))
    usual |= {f"encoders.{name}": value for name, value in asdict(EncoderOptions()).items()}
    points = [flatten(config) for config in configs]
    names = [n for n in dict.fromkeys(n for point in points for n in point) if n not in _APART]
    told = [
        {n: plain(point.get(n, usual.get(n, True if n.startswith(LINK) else None))) for n in names}
        for point in points
    ]
    kept = [n for n in names if any(one[n] != told[0][n] for one in told)]
    return [{n: one[n] for n in kept} for one in told]
