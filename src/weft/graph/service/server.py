"""A shard behind Arrow Flight: answers for the rows that it holds."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight

from weft.core import UnavailableError, UserError, WeftError, from_plain, to_json
from weft.graph import _native
from weft.graph.drawing import Seeds, Walk
from weft.graph.files import files_of
from weft.graph.layout import TableLayout
from weft.graph.lookup import keys_to_arrow
from weft.graph.service.message import VERSION, Message, from_batch, pack_table, to_batch, unpack_table
from weft.graph.service.processes import begin_use, is_inherited
from weft.graph.store import Residency, Store

_GRACE_S = 5.0
_STOPPING = (signal.SIGINT, signal.SIGTERM)
_MOST_BYTES = 64 << 20
_REASON = 200  # letters of what a system says
_Answer = Callable[["GraphServer", Message], Message]


class GraphServer:
    """Serves a graph, or a shard of one, until it is closed.

    Listens from the moment it is made; calls are answered side by side. A shard that stops and starts again
    at the same address serves clients as before. There is no sign-in and no encryption: listen where only
    those can connect who may read the data; by default that is this machine.

    Args:
        directory: What `materialize` or `split_graph` wrote.
        host: Address to listen on.
        port: 0 takes a free one, see `location`.
        residency: Mapped, or copied into memory.
        threads: For one call.

    Raises:
        UserError: What opening a damaged folder raises; ``GRAPH086`` when the address cannot be listened on.
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        residency: Residency = Residency.MAPPED,
        threads: int = 1,
    ) -> None:
        self.store = Store(directory, residency=residency)
        self.threads = threads
        shard = self.store.layout.shard
        self.graph = shard.graph if shard else self.store.digest
        self._is_ended = threading.Event()
        if not 0 <= port < 2**16:
            raise UserError("GRAPH086", f"there is no port {port}.", "choose one from 0 to 65535.")
        begin_use(self)
        try:
            self._flight = _Flight(f"grpc://{host}:{port}", self)
        except Exception as error:
            reason = _why_not(host, port) or str(error)
            raise UserError(
                "GRAPH086", f"{host}:{port} cannot be listened on: {reason}.", "choose another host or port."
            ) from error
        self.location = f"grpc://{host}:{self._flight.port}"

    def wait(self) -> None:
        """Serve until `close` is called, or until the process is told to stop by SIGINT or SIGTERM.

        Signals reach the main thread alone: there, one of them closes the server and this returns; where
        clients hold calls open for longer than a few seconds, the process ends by the signal. In any other
        thread it takes `close`.
        """
        if threading.current_thread() is not threading.main_thread():
            self._is_ended.wait()
            return
        before = {one: signal.signal(one, _stop) for one in _STOPPING}
        try:
            self._is_ended.wait()
        except _ToldToStop as told:
            if not self._shut_down():
                signal.signal(told.by, signal.SIG_DFL)
                signal.raise_signal(told.by)
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def close(self) -> None:
        """Stop serving. Calls under way are waited for a few seconds."""
        if not is_inherited():
            self._shut_down()

    def _shut_down(self) -> bool:
        """Stop serving; say whether all calls have ended."""
        self._is_ended.set()
        # Flight waits without end for a client that sends nothing.
        ending = threading.Thread(target=self._flight.shutdown, name="weft-shutdown", daemon=True)
        ending.start()
        ending.join(_GRACE_S)
        return not ending.is_alive()

    def answer(self, request: Message) -> Message:
        """Answer one request."""
        values = request.values
        if values["version"] != VERSION or values["graph"] not in ("", self.graph):
            raise UserError(
                "GRAPH083",
                f"{self.location} serves graph {self.graph[:12]} in version {VERSION}; "
                f"{values['graph'][:12]} in version {values['version']} was asked for.",
                "serve the same graph, by the same version of Weft, from every shard.",
            )
        return _ANSWERS[values["what"]](self, request)

    def __enter__(self) -> GraphServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _ToldToStop(BaseException):
    def __init__(self, by: int) -> None:
        super().__init__(by)
        self.by = by


