"""One stage of the bench in a process of its own: ``stages.py STAGE SETTING`` prints its rows as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import building
import drawing
import peers
import reading
import serving
import topk
from setting import Setting, row


def best_items(setting: Setting) -> list[dict[str, Any]]:
    """Measure the search of the best items beside the BLAS."""
    users, items = (max(256, round(n * min(1.0, setting.scale))) for n in (4_000, 100_000))
    measured = topk.measure(users=users, items=items, threads=setting.threads, rounds=3)
    return [
        row(r["name"], r["value"], r["unit"], limit=1.0 if r["limit"] else None, least=r["limit"])
        for r in measured
    ]


STAGES: dict[str, Callable[[Setting], list[dict[str, Any]]]] = {
    "tables": building.make_tables,
    "read": building.read_tables,
    "build": building.build,
    "append": building.append,
    "change": building.change,
    "seeds": drawing.keep_first_seeds,
    "first": drawing.first_batch,
    "reads": reading.reads,
    "draw": drawing.draw,
    "threads": drawing.two_threads,
    "batches": drawing.batch_sizes,
    "gather": reading.gather,
    "service": serving.serve,
    "topk": best_items,
    "numpy": peers.in_numpy,
    "diskgraph_build": peers.ingest_diskgraph,
    "diskgraph": peers.in_diskgraph,
    "pyg_lib": peers.in_pyg_lib,
    "curve": drawing.curve_point,
}


def main() -> None:
    """Run the stage that the command line names."""
    stage, setting = sys.argv[1:]
    print(json.dumps(STAGES[stage](Setting.read(setting))))


if __name__ == "__main__":
    main()
