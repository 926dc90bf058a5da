"""Integrated gradients over the sampled neighborhood of seeds.

The method is that of Sundararajan, Taly and Yan (2017): an output less its base is the sum over the inputs of
what their gradients add up to on a way from the base to the input. What was changed:

- The way has two legs. On the first the rows come to be there, with values that are not told; it says what
  the number and the layout of rows move. On the second their values are told; it says what the columns move.
- The base is one for all seeds of a model: no row but the seed, and no value of it. A number that is not told
  is the middle of train (0, as it is encoded), a category the mean of all known ones. The code and the mark
  of a missing value would be the wrong base: a column that lacked no value in train has never learned them,
  and where it has, a missing value could never be what moved a prediction.
- Inputs are how far each cell is told, so that one number comes out per row and column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from weft.core import Batch
from weft.learn.division import AGE, Attribution, TableAmounts
from weft.learn.encoders.column import Array
from weft.learn.networks.batch import NetworkBatch, Told
from weft.learn.networks.feeding import Feeder, SeedRows
from weft.learn.networks.inputs import NetworkInputs
from weft.learn.networks.paths import Paths, find_paths
from weft.learn.networks.predictor import Network

# How far amounts may be from adding up before the rest is spread, where they are averaged over rows.
TOLERANCE, COARSE = 0.01, 0.05
_FIRST_STEPS = 8
_MOST_STEPS = 256
_TINY = 1e-6

Output = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class _Gradients:
    """What cells moved: by table the values ``(n, columns + 1)`` and the presence ``(n,)``, and the terms."""

    values: dict[str, Array]
    presence: dict[str, Array]
    terms: Array


def attribute(
    network: Network,
    feeder: Feeder,
    seeds: SeedRows,
    output: Output,
    inputs: NetworkInputs,
    device: torch.device,
    *,
    num_features: int,
    tolerance: float = TOLERANCE,
) -> Attribution:
    """Divide one output of each seed among all that the network read.

    Args:
        network: Trained.
        feeder: Draws the neighborhoods.
        seeds: One batch of them.
        output: From raw outputs ``(seeds, width)`` to what is divided, ``(seeds,)``.
        inputs: What the network reads.
        device: Where it is.
        num_features: Features of the rows, of which the seeds' terms are made.
        tolerance: Steps are doubled until amounts miss the output by at most this share of their absolute
            sum; what is left is spread over them by size.
    """
    network.eval()
    sampled, batch = draw(feeder, seeds, device)
    ways = _Ways(network, batch, output, {t.table: len(t.columns) + 1 for t in inputs.tables})
    base, whole = ways.at(0.0, 0.0), ways.at(1.0, 1.0)
    scopes = {t: rows.scope for t, rows in sampled.tables.items()}
    told, gap = _integrate(ways, scopes, whole - base, tolerance)
    paths = find_paths(sampled, inputs)
    return Attribution(
        tables=_tables(sampled, inputs, paths, told),
        links=paths.links,
        features=_by_feature(told.terms, inputs, num_features),
        base=base,
        output=whole,
        gap=gap,
        anchors_us=np.asarray(seeds.cutoffs_us),
    )


def draw(feeder: Feeder, seeds: SeedRows, device: torch.device) -> tuple[Batch, NetworkBatch]:
    """Draw the neighborhoods that predictions of a batch of seeds are made from, and make tensors of them."""
    sampled = feeder.neighborhoods.sample(feeder.table, seeds.rows, seeds.cutoffs_us, epoch=0)
    return sampled, feeder.maker.make(sampled, np.ascontiguousarray(seeds.terms)).to(device)


def _integrate(
    ways: _Ways, scopes: dict[str, Array], moved: Array, tolerance: float
) -> tuple[_Gradients, Array]:
    """Return amounts that add up to what moved, and how far they were from it before the rest was spread."""
    steps = _FIRST_STEPS
    while True:
        found = ways.integrate(steps)
        total, size = _sums(found, scopes)
        gap = moved - total
        if steps >= _MOST_STEPS or (np.abs(gap) <= tolerance * size + _TINY).all():
            break
        steps *= 2
    share = np.where(size > 0, gap / np.where(size > 0, size, 1), 0.0)
    return _spread(found, share, scopes), gap


class _Ways:
    """Outputs and gradients of a batch of which the network is told in part.

    Args:
        network: In evaluation mode.
        batch: With disjoint neighborhoods.
        output: What is divided.
        num_cells: Table → columns that are read, and one for the age.
    """

    def __init__(
        self, network: Network, batch: NetworkBatch, output: Output, num_cells: dict[str, int]
    ) -> None:
        self.network, self.batch, self.output, self.num_cells = network, batch, output, num_cells
        self.is_seed = {t: torch.zeros(len(r.place), device=r.place.device) for t, r in batch.rows.items()}
        self.is_seed[batch.seed_table][batch.seeds] = 1.0

    def at(self, presence: float, values: float) -> Array:
        """Compute outputs, float64 ``(seeds,)``, when rows are there and values told so far."""
        with torch.no_grad():
            found = self._output(*self._inputs(presence, values))
        return np.asarray(found.double().cpu().numpy())

    def integrate(self, steps: int) -> _Gradients:
        """Add gradients up on both legs, by Gauss's rule with some steps."""
        places, weights = np.polynomial.legendre.leggauss(steps)
        total: list[torch.Tensor] | None = None
        for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
            came, _, _ = self._gradients(float(place), 0.0)
            _, told, terms = self._gradients(1.0, float(place))
            parts = [weight * g for g in (*came, *told, terms)]
            total = parts if total is None else [a + b for a, b in zip(total, parts, strict=True)]
        assert total is not None
        arrays = [t.double().cpu().numpy() for t in total]
        num = len(self.batch.rows)
        return _Gradients(
            values=dict(zip(self.batch.rows, arrays[num : 2 * num], strict=True)),
            presence=dict(zip(self.batch.rows, arrays[:num], strict=True)),
            terms=arrays[-1],
        )

    def _gradients(
        self, presence: float, values: float
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
        there, told, terms = self._inputs(presence, values)
        leaves = [*there.values(), *told.values(), terms]
        for leaf in leaves:
            leaf.requires_grad_(True)
        total = self._output(there, told, terms).sum()
        found = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
        num = len(there)
        # A seed is there on the whole way.
        came = [g * (1 - self.is_seed[t]) for t, g in zip(there, found[:num], strict=True)]
        return came, list(found[num : 2 * num]), found[-1]

    def _inputs(
        self, presence: float, values: float
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], torch.Tensor]:
        there = {t: torch.where(seed > 0, 1.0, presence) for t, seed in self.is_seed.items()}
        told = {
            t: torch.full((len(r.place), self.num_cells[t]), values, device=r.place.device)
            for t, r in self.batch.rows.items()
        }
        return there, told, torch.full_like(self.batch.seed_terms, values)

    def _output(
        self, there: dict[str, torch.Tensor], told: dict[str, torch.Tensor], terms: torch.Tensor
    ) -> torch.Tensor:
        rows = {t: replace(r, told=Told(told[t], there[t])) for t, r in self.batch.rows.items()}
        batch = replace(self.batch, rows=rows, seed_terms=self.batch.seed_terms * terms)
        return self.output(self.network(batch).float())


