"""The graph engine in kumo-engine, called as its trainer calls it; no other file knows its words."""

from __future__ import annotations

import importlib.util
import json
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from setting import FANOUT, Array

_ID = {"dtype": "int", "stype": "ID"}
_TIME = {"name": "time", "dtype": "date", "stype": "timestamp"}
_COLUMNS = {
    "users": [("age", "int", "numerical"), ("country", "string", "categorical")],
    "items": [("price", "float", "numerical"), ("category", "string", "categorical")],
    "events": [
        ("amount", "float", "numerical"),
        ("quantity", "int", "numerical"),
        ("channel", "string", "categorical"),
    ],
}
_KEYS = {"users": "user_id", "items": "item_id"}


def is_importable() -> bool:
    """Say whether it is installed."""
    return importlib.util.find_spec("diskgraph") is not None


def ingest(tables: Path, folder: Path) -> tuple[float, int]:
    """Build the graph; return CPU seconds and the peak memory of this process."""
    import diskgraph

    shutil.rmtree(folder, ignore_errors=True)
    paths = {name: str(tables / f"{name}.parquet") for name in _COLUMNS}
    config = diskgraph.convert_kumo_config(
        json.dumps({"name": "bench", "tables": [_table(name) for name in _COLUMNS]}),
        str(tables),
        "bench",
        json.dumps(dict.fromkeys(_COLUMNS, "1")),
        None,
        json.dumps(paths),
        None,
    )
    began = time.process_time()
    diskgraph.ingest(config, str(folder), col_stats=False, cat_count_strategy="none")
    return time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def open_engine(folder: Path) -> Any:
    """Open what `ingest` built, for one thread."""
    import diskgraph

    return diskgraph.SamplerEngine(str(folder), 0, 1)


def sampler(engine: Any, hops: int, is_fused: bool) -> Callable[[Array, Array], int]:
    """Return a function that draws a batch and counts its edges; it is told when all of it has arrived."""
    import diskgraph

    hop = {"fanout": FANOUT, "mode": "temporal_most_recent", "absent_key_policy": "uniform_fallback"}
    plan = json.dumps({"layers": [{"fanouts": {}, "default_fanout": hop}] * hops})

    def draw(users: Array, anchors_us: Array) -> int:
        seconds = {"users": anchors_us // 1_000_000}
        num_edges = 0
        parts = engine.sample(
            {"users": users}, plan, is_fused, seconds, seed_timestamp_unit=diskgraph.TimeUnit.Seconds
        )
        for part in parts:
            if part["type"] == "edge":
                num_edges += part["batch"].num_rows
        return num_edges

    return draw


def _table(name: str) -> dict[str, Any]:
    links = [
        {"name": key, **_ID, "dst_table": parent, "dst_key": key}
        for parent, key in _KEYS.items()
        if name == "events"
    ]
    return {
        "table_name": name,
        "source_table_name": name,
        "data_source": "files",
        "pkey": {"name": _KEYS[name], **_ID} if name in _KEYS else None,
        "cols": [{"name": n, "dtype": d, "stype": s} for n, d, s in _COLUMNS[name]]
        + ([_TIME] if name == "events" else []),
        "fkeys": links,
        **({"time_col": _TIME} if name == "events" else {}),
    }
