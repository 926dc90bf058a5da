"""How many epochs a budget buys: work counted from a sampled batch, never by the clock."""

from __future__ import annotations

import numpy as np

from weft.learn.networks.batch import NetworkBatch
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.drawing import EpochRows
from weft.learn.networks.feeding import Feeder, SeedRows

# CPU seconds per step, per row and squared channel, and per edge and channel, forward and back: what
# `python bench/networks.py --only cost` prints for each network.
_CONSTANTS = {
    "sage": (0.017, 4.9e-11, 2.5e-8),
    "relgnn": (0.01, 0.0, 3.6e-8),
    "graph_transformer": (0.048, 8.9e-10, 1.9e-7),
}
_EVALUATION = 0.4
_PROBES = 3
# Of a long train set two passes are enough for a first answer, of a short one as many as are asked for.
_MOST_LOOKS = 40


def plan_epochs(
    name: str,
    feeder: Feeder,
    train: SeedRows,
    rows: EpochRows,
    num_val: int,
    config: NetworkConfig,
    *,
    num_last: int = 0,
) -> tuple[int, float]:
    """Return how many epochs fit into the budget; the same data and configuration give the same number.

    Args:
        name: Of the network.
        feeder: Makes the batches that work is counted on.
        train: Seeds.
        rows: Those that an epoch reads.
        num_val: Seeds that are predicted after each.
        config: With the budget; 0 is no limit.
        num_last: Seeds that are predicted once the training has ended.

    Returns:
        Epochs, and the CPU seconds of one with all that is predicted after it; 0 where no budget is counted.
    """
    most = min(config.epochs * rows.parts, max(_MOST_LOOKS, 2 * rows.parts))
    if config.budget_s <= 0:
        return most, 0.0
    size = min(config.batch_size, len(train))
    order = np.random.Generator(np.random.Philox([7, len(train)])).permutation(len(train))
    parts = [order[i * size : (i + 1) * size] for i in range(_PROBES) if (i + 1) * size <= len(train)]
    batches = [feeder.make(train, part, 0) for part in parts]
    per_seed = sum(step_seconds(name, b, config.channels) for b in batches) / sum(
        len(b.seeds) for b in batches
    )
    epoch_s = per_seed * (len(rows) + _EVALUATION * num_val)
    left_s = config.budget_s - per_seed * _EVALUATION * num_last
    return max(0, min(most, int(left_s / epoch_s))), epoch_s + config.budget_s - left_s


def step_seconds(name: str, batch: NetworkBatch, channels: int) -> float:
    """Estimate the CPU seconds of a training step of a network on a batch."""
    return seconds_of(name, work_of(batch, channels))


def work_of(batch: NetworkBatch, channels: int) -> tuple[float, float]:
    """Count the work of a step: products of rows and squared channels, and of edges and channels."""
    cells = sum((len(r.dense) * 3 + len(r.place)) * channels * channels for r in batch.rows.values())
    return float(cells), float(sum(len(e.source) * channels for e in batch.edges))


def seconds_of(name: str, work: tuple[float, float]) -> float:
    """Estimate the CPU seconds of some work of a network; one that was not measured is taken for `sage`."""
    step, cell, edge = _CONSTANTS.get(name, _CONSTANTS["sage"])
    return step + work[0] * cell + work[1] * edge
