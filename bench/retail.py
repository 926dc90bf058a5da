"""Stages of the data engine at the size of a large retailer: rows per second and peak memory.

    python bench/retail.py [--scale 1.0] [--memory-limit 4GB] [--threads 2] [--query PQL] [--json FILE]

Generates customers, articles and two years of transactions (1.37 M, 105 k and 31.8 M rows at scale 1), then
runs each stage in a process of its own, so that the peak is that stage's and nobody else's. To compare with,
``read`` is what the machine can do at best: the same files read by pyarrow and thrown away. Fails when a
stage takes more than 6 GB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MAX_PEAK_BYTES = 6_000_000_000
QUERY = (
    "PREDICT COUNT(transactions.*, 0, 30, days) = 0 FOR EACH customers.customer_id "
    "WHERE COUNT(transactions.*, -90, 0, days) > 0"
)
SIZES = {"num_customers": 1_370_000, "num_articles": 105_000, "num_transactions": 31_800_000}


def main() -> int:
    """Run every stage and print the table, or run the one stage that ``--stage`` names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--memory-limit", default="4GB")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--query", default=QUERY)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder to work in and keep; a temporary one by default")
    parser.add_argument("--json", help="file for the rows as JSON")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        print(json.dumps(measure(options)))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        options.work = options.work or Path(scratch)
        rows = list(run_all(options))
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1))
    peak = max(row["peak_bytes"] for row in rows)
    is_within = peak <= MAX_PEAK_BYTES
    print(f"highest peak {peak / 1e9:.2f} GB, {'within' if is_within else 'ABOVE'} 6 GB")
    return 0 if is_within else 1


def run_all(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Run each stage in its own process; yield what it measured."""
    print(f"{'stage':<10}{'rows':>14}{'wall s':>9}{'CPU s':>9}{'rows/s':>13}{'peak':>10}")
    for stage in STAGES:
        command = [sys.executable, __file__, "--stage", stage, "--work", str(options.work)]
        for name in ("scale", "memory_limit", "threads", "query", "seed"):
            command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{stage} failed:\n{done.stderr}")
        row = json.loads(done.stdout.splitlines()[-1])
        rate = row["rows"] / max(row["wall_s"], 1e-9)
        print(
            f"{stage:<10}{row['rows']:>14,}{row['wall_s']:>9.1f}{row['cpu_s']:>9.1f}{rate:>13,.0f}"
            f"{row['peak_bytes'] / 1e9:>7.2f} GB",
            flush=True,
        )
        yield row


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run one stage; return its rows, seconds and peak memory."""
    from weft.core import peak_memory_bytes, reset_peak_memory

    options.work.mkdir(parents=True, exist_ok=True)
    reset_peak_memory()
    wall, cpu = time.perf_counter(), time.process_time()
    rows = STAGES[options.stage](options)
    return {
        "stage": options.stage,
        "rows": rows,
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_bytes": peak_memory_bytes(),
    }


def generate(options: argparse.Namespace) -> int:
    """Write the tables."""
    from weft.data.shop import generate_retail

    sizes = {name: round(size * options.scale) for name, size in SIZES.items()}
    return sum(generate_retail(options.work / "source", **sizes, seed=options.seed).rows.values())


def read(options: argparse.Namespace) -> int:
    """Read every row with pyarrow: what this machine can do at best."""
    import pyarrow.parquet as pq

    files = sorted((options.work / "source").glob("*.parquet"))
    return sum(batch.num_rows for file in files for batch in pq.ParquetFile(file).iter_batches(1 << 20))


def ingest(options: argparse.Namespace) -> int:
    """Take a snapshot."""
    from weft.core import to_json
    from weft.data import connect, take_snapshot

    source = connect(options.work / "source")
    info = take_snapshot(source, options.work / "snapshot", resources=_resources(options))
    (options.work / "snapshot.json").write_text(to_json(info))
    return _rows_of(info.paths(options.work / "snapshot"))


def profile(options: argparse.Namespace) -> int:
    """Infer the schema and compute statistics."""
    from weft.core import to_json
    from weft.data import profile_snapshot

    info, paths = _snapshot(options)
    found = profile_snapshot(paths, declared=info.declared, resources=_resources(options))
    (options.work / "schema.json").write_text(to_json(found.schema))
    return _rows_of(paths)


def prepare(options: argparse.Namespace) -> int:
    """Cast, clean and number the rows."""
    from weft.data import prepare_tables

    _, paths = _snapshot(options)
    prepare_tables(paths, _schema(options), options.work / "prepared", resources=_resources(options))
    return _rows_of(paths)


def labels(options: argparse.Namespace) -> int:
    """Compute the training table of the query."""
    from weft.data import Tables, build_labels
    from weft.pql import compile_query

    schema = _schema(options)
    paths = {table.name: options.work / "prepared" / f"{table.name}.parquet" for table in schema.tables}
    with Tables(schema, paths, _resources(options), options.work / "scratch") as tables:
        return int(build_labels(tables, compile_query(options.query, schema)).table.num_rows)


STAGES: dict[str, Callable[[argparse.Namespace], int]] = {
    "generate": generate,
    "read": read,
    "ingest": ingest,
    "profile": profile,
    "prepare": prepare,
    "labels": labels,
}


def _resources(options: argparse.Namespace) -> Any:
    from weft.core import Resources, parse_size

    return Resources(parse_size(options.memory_limit), options.threads)


def _snapshot(options: argparse.Namespace) -> tuple[Any, dict[str, Path]]:
    from weft.core import from_json
    from weft.data import SnapshotInfo

    info = from_json(SnapshotInfo, (options.work / "snapshot.json").read_text())
    return info, info.paths(options.work / "snapshot")


def _schema(options: argparse.Namespace) -> Any:
    from weft.core import Schema, from_json

    return from_json(Schema, (options.work / "schema.json").read_text())


def _rows_of(paths: dict[str, Path]) -> int:
    import pyarrow.parquet as pq

    return sum(pq.ParquetFile(path).metadata.num_rows for path in paths.values())


if __name__ == "__main__":
    sys.exit(main())
