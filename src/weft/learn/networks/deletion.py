"""What a network says when a part of what it reads is taken away: the test of its explanations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from weft.core import Batch, Feature
from weft.learn.division import AGE, ROWS, Attribution
from weft.learn.encoders.column import Array
from weft.learn.importance import Deletion, judge_deletion
from weft.learn.networks.attribution import COARSE, draw
from weft.learn.networks.batch import EdgeTensors, NetworkBatch, Told
from weft.learn.networks.feeding import Feeder, SeedRows
from weft.learn.networks.heads import predict_of
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.paths import find_paths
from weft.learn.networks.predictor import Network

if TYPE_CHECKING:
    from weft.learn.networks.model import NetworkModel
    from weft.learn.view import Asked

_NUM_RANDOM = 5
# Of a neighborhood that is nearly gone, what is left says more than what was taken.
_LEAST_TIMES = 4


def deletion_test(
    model: NetworkModel,
    rows: Asked,
    *,
    seed: int,
    class_index: int | None = None,
    removed: Sequence[int] = (1, 3, 10),
) -> Deletion | None:
    """Compare taking away the rows that made an output what it is with as many random ones (Samek, 2017).

    Taken away are the rows around a seed that moved its output most towards where it is, with their edges.
    Amounts of both signs would cancel each other.

    Args:
        model: A trained network.
        rows: Seeds to try it on, a batch at most.
        seed: Of the random rows.
        class_index: The class whose output is looked at.
        removed: How many rows; a number counts for seeds with at least four times as many.

    Returns:
        ``None`` where no seed has rows enough.
    """
    _, batch = draw(*model._fed(rows))
    strength, scope = _strength(model.attribute(rows, class_index, tolerance=COARSE))
    is_seed = np.isneginf(strength)
    num_rows = np.bincount(scope[~is_seed], minlength=len(rows))
    rng = np.random.default_rng(seed)
    whole = _outputs(model.network, batch)[:, class_index or 0]

    def moved(order: Array, size: int) -> float:
        gone = _first_of_each(order, scope, size)
        without = _outputs(model.network, without_rows(batch, model.inputs, gone))[:, class_index or 0]
        return float(np.abs(without - whole)[num_rows >= _LEAST_TIMES * size].mean())

    sizes = [size for size in removed if (num_rows >= _LEAST_TIMES * size).any()]
    drawn = [np.where(is_seed, -np.inf, rng.random(len(scope))) for _ in range(_NUM_RANDOM)]
    important = [moved(strength, size) for size in sizes]
    random = [float(np.mean([moved(order, size) for order in drawn])) for size in sizes]
    return judge_deletion(sizes, important, random)


def without_rows(batch: NetworkBatch, inputs: NetworkInputs, gone: Array) -> NetworkBatch:
    """Return a batch without some rows and the edges that touch them.

    Args:
        batch: With disjoint neighborhoods.
        inputs: What the network reads.
        gone: Which rows, bool over the rows of all tables in order; never a seed.
    """
    ends = np.cumsum([len(r.place) for r in batch.rows.values()])
    parts = np.split(gone, ends[:-1])
    kept = {
        t: torch.from_numpy(~part).to(batch.seeds.device) for t, part in zip(batch.rows, parts, strict=True)
    }
    rows = {}
    for table in (t for t in inputs.tables if t.table in batch.rows):
        read = batch.rows[table.table]
        values = torch.ones((len(read.place), len(table.columns) + 1), device=read.place.device)
        presence = kept[table.table].to(torch.float32)
        rows[table.table] = replace(read, told=Told(values, presence))
    rows = {t: rows[t] for t in batch.rows}
    edges = tuple(_without_edges(e, kept) for e in batch.edges)
    return replace(batch, rows=rows, edges=tuple(e for e in edges if len(e.source)))


def predict_without(
    network: Network,
    feeder: Feeder,
    seeds: SeedRows,
    device: torch.device,
    inputs: NetworkInputs,
    removed: Collection[Feature],
) -> Array:
    """Predict for one batch of seeds that are not told of some columns or rows of the graph.

    Args:
        network: Trained.
        feeder: Draws the neighborhoods.
        seeds: A batch.
        device: Where the network is.
        inputs: What it reads.
        removed: Parts, as `weft.learn.division.graph_part` makes them; others do not count.
    """
    sampled, batch = draw(feeder, seeds, device)
    told = _told_without(sampled, inputs, {part.name: part for part in removed}, device)
    rows = {t: replace(r, told=told[t]) for t, r in batch.rows.items()}
    return predict_of(network.goal, _outputs(network, replace(batch, rows=rows)))


def _told_without(
    sampled: Batch, inputs: NetworkInputs, removed: Mapping[str, Feature], device: torch.device
) -> dict[str, Told]:
    paths = find_paths(sampled, inputs)
    ways = {links: number for number, links in enumerate(paths.links)}
    columns = {t.table: (*(c.name for c in t.columns), AGE) for t in inputs.tables}
    told = {}
    for table, rows in sampled.tables.items():
        values = np.ones((len(rows), len(columns[table])), np.float32)
        presence = np.ones(len(rows), np.float32)
        path = paths.path[paths.first[table] : paths.first[table] + len(rows)]
        for part in removed.values():
            if part.table != table or not part.name.startswith("graph.") or part.links not in ways:
                continue
            here = path == ways[part.links]
            if part.aggregate == ROWS:
                presence[here] = 0.0
            else:
                name = AGE if part.aggregate == AGE else part.columns[0].removeprefix(f"{table}.")
                values[here, columns[table].index(name)] = 0.0
        told[table] = Told(torch.from_numpy(values).to(device), torch.from_numpy(presence).to(device))
    return told


def _outputs(network: Network, batch: NetworkBatch) -> Array:
    network.eval()
    with torch.inference_mode():
        return np.asarray(network(batch).float().cpu().numpy())


def _strength(told: Attribution) -> tuple[Array, Array]:
    """Return how far each row moved its seed's output to where it is, -inf for seeds, and whose row it is."""
    amounts = np.concatenate([t.amounts for t in told.tables])
    scope = np.concatenate([t.scope for t in told.tables])
    parent = np.concatenate([t.parent for t in told.tables])
    towards = np.sign(told.output - told.base)[scope]
    return np.where(parent < 0, -np.inf, amounts * towards), scope


def _first_of_each(strength: Array, scope: Array, num: int) -> Array:
    """Return which rows are among the strongest of their seed, bool; seeds, of strength -inf, are not."""
    order = np.lexsort((-strength, scope))
    starts = np.searchsorted(scope[order], np.arange(scope.max() + 1))
    place = np.arange(len(order)) - starts[scope[order]]
    chosen = np.zeros(len(order), bool)
    chosen[order[place < num]] = True
    return chosen & ~np.isneginf(strength)


def _without_edges(edge: EdgeTensors, kept: Mapping[str, torch.Tensor]) -> EdgeTensors:
    counts = torch.diff(edge.offsets)
    target = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    stays = kept[edge.source_table][edge.source] & kept[edge.target_table][target]
    left = torch.zeros_like(counts).index_add(0, target[stays], torch.ones_like(target[stays]))
    offsets = torch.cat([counts.new_zeros(1), torch.cumsum(left, dim=0)])
    return replace(edge, source=edge.source[stays], offsets=offsets)
