"""A run that is killed or interrupted goes on where it stopped."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from weft.data import generate_shop
from weft.flow import Store

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"


@pytest.fixture
def place(tmp_path):
    generate_shop(tmp_path / "shop", num_users=150, seed=2)
    return tmp_path


def start(place):
    command = [sys.executable, "-m", "weft", "fit", "shop", "--query", CHURN, "--budget", "2s", "--json"]
    return subprocess.Popen(
        [*command, "--models", "constant,entity,heuristic"],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def finished_nodes(place):
    if not (place / ".weft").exists():
        return {}
    return Store(place / ".weft").list_refs("nodes/")


def stop_after(place, num_nodes, how):
    """Start a run, send a signal once so many nodes are finished, and return which were."""
    process = start(place)
    deadline = time.monotonic() + 120
    while len(finished_nodes(place)) < num_nodes and process.poll() is None:
        assert time.monotonic() < deadline
        os.sched_yield()
    process.send_signal(how)
    out, error = process.communicate(timeout=120)
    return process.returncode, finished_nodes(place), out, error


@pytest.mark.parametrize("num_nodes", [1, 3, 5])
def test_after_kill_nine_no_finished_node_runs_again(place, num_nodes):
    _, before, _, _ = stop_after(place, num_nodes, signal.SIGKILL)
    done = start(place)
    out, error = done.communicate(timeout=300)
    assert done.returncode == 0, error
    stages = json.loads(out)["stages"]
    cached = [s["name"] for s in stages if s["state"] == "cached"]
    assert len(cached) >= min(len(before), len(stages)) >= num_nodes
    assert set(before) <= set(finished_nodes(place))


def test_after_ctrl_c_the_user_is_told_and_the_run_goes_on(place):
    code, before, out, error = stop_after(place, 3, signal.SIGINT)
    assert (code, out) == (130, "") or code == 0
    if code == 130:
        assert "goes on from there" in error
    again = start(place)
    out, error = again.communicate(timeout=300)
    assert again.returncode == 0, error
    cached = [s for s in json.loads(out)["stages"] if s["state"] == "cached"]
    assert len(cached) >= len(before) >= 3
