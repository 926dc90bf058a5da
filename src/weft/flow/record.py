"""What the store remembers of a node that has run, and how it is found again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from weft.core import UserError, digest_value, from_plain, to_plain
from weft.flow.events import Output
from weft.flow.files import relaxed
from weft.flow.folder import Left
from weft.flow.plan import Node
from weft.flow.store import Store

_KEY_FORMAT = 1


@dataclass(frozen=True)
class Parts:
    """All that a node's result depends on; the key is its digest.

    ``inputs`` holds digests of content, not keys of nodes: when a node runs again and makes the
    same as before, what follows it does not run again.
    """

    program: str
    version: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    digests: dict[str, str]

    @staticmethod
    def of(node: Node, outputs: dict[str, Output]) -> Parts:
        """Collect the parts of ``node``, whose input nodes have the given outputs."""
        inputs = {label: outputs[source].digest for label, source in node.inputs.items()}
        return Parts(node.program, node.version, node.parameters, inputs, node.digests)

    @property
    def key(self) -> str:
        """SHA-256 of the parts."""
        return digest_value([_KEY_FORMAT, self])


@dataclass(frozen=True)
class File:
    """One file that a node made."""

    digest: str
    size: int
    is_executable: bool = False


@dataclass(frozen=True)
class Stats:
    """What a node used, see `weft.flow.Event`."""

    seconds: float = 0.0
    cpu_s: float | None = None
    peak_bytes: int | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Record:
    """The result of one node, as the store keeps it under ``nodes/<key>``.

    ``folders`` are those with nothing in them.
    """

    parts: Parts
    files: dict[str, File]
    value: dict[str, Any]
    run: str
    made_us: int
    stats: Stats = field(default_factory=Stats)
    folders: tuple[str, ...] = ()

    def output(self, node: str, store: Store) -> Output:
        """Return the result as the output of the node called ``node``."""
        files = {name: self.files[name].digest for name in sorted(self.files)}
        executables = tuple(name for name in files if self.files[name].is_executable)
        # What most results have none of is no part of their digests, which stay what they were.
        more = {n: v for n, v in (("executables", executables), ("folders", self.folders)) if v}
        digest = digest_value({"files": files, "value": self.value, **more})
        size_bytes = sum(file.size for file in self.files.values())
        key, folders = self.parts.key, self.folders
        return Output(node, key, digest, self.value, files, store, size_bytes, executables, folders)


@dataclass(frozen=True)
class Found:
    """Whether the store holds a key: the record, or why it cannot be used.

    ``fault`` is empty when the key was never stored.
    """

    record: Record | None = None
    digest: str = ""
    fault: str = ""


def look_up(store: Store, key: str) -> Found:
    """Find the result of ``key``; what is found is sound, and marked as used now."""
    ref = f"nodes/{key}"
    try:
        digest = store.get_ref(ref)
        if digest is None:
            return Found()
        record = read_record(store, digest)
    except UserError as error:
        if error.code not in ("FLOW010", "FLOW011", "FLOW015"):
            raise
        return Found(fault=f"its record is {'missing' if error.code == 'FLOW010' else 'damaged'}")
    store.refresh([ref], [digest, *(f.digest for f in record.files.values())])
    for name, file in record.files.items():
        if fault := store.check(file.digest, file.size):
            return Found(fault=f"output {name} is {fault}, blob {file.digest[:12]}…")
    return Found(record, digest)


def commit(
    store: Store, parts: Parts, left: Sequence[Left], *, value: dict[str, Any], run: str, stats: Stats
) -> tuple[Record, str]:
    """Keep what a node made; once its ref is written the node is finished.

    Returns:
        The record, and the digest of its blob.
    """
    files = {}
    # What a link leads to is copied before it may be moved from where it is.
    for one in sorted(left, key=lambda one: (not one.is_linked, one.name)):
        if not one.is_folder:
            size = one.path.stat().st_size
            digest = store.put_file(one.path, move=not one.is_linked)
            files[one.name] = File(digest, size, one.is_executable)
    files = dict(sorted(files.items()))
    folders = tuple(one.name for one in left if one.is_folder)
    record = Record(parts, files, value, run, time.time_ns() // 1000, stats, folders)
    body = {"kind": "node", "record": to_plain(record)}
    # What a power cut leaves of these two is found damaged, and the node runs again.
    with relaxed():
        digest = store.put_linked(body, {f.digest for f in files.values()})
        store.set_ref(f"nodes/{parts.key}", digest)
    return record, digest


def read_record(store: Store, digest: str) -> Record:
    """Read the record that `commit` kept under ``digest``."""
    return from_plain(Record, store.get_linked(digest)["record"])