def _stop(by: int, frame: FrameType | None) -> None:
    raise _ToldToStop(by)


def _why_not(host: str, port: int) -> str | None:
    """Say in the system's words why an address cannot be listened on, ``None`` where it can be."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None


class _Flight(flight.FlightServerBase):  # type: ignore[misc]
    def __init__(self, location: str, owner: GraphServer) -> None:
        super().__init__(location)
        self._owner = owner

    def do_exchange(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        try:
            answer = to_batch(self._owner.answer(from_batch(reader.read_chunk().data)))
        except Exception as error:
            coded = error if isinstance(error, WeftError) else _coded(self._owner, error)
            told = {"kind": type(coded).__name__, "args": [coded.code, coded.message, coded.hint]}
            raise flight.FlightServerError(coded.code, json.dumps(told).encode()) from error
        writer.begin(answer.schema)
        writer.write_batch(answer)


def _coded(server: GraphServer, error: Exception) -> WeftError:
    """Say what a request made fail that no client sends, or that the machine could not answer."""
    reason = " ".join(f"{type(error).__name__} {error}".split())[:_REASON]
    if isinstance(error, MemoryError | OSError):
        return UnavailableError(
            "GRAPH087",
            f"{server.location} could not answer a request: {reason}.",
            "ask for less at once, or give the server more memory.",
        )
    return UserError(
        "GRAPH087",
        f"{server.location} does not understand a request: {reason}.",
        "use the same version of Weft for clients and servers.",
    )


def _check_number(given: Any, least: int, most: int) -> None:
    if not isinstance(given, int) or not least <= given <= most:
        raise ValueError(f"{given!r} is no number from {least} to {most}")


def _table_of(server: GraphServer, request: Message) -> TableLayout:
    """Return the table that a request names by its number; Python would count a negative one from the end."""
    tables, number = server.store.layout.tables, request.values["table"]
    _check_number(number, 0, len(tables) - 1)
    return tables[int(number)]


def _layout(server: GraphServer, request: Message) -> Message:
    return Message({"layout": to_json(server.store.layout), "graph": server.graph})


def _stamps(server: GraphServer, request: Message) -> Message:
    """Times and prepared numbers of rows."""
    rows = np.array(request.arrays["rows"])
    table, native = request.values["table"], server.store.native
    return Message(
        arrays={"times": native.times(table, rows), "source_rows": native.source_rows(table, rows)}
    )


def _parents(server: GraphServer, request: Message) -> Message:
    rows = np.array(request.arrays["rows"])
    return Message(arrays={"rows": _native.parents(server.store.native, request.values["link"], rows)})


def _children(server: GraphServer, request: Message) -> Message:
    step = [request.values[k] for k in ("link", "choice", "fanout", "span_us")]
    names = (
        "rows",
        "anchors",
        "keys",
        "excluded_parents",
        "excluded_rows",
        "excluded_times",
        "excluded_asks",
    )
    arrays = [np.array(request.arrays[k]) for k in names]
    answer: Any = _native.children(server.store.native, *step, *arrays)
    counts, rows, times = answer
    return Message(arrays={"counts": counts, "rows": rows, "times": times})


def _gather(server: GraphServer, request: Message) -> Message:
    rows = np.array(request.arrays["rows"])
    sections: list[Any] = server.store.native.gather(request.values["table"], rows, server.threads)
    return Message(arrays={str(i): s for i, s in enumerate(sections)})


def _find(server: GraphServer, request: Message) -> Message:
    """Rows of keys: every shard has the keys of all rows."""
    columns = unpack_table(request.arrays["keys"]).columns
    keys = columns[0] if len(columns) == 1 else columns
    return Message(arrays={"rows": server.store.rows(_table_of(server, request).name, keys)})


def _keys(server: GraphServer, request: Message) -> Message:
    layout = _table_of(server, request)
    keys = server.store.keys(layout.name, np.array(request.arrays["rows"]))
    return Message(arrays={"keys": pack_table(keys_to_arrow(layout, keys))})


def _dictionary(server: GraphServer, request: Message) -> Message:
    table, column = request.values["table"], request.values["column"]
    words = server.store.dictionary(table, column)
    return Message(arrays={"words": pack_table(pa.table({"value": words}))})


def _file(server: GraphServer, request: Message) -> Message:
    """A piece of a file; all of it is checked before the first one leaves."""
    path, first, size = (request.values[k] for k in ("path", "first", "size"))
    named = {
        file.path: (kind, item_bytes, file.root) for file, kind, item_bytes in files_of(server.store.layout)
    }
    if path not in named:
        raise UserError("GRAPH001", f"the graph has no file '{path}'.", "ask for one that its layout names.")
    place = server.store.directory / path
    size_bytes = place.stat().st_size
    _check_number(first, 0, size_bytes)
    _check_number(size, 1, _MOST_BYTES)
    if first == 0:
        _native.check_file(str(place), *named[path])
    return Message({"size": size_bytes}, {"bytes": np.fromfile(place, np.uint8, size, offset=first)})


def _sample(server: GraphServer, request: Message) -> Message:
    """Sample next to the data: possible where one server holds the whole graph."""
    values, arrays = request.values, {k: np.array(a) for k, a in request.arrays.items()}
    walk = from_plain(Walk, values["walk"])
    seeds = Seeds(
        values["table"],
        arrays["rows"],
        arrays["anchors"],
        arrays["excluded_links"],
        arrays["excluded_rows"],
        arrays["excluded_seeds"],
        values["seed"],
        values["epoch"],
    )
    return _drawn(server.store.drawing(walk, server.threads)(seeds))


def _drawn(drawn: Any) -> Message:
    seeds, seed_scopes, scope_anchors, tables, edges = drawn
    arrays = {"seeds": seeds, "seed_scopes": seed_scopes, "scope_anchors": scope_anchors}
    hops: dict[str, Any] = {}
    for index, table in enumerate(tables):
        if table is None:
            continue
        rows, scopes, ages, per_hop, sections = table
        hops[str(index)] = per_hop
        arrays |= {f"{index} rows": rows, f"{index} scopes": scopes, f"{index} ages": ages}
        arrays |= {f"{index} section {s}": section for s, section in enumerate(list(sections))}
    kinds = []
    for index, (link, toward_parent, source, target, per_hop) in enumerate(edges):
        kinds.append([link, toward_parent, per_hop])
        arrays |= {f"edge {index} source": source, f"edge {index} target": target}
    return Message({"num_tables": len(tables), "hops": hops, "edges": kinds}, arrays)


def read_drawn(message: Message) -> tuple[Any, ...]:
    """Read what a server sampled, in the form of the native sampler."""
    arrays = message.arrays
    tables: list[Any] = []
    for index in range(message.values["num_tables"]):
        per_hop = message.values["hops"].get(str(index))
        if per_hop is None:
            tables.append(None)
            continue
        sections = [a for name, a in arrays.items() if name.startswith(f"{index} section ")]
        own = [arrays[f"{index} {part}"] for part in ("rows", "scopes", "ages")]
        tables.append((*own, per_hop, sections))
    edges = [
        (link, toward_parent, arrays[f"edge {i} source"], arrays[f"edge {i} target"], per_hop)
        for i, (link, toward_parent, per_hop) in enumerate(message.values["edges"])
    ]
    return arrays["seeds"], arrays["seed_scopes"], arrays["scope_anchors"], tables, edges


_ANSWERS: dict[str, _Answer] = {
    "layout": _layout,
    "stamps": _stamps,
    "parents": _parents,
    "children": _children,
    "gather": _gather,
    "find": _find,
    "keys": _keys,
    "dictionary": _dictionary,
    "file": _file,
    "sample": _sample,
}
