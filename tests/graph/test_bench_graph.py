"""The bench of the graph engine, at a five-hundredth of its size: it runs, and prints what it promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "graph.py"
PROMISED = {
    "last_2hop_edges_per_cpu_s",
    "last_3hop_edges_per_cpu_s",
    "uniform_3hop_edges_per_cpu_s",
    "last_3hop_fused_edges_per_cpu_s",
    "two_thread_speedup",
    "gather_of_limit",
    "gather_rows_per_cpu_s",
    "random_reads_per_cpu_s",
    "service_batches_per_s",
    "topk_of_blas",
    "build_cpu_s",
    "build_peak_bytes",
    "build_peak_of_edges",
    "append_1pct_cpu_s",
    "append_1pct_bytes",
    "change_one_parent_cpu_s",
    "change_one_parent_bytes",
    "bytes_per_edge",
    "first_batch_ms",
    "open_ms",
    "numpy_last_2hop_edges_per_cpu_s",
    "diskgraph",
    "pyg_lib",
    "build_cpu_exponent",
    "edge_exponent",
    "row_exponent",
}


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, BENCH, "--scale", "0.002", "--rounds", "1", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_every_promised_row_is_measured_printed_and_written(tmp_path):
    file = tmp_path / "rows.json"
    done = bench("--json", file)
    assert done.returncode == 0, done.stderr
    written = json.loads(file.read_text())
    rows = {r["name"]: r for r in written["rows"]}
    named = {name if name in rows else f"{name}_last_2hop_edges_per_cpu_s" for name in PROMISED}
    assert named <= set(rows)
    for name, row in rows.items():
        assert name in done.stdout
        assert {"name", "value", "unit", "limit"} <= set(row)
        assert row["value"] is not None or "not importable" in row["note"]
    assert rows["last_2hop_edges_per_cpu_s"]["limit"] == rows["random_reads_4k_per_cpu_s"]["value"]
    assert written["machine"]["cores"] >= 1
    assert [p["scale"] for p in written["curve"]] == sorted(p["scale"] for p in written["curve"])
    assert (tmp_path / "rows.svg").exists()
    assert (tmp_path / "rows.png").exists()


def test_a_missed_target_fails_only_when_it_is_asked_to():
    # A tiny graph has less edges than Python takes memory, so that one target cannot be met.
    quiet, strict = bench("--only", "build"), bench("--only", "build", "--strict")
    assert (quiet.returncode, strict.returncode) == (0, 1)
    assert "below target: build_peak_of_edges" in strict.stdout
    assert "last_2hop" not in strict.stdout


def test_a_part_that_does_not_exist_is_refused():
    done = bench("--only", "speed")
    assert done.returncode == 2
    assert "there is no part speed" in done.stderr
