"""Configurations that are good on many databases, ordered by what the data look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_FEW_ROWS = 5_000
_MANY_ROWS = 100_000


@dataclass(frozen=True)
class Traits:
    """What is known of the data before anything is fitted.

    Attributes:
        num_train: Train rows.
        num_links: Links of the graph.
        has_bridges: Whether a table does little but join others.
    """

    num_train: int
    num_links: int
    has_bridges: bool


def make_portfolio(traits: Traits) -> list[dict[str, Any]]:
    """Return configurations to try, the best guess first.

    Few train rows ask for strong regularisation, many for few neighbors, so that a budget sees more rows. A
    hop of RelGNN crosses a bridge table and is two of the others, a step of attention costs more than a mean.
    """
    few, many = traits.num_train < _FEW_ROWS, traits.num_train > _MANY_ROWS
    rate = {"learning_rate": 1e-3, "dropout": 0.3 if few else 0.1}
    fanouts = [16, 8] if many else [32, 16]
    sage = {"network": "sage", "features": "all", "fanouts": fanouts, **rate}
    crossing = {"network": "relgnn", "features": "all", "fanouts": [16] if many else [24], **rate}
    attending = {"network": "graph_transformer", "features": "past", "fanouts": [16, 4], **rate}
    alone = {"network": "sage", "features": "past", "fanouts": [64, 32] if not many else [16, 8, 4], **rate}
    near = {"network": "sage", "features": "all", "fanouts": [64], "channels": 32, **rate}
    order = [sage, crossing, attending, alone] if traits.has_bridges else [sage, attending, crossing, alone]
    return [near, *order] if traits.num_links < 2 else [*order, near]
