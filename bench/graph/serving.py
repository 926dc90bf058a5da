"""The stage that asks a graph behind a server, on this machine, for batches."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
from drawing import options
from setting import BATCH, Seeds, Setting, draw_seeds, row, wall_seconds

from weft.graph import Sampler, Store
from weft.graph.service import RemoteStore

_SERVER = """
import sys
from weft.graph.service import GraphServer
server = GraphServer(sys.argv[1])
print(server.location, flush=True)
server.wait()
"""


def serve(setting: Setting) -> list[dict[str, Any]]:
    """Draw batches with their rows from a server in a process of its own, and the same ones at first hand."""
    folder = setting.work / "graph"
    store = Store(folder)
    count = max(4, round(24 * min(1.0, setting.scale * 10)))
    lots = [draw_seeds(store, BATCH * count, 300 + i) for i in range(setting.rounds + 1)]
    here = Sampler(store, options(2, rows=True), threads=1)
    command = [sys.executable, "-c", _SERVER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            with RemoteStore([server.stdout.readline().strip()]) as remote:
                there = Sampler(remote, options(2, rows=True), threads=1)
                rows, anchors = lots[0].batches(BATCH)[0]
                told, own = (s.sample("users", rows, anchors).num_edges for s in (there, here))
                assert told == own, (told, own)
                pairs = [(_rate(there, lot), _rate(here, lot)) for lot in lots][1:]
        finally:
            server.kill()
    local = [b for _, b in pairs]
    note = "512 seeds, 2 hops, rows; the limit is the local store"
    served = row("service_batches_per_s", [a for a, _ in pairs], "batches/s", limit=float(np.median(local)))
    return [{**served, "note": note}, row("local_batches_per_s", local, "batches/s")]


def _rate(sampler: Sampler, lot: Seeds) -> float:
    batches = lot.batches(BATCH)

    def draw_all() -> None:
        for rows, anchors in batches:
            sampler.sample("users", rows, anchors)

    return len(batches) / wall_seconds(draw_all)
