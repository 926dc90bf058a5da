"""Reading and writing the manifest: the one file that makes a folder a graph."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from weft.core import UserError, digest_bytes, from_plain, to_json
from weft.graph.layout import FORMAT_VERSION, MANIFEST, Layout

_FORMAT = "weft graph"
_AGAIN = "materialize the graph again from its tables."


def write_manifest(directory: Path, layout: Layout) -> None:
    """Write the manifest of a graph, after all its other files, through to the device."""
    text = to_json(layout)
    head = {"format": _FORMAT, "version": FORMAT_VERSION, "digest": digest_bytes(text.encode())}
    with open(directory / MANIFEST, "w", encoding="utf-8") as file:
        file.write(json.dumps(head) + "\n" + text + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest(directory: Path) -> Layout:
    """Read the manifest of a graph.

    Raises:
        UserError: ``GRAPH007`` when the folder holds no graph, ``GRAPH002`` for a newer version,
            ``GRAPH008`` for a damaged manifest.
    """
    path = directory / MANIFEST
    try:
        head, _, text = path.read_text(encoding="utf-8").partition("\n")
        described: Any = json.loads(head)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            "GRAPH007",
            f"'{directory}' holds no graph: there is no {MANIFEST}.",
            "name the folder of a materialized graph; a build that was interrupted leaves none.",
        ) from error
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(described, dict) or described.get("format") != _FORMAT:
        raise UserError(
            "GRAPH007", f"'{path}' is not the manifest of a Weft graph.", "name the folder of one."
        )
    if described.get("version") != FORMAT_VERSION:
        raise UserError(
            "GRAPH002",
            f"'{path}' has format version {described.get('version')}; this Weft reads {FORMAT_VERSION}.",
            "read it with the version of Weft that wrote it, or materialize the graph again.",
        )
    text = text.removesuffix("\n")
    if described.get("digest") != digest_bytes(text.encode()):
        raise _damaged(path)
    return from_plain(Layout, json.loads(text))


def check_whole(layout: Layout, directory: Path, use: str, *, takes_only_shard: bool = False) -> Layout:
    """Return the layout of a whole graph.

    Args:
        layout: Of a graph or a shard.
        directory: Its folder.
        use: What it is not enough for, in words.
        takes_only_shard: The only shard of a graph will do: it has every row.

    Raises:
        UserError: ``GRAPH090`` for that of a shard, which has some rows and answers for no other.
    """
    shard = layout.shard
    if shard is not None and not (takes_only_shard and shard.count == 1):
        raise UserError(
            "GRAPH090",
            f"'{directory}' is shard {shard.index + 1} of {shard.count}, which is not {use}.",
            "serve every shard with GraphServer and ask them through RemoteStore, or take the whole graph.",
        )
    return layout


def graph_digest(directory: Path) -> str:
    """Return the digest that names a graph: equal for graphs whose files are equal."""
    head = (directory / MANIFEST).read_text(encoding="utf-8").partition("\n")[0]
    return str(json.loads(head)["digest"])


def _damaged(path: Path) -> UserError:
    return UserError("GRAPH008", f"'{path}' is damaged.", _AGAIN)
