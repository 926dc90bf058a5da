"""Copies of what rows are ordered by, fetched from the shards that hold them.

Whoever draws from all rows that existed at an anchor looks at rows everywhere, many times per draw. The times
and prepared numbers of the rows take 4 to 12 bytes each; the edges of a link 4 to 16 per child row.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from weft.graph.layout import File, Layout, LinkLayout, LinkSegment, TableLayout, TableSegment
from weft.graph.orders import TimeOrders
from weft.graph.service.message import Message
from weft.graph.service.shard import ShardClient
from weft.graph.store import open_native
from weft.graph.writing import refused_write

_PIECE_BYTES = 8 << 20
_Call = Callable[[ShardClient], Message]
_CallAll = Callable[[Sequence[_Call | None]], Any]


def copy_orders(call: _CallAll, shards: Sequence[Layout], table: str, link: str | None = None) -> TimeOrders:
    """Fetch what orders the rows of a table, and what is linked to them over a link.

    The files are in a temporary folder while they are fetched; then they have no name any more and are gone
    when the orders are.

    Args:
        call: Calls every shard at once.
        shards: Their layouts, in order.
        table: Whose rows.
        link: To the table, from the rows that count.

    Raises:
        UnavailableError: ``GRAPH010`` when the system refuses to write them, and what calling a shard raises.
        UserError: What a damaged file raises.
    """
    stop = threading.Event()
    copied = _Copied([_Files(index, stop) for index in range(len(shards))], shards)
    layout = copied.layout(table, link)
    try:
        with tempfile.TemporaryDirectory(prefix="weft-", ignore_cleanup_errors=True) as place:
            folder = Path(place)
            try:
                call([files.fetching(folder) for files in copied.files])
            finally:
                stop.set()
            return TimeOrders(open_native(folder, layout, copied.first_parents(link)), layout)
    except OSError as error:
        raise refused_write(tempfile.gettempdir(), error, setting="TMPDIR") from error


@dataclass
class _Files:
    """Files to be fetched from one shard; here they have numbers for names.

    ``stop`` is set when the fetching is over, also when it failed with another shard.
    """

    shard: int
    stop: threading.Event
    paths: list[str] = field(default_factory=list)

    def add(self, file: File | None) -> File | None:
        if file is None:
            return None
        self.paths.append(file.path)
        return File(self._name(len(self.paths) - 1), file.root)

    def _name(self, number: int) -> str:
        return f"{self.shard}-{number}.bin"

    def fetching(self, folder: Path) -> _Call:
        def fetch(shard: ShardClient) -> Message:
            try:
                for number, path in enumerate(self.paths):
                    with (folder / self._name(number)).open("wb") as out:
                        self._fetch(shard, path, out)
            except BaseException:
                self.stop.set()
                raise
            return Message()

        return fetch

    def _fetch(self, shard: ShardClient, path: str, out: BinaryIO) -> None:
        size = 1
        while out.tell() < size and not self.stop.is_set():
            piece = shard.ask("file", path=path, first=out.tell(), size=_PIECE_BYTES)
            out.write(piece.arrays["bytes"].data)
            size = piece.values["size"]


@dataclass(frozen=True)
class _Copied:
    """A graph of the segments of all shards, of what is fetched of them."""

    files: Sequence[_Files]
    shards: Sequence[Layout]

    def layout(self, table: str, link: str | None) -> Layout:
        whole = self.shards[0]
        wanted = {table} if link is None else {table, whole.link(link).child}
        return replace(
            whole,
            tables=tuple(self._table(t, t.name in wanted) for t in whole.tables),
            links=tuple(self._link(k, k.name == link) for k in whole.links),
            shard=None,
        )

    def first_parents(self, link: str | None) -> dict[str, list[int]]:
        if link is None:
            return {}
        firsts = [one.owned(one.link(link).parent)[0] for one in self.shards for _ in one.link(link).segments]
        return {link: firsts}

    def _table(self, table: TableLayout, is_wanted: bool) -> TableLayout:
        segments: list[TableSegment] = []
        for files, one in zip(self.files, self.shards, strict=True) if is_wanted else ():
            for given in one.table(table.name).segments:
                time, low, source = (files.add(f) for f in (given.time, given.low, given.source))
                segments.append(replace(given, rows=None, time=time, low=low, source=source))
        return replace(table, segments=tuple(segments))

    def _link(self, link: LinkLayout, is_wanted: bool) -> LinkLayout:
        segments: list[LinkSegment] = []
        for files, one in zip(self.files, self.shards, strict=True) if is_wanted else ():
            for given in one.link(link.name).segments:
                names = ("parent", "offsets", "children", "parents", "low")
                parts: dict[str, Any] = {name: files.add(getattr(given, name)) for name in names}
                segments.append(replace(given, **parts))
        return replace(link, segments=tuple(segments))
