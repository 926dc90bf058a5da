"""A build that dies leaves nothing that opens, or the graph that was there."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from build_kit import Decoded, MemoryReader, check_graph
from shop_kit import SCHEMA, shop

from weft.core import Resources, UnavailableError
from weft.graph import materialize
from weft.graph.build import staging
from weft.graph.manifest import read_manifest

HERE = Path(__file__).parent
RESOURCES = Resources(1 << 28, 2)


def build(target, data=None, base=None):
    rows = shop() if data is None else data
    return materialize(MemoryReader(SCHEMA, rows, 100), target, resources=RESOURCES, base=base)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fresh", "update", "edit"])
def test_a_build_that_is_killed_at_any_step_leaves_what_was_there(quick_path, kind):
    command = [sys.executable, str(HERE / "crash_child.py"), str(quick_path), kind]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["killed"] > 40
    assert counts["absent" if kind == "fresh" else "old"] > 30
    assert counts["new"] >= 1
    assert counts["left"] == 0, "the last build removes what dead ones left"


def test_a_build_that_is_killed_at_some_moment_leaves_nothing(quick_path):
    code = (
        "import sys; from pathlib import Path; from test_crashes import build; print('go', flush=True)\n"
        "while True: build(Path(sys.argv[1]), base=Path(sys.argv[1]) if Path(sys.argv[1]).exists() else None)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    for moment in range(5):
        command = [sys.executable, "-c", code, str(quick_path / "graph")]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(0.05 + 0.11 * moment)
            process.kill()
        if (quick_path / "graph").exists():
            Decoded(quick_path / "graph", read_manifest(quick_path / "graph"))
    build(quick_path / "graph")
    assert [p.name for p in quick_path.iterdir()] == ["graph"]


def test_two_builds_of_one_graph_leave_one_whole_graph(quick_path):
    code = "import sys; from pathlib import Path; from test_crashes import build; build(Path(sys.argv[1]))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    command = [sys.executable, "-c", code, str(quick_path / "graph")]
    running = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    check_graph(quick_path / "graph", read_manifest(quick_path / "graph"), SCHEMA, shop())
    assert [p.name for p in quick_path.iterdir()] == ["graph"]


def test_who_reads_a_graph_is_not_disturbed_by_its_successor(quick_path):
    layout = build(quick_path / "graph")
    path = quick_path / "graph" / layout.table("events").segments[0].rows.path
    before = path.read_bytes()
    opened = np.memmap(path, np.uint8, "r")
    rows = shop()
    rows["events"][0]["note"] = "changed"
    build(quick_path / "graph", rows)
    assert path.read_bytes() != before
    assert opened.tobytes() == before


def test_a_folder_that_another_build_holds_is_left_alone(quick_path):
    with staging.staging(quick_path / "graph") as one:
        build(quick_path / "graph")
        assert one.exists()
    assert [p.name for p in quick_path.iterdir()] == ["graph"]


def test_a_file_system_without_an_exchange_replaces_in_two_steps(quick_path, monkeypatch):
    build(quick_path / "graph")
    monkeypatch.setattr(staging._native, "exchange", lambda left, right: False)
    rows = shop(num_events=90)
    layout = build(quick_path / "graph", rows)
    check_graph(quick_path / "graph", layout, SCHEMA, rows)
    assert [p.name for p in quick_path.iterdir()] == ["graph"]


def test_a_target_that_cannot_be_made_is_unavailable(quick_path):
    (quick_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="GRAPH010"):
        build(quick_path / "file" / "graph")