def _sums(found: _Gradients, scopes: dict[str, Array]) -> tuple[Array, Array]:
    """Return the sum of all amounts of each seed, and that of their absolute values."""
    total, size = found.terms.sum(axis=1), np.abs(found.terms).sum(axis=1)
    for table, scope in scopes.items():
        cells = np.column_stack([found.values[table], found.presence[table]])
        np.add.at(total, scope, cells.sum(axis=1))
        np.add.at(size, scope, np.abs(cells).sum(axis=1))
    return total, size


def _spread(found: _Gradients, share: Array, scopes: dict[str, Array]) -> _Gradients:
    """Raise or lower all amounts of each seed by a share of their size."""

    def moved(amounts: Array, by: Array) -> Array:
        return np.asarray(amounts + np.abs(amounts) * by)

    return _Gradients(
        values={t: moved(v, share[scopes[t]][:, None]) for t, v in found.values.items()},
        presence={t: moved(v, share[scopes[t]]) for t, v in found.presence.items()},
        terms=moved(found.terms, share[:, None]),
    )


def _tables(
    sampled: Batch, inputs: NetworkInputs, paths: Paths, told: _Gradients
) -> tuple[TableAmounts, ...]:
    columns = {t.table: tuple(c.name for c in t.columns) for t in inputs.tables}
    found = []
    for table, rows in sampled.tables.items():
        here = slice(paths.first[table], paths.first[table] + len(rows))
        found.append(
            TableAmounts(
                table=table,
                columns=(*columns[table], AGE),
                rows=np.asarray(rows.rows),
                scope=np.asarray(rows.scope),
                path=paths.path[here],
                parent=paths.parent[here],
                age_us=np.asarray(rows.age_us),
                values=told.values[table],
                presence=told.presence[table],
            )
        )
    return tuple(found)


def _by_feature(terms: Array, inputs: NetworkInputs, num_features: int) -> Array:
    """Add amounts of the seeds' terms up by the feature they are made of."""
    features = np.zeros((len(terms), num_features))
    for place, term in enumerate(inputs.seed.terms):
        features[:, term.feature] += terms[:, place]
    return features
