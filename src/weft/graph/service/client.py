"""A graph that others serve, used like one on this machine."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from weft.core import UserError, from_json
from weft.graph.drawing import Draw, Walk
from weft.graph.layout import Layout, TableLayout
from weft.graph.lookup import key_batches, keys_from_arrow
from weft.graph.once import Once
from weft.graph.orders import TimeOrders
from weft.graph.seeds import checked_rows
from weft.graph.service.asking import RemoteDrawing
from weft.graph.service.copying import copy_orders
from weft.graph.service.message import Message, pack_table, unpack_table
from weft.graph.service.shard import ShardClient
from weft.graph.store import blocks_of, column_of, find_table, open_native

Array = np.ndarray[Any, Any]
_LOCATION = re.compile(r"grpc(\+tcp|\+tls)?://(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+):([0-9]{1,5})/?")
_Call = Callable[[ShardClient], Message]


class RemoteStore:
    """A graph behind one server, or behind one server per shard, with the face of `Store`.

    Times, values and neighbors of a row come from the shard that holds it; what a call returns is put
    together when every shard has answered, so nothing is ever half there. May be used from several threads
    at once, but not in a process that is forked while it is open (``GRAPH088``). Files are not here: `verify`
    and `directory` are of a `Store` alone, opened where a shard lies.

    Args:
        locations: Addresses, in any order, such as ``grpc://127.0.0.1:8815``; one of them may stand alone.
        timeout_s: For each call of a shard.

    Raises:
        UnavailableError: ``GRAPH080``, ``GRAPH081`` when a shard does not answer.
        UserError: ``GRAPH082`` for what is no address or no time, ``GRAPH083`` when the servers do not make
            one graph, ``GRAPH088`` in a forked process. Each call raises ``GRAPH089`` once it is closed.
    """

    def __init__(self, locations: Sequence[str] | str, *, timeout_s: float = 30.0) -> None:
        named = [locations] if isinstance(locations, str) else list(locations)
        _check_options(named, timeout_s)
        clients = [ShardClient(location, timeout_s) for location in named]
        self._dictionaries: dict[tuple[str, str], pa.Array] = {}
        self._pool = ThreadPoolExecutor(max(4, 4 * len(clients)), thread_name_prefix="weft-shard")
        answers = [c.ask("layout") for c in clients]
        layouts = [from_json(Layout, a.values["layout"]) for a in answers]
        self.digest: str = answers[0].values["graph"] if answers else ""
        self._shards = _in_order(clients, layouts, {a.values["graph"] for a in answers})
        for shard in self._shards:
            shard.graph = self.digest
        self.layout = replace(layouts[0], shard=None)
        self.native = open_native(None, self.layout)
        ordered = sorted(layouts, key=lambda one: one.shard.index if one.shard else 0)
        self._ends = [
            np.array([one.owned(t.name)[1] for one in ordered], np.int64) for t in self.layout.tables
        ]
        self._of_tables = Once(lambda name: copy_orders(self.call, ordered, name))
        self._of_links = Once(
            lambda name: copy_orders(self.call, ordered, self.layout.link(name).parent, name)
        )

    def table(self, name: str) -> TableLayout:
        """Return the layout of a table."""
        return self.layout.tables[self.index(name)]

    def index(self, table: str) -> int:
        """Return the position of a table in the layout."""
        return find_table(self.layout, table)

    def rows(self, table: str, keys: Any, *, threads: int = 1) -> Array:
        """Find the rows of keys, as `Store.rows` does."""
        self._check()
        layout = self.table(table)
        pieces = list(key_batches(layout, keys))
        if not pieces:
            return np.empty(0, np.uint32)
        packed = pack_table(pa.Table.from_batches(pieces))
        return self._shards[0].ask("find", {"keys": packed}, table=self.index(table)).arrays["rows"]

    def keys(self, table: str, rows: Sequence[int] | Array) -> list[Any]:
        """Return the keys of rows, as `Store.keys` does."""
        given = {"rows": checked_rows(rows, table)}
        answer = self._shards[0].ask("keys", given, table=self.index(table))
        return keys_from_arrow(unpack_table(answer.arrays["keys"]))

    def dictionary(self, table: str, column: str) -> pa.Array:
        """Return the distinct values of a column of codes, by code; fetched once."""
        self._check()
        if (table, column) not in self._dictionaries:
            self.index(table)
            answer = self._shards[0].ask("dictionary", table=table, column=column)
            words = unpack_table(answer.arrays["words"]).column("value")
            self._dictionaries[table, column] = pa.concat_arrays(words.chunks) if words.chunks else words
        return self._dictionaries[table, column]

    def values(self, table: str, rows: Sequence[int] | Array, *, threads: int = 1) -> dict[str, Array]:
        """Return the packed values of rows, column by column, as `Store.values` does."""
        layout = self.table(table)
        blocks = blocks_of(layout, self.gather(self.index(table), checked_rows(rows, table)))
        return {c.name: column_of(layout, blocks, c.name) for c in layout.columns}

    def times_us(self, table: str, rows: Sequence[int] | Array) -> Array:
        """Return the times of rows in microseconds UTC, the least integer for a row without time."""
        return self.stamps(self.index(table), checked_rows(rows, table))["times"]

    def source_rows(self, table: str, rows: Sequence[int] | Array) -> Array:
        """Return the numbers that rows have in the prepared table, shape ``(n,)``, uint64."""
        return self.stamps(self.index(table), checked_rows(rows, table))["source_rows"]

    def stamps(self, table: int, rows: Array) -> dict[str, Array]:
        """Return ``times`` and ``source_rows`` of rows, each from its owner."""
        empty = {"times": np.empty(len(rows), np.int64), "source_rows": np.empty(len(rows), np.uint64)}
        return self.by_owner(table, rows, empty, "stamps", table=table)

    def gather(self, table: int, rows: Array) -> list[Array]:
        """Return the sections of rows, as the native gather does."""
        layout = self.layout.tables[table]
        widths = [s.width * np.dtype(s.storage.value).itemsize for s in layout.sections]
        empty = {str(i): np.empty((len(rows), w), np.uint8) for i, w in enumerate(widths)}
        return list(self.by_owner(table, rows, empty, "gather", table=table).values())

    def by_owner(
        self, owners: int, rows: Array, out: dict[str, Array], what: str, **values: Any
    ) -> dict[str, Array]:
        """Ask each shard about its rows of a table, all at once; put the answers into ``out``."""

        def put(places: Array, answer: Message) -> None:
            for name, array in out.items():
                array[places] = answer.arrays[name]

        def asking(places: Array) -> _Call | None:
            return (lambda s: s.ask(what, {"rows": rows[places]}, **values)) if len(places) else None

        all_places = self.places(owners, rows)
        for places, answer in zip(all_places, self.call([asking(p) for p in all_places]), strict=True):
            if answer is not None:
                put(places, answer)
        return out

    def places(self, table: int, rows: Array) -> list[Array]:
        """Return for each shard the places of ``rows`` that it holds.

        Raises:
            UserError: ``GRAPH040`` for a row that the table lacks.
        """
        num_rows = self.layout.tables[table].num_rows
        if len(rows) and int(rows.max()) >= num_rows:
            name = self.layout.tables[table].name
            raise UserError(
                "GRAPH040",
                f"table '{name}' has no row {int(rows.max())}; it has {num_rows}.",
                "look rows up by their keys in this graph.",
            )
        owner = np.searchsorted(self._ends[table], rows, side="right")
        return [np.flatnonzero(owner == s) for s in range(len(self._shards))]

    def drawing(self, walk: Walk, threads: int) -> Draw:
        """Return what draws neighborhoods, for `Sampler`."""
        return RemoteDrawing(self, walk)

    def orders(self, table: str, link: str | None = None) -> TimeOrders:
        """Return rows in the order of their times, for `NegativeSampler`; what that takes is fetched once."""
        self._check()
        return self._of_tables.get(table) if link is None else self._of_links.get(link)

    def call(self, calls: Sequence[_Call | None]) -> list[Message | None]:
        """Call every shard at once and return all answers, or raise what the first failing shard raised.

        No call is under way any more when this returns or raises.
        """
        self._check()
        futures = [
            None if call is None else self._pool.submit(call, shard)
            for call, shard in zip(calls, self._shards, strict=True)
        ]
        wait([f for f in futures if f is not None])
        return [None if f is None else f.result() for f in futures]

    @property
    def num_shards(self) -> int:
        """Return the number of servers."""
        return len(self._shards)

    def close(self) -> None:
        """End the connections; what is called afterwards is refused."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for shard in self._shards:
            shard.close()

    def _check(self) -> None:
        self._shards[0].check()

    def __enter__(self) -> RemoteStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_options(locations: Sequence[str], timeout_s: float) -> None:
    for location in locations:
        found = _LOCATION.fullmatch(location) if isinstance(location, str) else None
        if found is None or not 0 < int(found[3]) < 2**16:
            raise UserError(
                "GRAPH082",
                f"{location!r} is no address of a server.",
                "give what GraphServer.location says, such as 'grpc://127.0.0.1:8815'.",
            )
    if not isinstance(timeout_s, int | float) or not 0 < timeout_s < math.inf:
        raise UserError(
            "GRAPH082", f"timeout_s is {timeout_s!r}.", "give the seconds that a call may take, above 0."
        )


def _in_order(clients: list[ShardClient], layouts: list[Layout], graphs: set[str]) -> list[ShardClient]:
    indexes = [one.shard.index if one.shard else 0 for one in layouts]
    counts = {one.shard.count if one.shard else 1 for one in layouts}
    if len(graphs) != 1 or counts != {len(clients)} or sorted(indexes) != list(range(len(clients))):
        described = ", ".join(
            f"{c.location} serves part {i + 1} of {one.shard.count if one.shard else 1}"
            for c, i, one in zip(clients, indexes, layouts, strict=True)
        )
        raise UserError(
            "GRAPH083",
            f"these servers do not make one graph: {described or 'there are none'}"
            f"{'; they serve different graphs' if len(graphs) > 1 else ''}.",
            "name every shard of one graph once.",
        )
    return [client for _, client in sorted(zip(indexes, clients, strict=True), key=lambda pair: pair[0])]
