"""A suite for authors of graph networks: subclass it, name what builds the network, and pytest does the rest.

class TestMyNetwork(NetworkSuite):
    network = my_package.my_network
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch

from weft.core import Resources
from weft.data import Tables, connect, prepare_tables, profile_snapshot, take_snapshot
from weft.graph import Source, Store, materialize
from weft.learn.encoders import EncoderOptions, fit_table
from weft.learn.networks.batch import BatchMaker, NetworkBatch
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.inputs import LinkEnds, NetworkInputs, SeedTerms

_DAY = 86_400_000_000
_RESOURCES = Resources(memory_bytes=10**9, threads=1)
_USERS, _ITEMS, _ORDERS, _DAYS = 24, 8, 300, 100
_SEEDS, _ANCHORS = np.array([3, 7, 7, 20], np.uint32), np.array([50, 30, 90, -1]) * _DAY


@dataclass(frozen=True)
class _Shop:
    """A small graph: users, items and orders between them, and what a network reads of it."""

    source: Source
    inputs: NetworkInputs


class NetworkSuite:
    """What every graph network keeps to, on a small shop.

    Set ``network`` to the module, or the object, that has ``build(inputs, config)``.
    """

    network: ClassVar[Any]
    config = NetworkConfig(channels=8, fanouts=(4, 3))

    def test_every_seed_has_a_state(self) -> None:
        """One finite row of ``channels`` numbers per seed, of a seed without any neighbors as well."""
        with _open_shop() as shop:
            states = self._states(shop, self._build(shop), np.arange(4))
        assert states.shape == (4, self.config.channels)
        assert torch.isfinite(states).all()

    def test_a_seed_does_not_feel_the_seeds_beside_it(self) -> None:
        """States are the same, whoever shares the batch; one row at two anchors has two."""
        with _open_shop() as shop:
            network = self._build(shop)
            together = self._states(shop, network, np.arange(4))
            alone = torch.cat([self._states(shop, network, np.array([i])) for i in range(4)])
        torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-3)
        assert not torch.allclose(together[1], together[2])

    def test_what_comes_after_an_anchor_changes_nothing(self) -> None:
        """Values of later rows do not reach a seed; those of earlier rows do."""
        with _open_shop() as shop, _open_shop(changed_from=60) as later:
            network = self._build(shop)
            usual, other = (self._states(s, network, np.arange(4)) for s in (shop, later))
        before = _ANCHORS < 60 * _DAY
        assert torch.equal(usual[before], other[before])
        assert not torch.allclose(usual[~before], other[~before])

    def test_neighbors_are_read(self) -> None:
        """Gradients of the states reach the values of neighbors, not of the seeds alone."""
        with _open_shop() as shop:
            batch = self._batch(shop, np.arange(3))
            for rows in batch.rows.values():
                rows.dense.requires_grad_(True)
            self._build(shop)(batch).square().sum().backward()
        reached = {t: r.dense.grad for t, r in batch.rows.items() if r.dense.shape[1]}
        assert any(g is not None and g.abs().sum() > 0 for t, g in reached.items() if t != "users")

    def test_the_same_seed_builds_the_same_network(self) -> None:
        """First weights follow from torch's generator alone, and have plain names."""
        with _open_shop() as shop:
            first, second = self._build(shop).state_dict(), self._build(shop).state_dict()
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)

    def test_weights_read_back_give_the_same_states(self, tmp_path: Path) -> None:
        """All that the states follow from is in the state dictionary."""
        from safetensors.torch import load_file, save_file

        with _open_shop() as shop:
            network = self._build(shop)
            save_file(
                {k: v.contiguous() for k, v in network.state_dict().items()}, tmp_path / "w.safetensors"
            )
            again = self._build(shop, seed=1)
            again.load_state_dict(load_file(tmp_path / "w.safetensors"))
            states = [self._states(shop, n, np.arange(4)) for n in (network, again)]
        assert torch.equal(*states)

    def _build(self, shop: _Shop, seed: int = 0) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.network.build(shop.inputs, self.config).eval()

    def _states(self, shop: _Shop, network: Any, chosen: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            states: torch.Tensor = network(self._batch(shop, chosen))
        return states

    def _batch(self, shop: _Shop, chosen: np.ndarray) -> NetworkBatch:
        crossed = tuple(self.network.crossed(shop.inputs)) if hasattr(self.network, "crossed") else ()
        options = self.config.sampling(0, [k.name for k in shop.inputs.links], crossed)
        sampled = shop.source.neighborhoods(options, threads=1).sample(
            "users", _SEEDS[chosen], _ANCHORS[chosen]
        )
        return BatchMaker(shop.inputs, shop.source).make(sampled, np.zeros((len(chosen), 0), np.float32))


@contextmanager
def _open_shop(changed_from: int | None = None) -> Iterator[_Shop]:
    """Make the shop in a folder that is removed again.

    Args:
        changed_from: Day from which on amounts of orders are others.
    """
    with tempfile.TemporaryDirectory(prefix="weft-suite-") as place:
        folder = Path(place)
        info = take_snapshot(connect(_tables(changed_from)), folder / "snapshot", resources=_RESOURCES)
        paths = info.paths(folder / "snapshot")
        profile = profile_snapshot(paths, declared=info.declared, resources=_RESOURCES)
        prepared = prepare_tables(paths, profile.schema, folder / "prepared", resources=_RESOURCES)
        files = prepared.paths(folder / "prepared")
        with Tables(prepared.schema, files, _RESOURCES, folder / "scratch") as reader:
            materialize(reader, folder / "graph", resources=_RESOURCES)
        source = Source(Store(folder / "graph"))
        # Encoders are those of the shop as it was before the change.
        asked: dict[str, Any] = {"until_us": 50 * _DAY, "options": EncoderOptions(numbers="standard")}
        tables = tuple(fit_table(source, t, excluded=set(), separators={}, **asked) for t in source.tables)
        links = tuple(LinkEnds(k.name, k.child, k.parent) for k in source.links)
        yield _Shop(source, NetworkInputs("users", tables, links, SeedTerms(), 50 * _DAY))


def _tables(changed_from: int | None) -> dict[str, pa.Table]:
    rng = np.random.default_rng(0)
    day = np.sort(rng.integers(0, _DAYS, _ORDERS))
    amount = rng.normal(10, 3, _ORDERS)
    if changed_from is not None:
        amount = np.where(day >= changed_from, amount[::-1], amount)
    times = pa.array(day.astype(np.int64) * _DAY + 1, pa.int64()).cast(pa.timestamp("us"))
    return {
        "users": pa.table({"user_id": np.arange(_USERS), "city": rng.choice(["x", "y"], _USERS)}),
        "items": pa.table({"item_id": np.arange(_ITEMS), "price": rng.normal(50, 9, _ITEMS)}),
        "orders": pa.table(
            {
                "order_id": np.arange(_ORDERS),
                "user_id": rng.integers(0, _USERS, _ORDERS),
                "item_id": rng.integers(0, _ITEMS, _ORDERS),
                "amount": amount,
                "ordered_at": times,
            }
        ),
    }
