"""Several processes of one launch fit one network, from the command line; one of them writes and prints."""

import os
import pickle
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import weft
from weft.compile.programs.company import as_told, helped
from weft.core import InvariantError, UnavailableError, UserError
from weft.data import generate_shop
from weft.learn.networks import company

pytest.importorskip("torch")

QUERY = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"
SETTINGS = """source: shop
search: {channels: 8, fanouts: [2], epochs: 2}
"""
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("launched")
    generate_shop(folder / "shop", num_users=200, seed=1)
    return folder / "shop"


@pytest.fixture
def project(shop, tmp_path):
    (tmp_path / "shop").symlink_to(shop)
    (tmp_path / "weft.yaml").write_text(SETTINGS)
    return tmp_path


def command(project, killed="null", models="constant,sage", query=QUERY):
    fit = ["fit", str(project), "-q", query, "--models", models, "--budget", "4s"]
    return ["-m", "project.launched", str(project), killed, *fit]


def surroundings(**variables):
    given = {k: v for k, v in os.environ.items() if k != "TORCHELASTIC_RUN_ID"}
    return given | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"} | variables


def start(project, *arguments, **variables):
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=Path(__file__).parents[1],
        env=surroundings(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_both(project, **options):
    """Start two processes as an application with two nodes does, without torchrun."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_RANK": "0"}
    return [start(project, *command(project, **options), RANK=rank, **shared) for rank in "01"]


def test_torchrun_fits_one_network_with_two_processes_and_one_of_them_prints(project):
    launched = start(project, *TORCHRUN, *command(project))
    told, complaints = launched.communicate(timeout=240)
    assert launched.returncode == 0, complaints[-3000:]
    assert told.count("Verdict: ") == 1 and told.count("Report: ") == 1
    steps = [(project / f"steps-{rank}").read_text() for rank in "01"]
    assert steps[0] == steps[1] and steps[0].endswith(" of 2")
    graph = weft.connect(str(project / "shop"), project=project).graph()
    run = weft.open_run("latest", project=graph.project)
    assert {row["model"] for row in run.leaderboard} == {"constant", "sage"}
    assert len(list((project).glob("report*.html"))) == 1


def test_processes_that_another_program_started_find_each_other_and_end_alike(project):
    first, second = start_both(project)
    told, complaints = first.communicate(timeout=240)
    also_told, also = second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0), complaints[-2000:] + also[-2000:]
    assert "sage" in told and not also_told
    assert (project / "steps-1").read_text().endswith(" of 2")


def test_when_one_process_dies_the_others_end(project):
    first, second = start_both(project, killed="[1, 3]")
    told, complaints = first.communicate(timeout=240)
    second.communicate(timeout=60)
    assert second.returncode == -signal.SIGKILL
    assert first.returncode > 0 and "Verdict" not in told
    assert "node 'candidate" in complaints


def test_what_ends_the_first_ends_the_others_with_the_same_error(project):
    both = start_both(project, models="constant,nothing_such")
    ended = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [1, 1]
    assert all("nothing_such" in said for said in ended)


class Context:
    node = "candidate[3]"

    def check(self):
        pass


def test_after_a_failure_together_no_other_node_waits_for_helpers(monkeypatch):
    broken = SimpleNamespace(rank=0, size=2, is_broken=True)
    monkeypatch.setattr(company, "_open", [broken])
    for _ in range(2):  # the lock is free again
        with pytest.raises(UnavailableError, match="has no helpers") as error, helped(Context(), "m:f"):
            pass
        assert error.value.code == "LEARN056"


def test_an_error_is_told_to_the_others_as_one_that_pickles():
    told = pickle.loads(pickle.dumps(as_told(ValueError("odd"))))
    assert isinstance(told, InvariantError) and told.code == "LEARN056" and "odd" in told.message
    own = UserError("PQL001", "no.", "say yes.")
    assert as_told(own) is own


def test_a_process_is_alone_unless_all_that_a_launch_says_is_there(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert not company.is_launched() and company.open_company() is None
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not company.is_launched()
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "1")
    assert company.is_launched() and company.is_helper()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not company.is_launched() and not company.is_helper()
