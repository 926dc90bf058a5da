"""Networks that rank items end as well as others: killed, starved, one of several, with a broken loss."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from weft.core import UnavailableError
from weft.learn import fit_candidate
from weft.learn.networks import ranking_model, training
from weft.learn.networks.ranking_course import RankingStepper
from weft.learn.networks.stepping import Stepper
from weft.learn.view import asked

from .fit_process import LISTS, fit_lists
from .planted import RESOURCES
from .planted_lists import USERS

NAMES = ("two_tower", "id_gnn", "hybrid")


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def whole(lists, name):
    """A fit that nothing happens to."""
    return fit_lists(lists, name, {})


def run(lists, out, command=(), **options):
    """Fit in a process of its own; return how it ended and what it wrote."""
    graph = lists.graph.source.store.directory
    script = ["-m", "learn.networks.fit_process", str(graph), str(out), json.dumps(options)]
    return subprocess.run(
        [sys.executable, *command, *script],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def count_steps(monkeypatch, before=lambda number, stepper: None):
    """Count the steps of all fits; ``before`` is called with the number of each, from 1."""
    done = []
    step = Stepper.step

    def counted(*arguments):
        done.append(arguments)
        before(len(done), arguments[0])
        return step(*arguments)

    monkeypatch.setattr(Stepper, "step", counted)
    return done


def same_weights(one, other):
    first, second = one.network.state_dict(), other.network.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_a_fit_that_is_killed_ends_with_the_same_bits(lists, name, whole, tmp_path, monkeypatch):
    whole_steps = count_steps(monkeypatch)
    fit_lists(lists, name, {})
    num = len(whole_steps)
    ended = run(lists, tmp_path, kill_at=num - 3, ranks_items=name)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    steps = count_steps(monkeypatch)
    again = fit_lists(lists, name, {}, tmp_path / "unfinished")
    assert len(steps) == 4  # of the last epoch, which has more than four
    assert num / LISTS["epochs"] > 4
    assert same_weights(again, whole) and again.curve == whole.curve
    assert np.array_equal(again.val_prediction, whole.val_prediction)


def test_a_checkpoint_of_another_config_or_seed_is_not_read(lists, tmp_path, monkeypatch):
    fit_lists(lists, "two_tower", {"epochs": 1}, tmp_path)
    steps = count_steps(monkeypatch)
    fit_lists(lists, "two_tower", {"epochs": 1}, tmp_path)
    assert not steps
    fit_lists(lists, "two_tower", {"epochs": 1}, tmp_path, seed=1)
    once = len(steps)
    fit_lists(lists, "two_tower", {"epochs": 1, "learning_rate": 0.01}, tmp_path)
    assert len(steps) == 2 * once > 0


def test_out_of_memory_halves_the_batch_once_and_says_so(lists, name, monkeypatch, tmp_path):
    seen = []
    loss = RankingStepper._loss

    def limited(self, batch):
        seen.append(len(batch.seeds))
        if len(batch.seeds) > 32:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …")
        return loss(self, batch)

    monkeypatch.setattr(RankingStepper, "_loss", limited)
    candidate = fit_candidate(lists, name, LISTS, 0, tmp_path, resources=RESOURCES)
    assert "out of memory in epoch 1, step 1: batches are read in two halves" in candidate.words
    assert not candidate.left_out
    assert seen[0] > 32 and max(seen[1:]) == 32


def test_half_a_batch_learns_as_much(lists, name, whole, monkeypatch):
    loss, began = RankingStepper._loss, []

    def short_once(self, batch):
        began.append(batch)
        if len(began) == 1:
            raise MemoryError
        return loss(self, batch)

    monkeypatch.setattr(RankingStepper, "_loss", short_once)
    halved = fit_lists(lists, name, {})
    # Each half has negatives of its own, so that only about the same is learned.
    assert halved.curve["loss"][-1] == pytest.approx(whole.curve["loss"][-1], rel=0.2)
    assert halved.curve["loss"][-1] < halved.curve["loss"][0]


def test_out_of_memory_with_half_a_batch_leaves_the_rung_out_with_the_reason(
    lists, name, monkeypatch, tmp_path
):
    def starved(self, batch):
        raise MemoryError

    monkeypatch.setattr(RankingStepper, "_loss", starved)
    with pytest.raises(UnavailableError, match="half a batch too, 32 seeds") as error:
        fit_lists(lists, name, {})
    assert error.value.code == "LEARN050"
    candidate = fit_candidate(lists, name, LISTS, 0, tmp_path, resources=RESOURCES)
    assert "ran out of memory with half a batch too, 32 seeds" in candidate.left_out


def test_a_network_that_the_memory_does_not_hold_is_left_out_too(lists, monkeypatch, tmp_path):
    def too_large(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("weft.learn.networks.ranking_fit.build_ranking_network", too_large)
    candidate = fit_candidate(lists, "two_tower", LISTS, 0, tmp_path, resources=RESOURCES)
    assert candidate.left_out == "the network 'two_tower' needs more memory than there is."


def test_scoring_takes_half_of_the_users_where_memory_is_short(lists, name, whole, monkeypatch):
    scorer, tried = ranking_model.Scorer, []

    class Short(scorer):
        def score(self, *given):
            tried.append(self.users_at_once)
            if self.users_at_once > 256:
                raise MemoryError
            return super().score(*given)

    usual = whole.score_rows(asked(lists, lists.test))
    monkeypatch.setattr(ranking_model, "Scorer", Short)
    monkeypatch.setattr(whole, "users_at_once", 512)
    found = whole.score_rows(asked(lists, lists.test))
    assert tried == [512, 256]
    assert np.allclose(found, usual, atol=1e-5)
    monkeypatch.setattr(whole, "users_at_once", 2000)
    with pytest.raises(UnavailableError) as error:
        whole.score_rows(asked(lists, lists.test))
    assert error.value.code == "LEARN050"


def test_a_loss_that_breaks_keeps_the_best_weights_and_says_where(lists, name, whole, monkeypatch):
    num = len(whole.curve["loss"])
    assert num == LISTS["epochs"]
    per_epoch = []

    def poison(number, stepper):
        if number == 2 * per_epoch[0] + 2:
            with torch.no_grad():
                stepper.weights[0].fill_(torch.nan)

    steps = count_steps(monkeypatch)
    fit_lists(lists, name, {})
    per_epoch.append(len(steps) // num)
    count_steps(monkeypatch, poison)
    model = fit_lists(lists, name, {})
    assert "the loss of epoch 3 is not finite at step 2, learning rate" in model.curve["note"]
    assert model.curve["gain"] == whole.curve["gain"][:2]
    assert np.isfinite(model.score_rows(asked(lists, lists.test))).all()


def test_a_loss_that_breaks_at_once_leaves_the_rung_out_with_the_reason(lists, tmp_path):
    config = LISTS | {"learning_rate": 1e30}
    candidate = fit_candidate(lists, "two_tower", config, 0, tmp_path, resources=RESOURCES)
    assert "not finite" in candidate.left_out and "learning rate 1e+" in candidate.left_out


def test_a_gpu_that_fails_hands_over_from_the_last_checkpoint(lists, name, whole, monkeypatch):
    monkeypatch.setattr(training, "_CHECKPOINT_S", 0.0)

    def fail(number, stepper):
        if number == 7:
            with torch.no_grad():
                stepper.weights[0].fill_(torch.nan)
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    count_steps(monkeypatch, fail)
    model = fit_lists(lists, name, {})
    assert same_weights(model, whole)
    assert "went on from its checkpoint on cpu" in model.words


def test_two_processes_train_together(lists, tmp_path):
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    launch += ["--rdzv-endpoint", str(tmp_path / "agents"), "--rdzv-conf", "store_type=file"]
    for rank in "01":
        (tmp_path / rank).mkdir(parents=True)
    config = {"dropout": 0.0, "epochs": 2}
    meet = str(tmp_path / "meet")
    ended = run(lists, tmp_path, launch, config=config, rendezvous=meet, ranks_items="hybrid")
    assert ended.returncode == 0, ended.stderr[-3000:]
    first, second = (load_file(tmp_path / rank / "weights.safetensors") for rank in "01")
    assert all(torch.equal(first[k], second[k]) for k in first)
    told, other = (json.loads((tmp_path / rank / "told.json").read_text())["curve"] for rank in "01")
    assert told == other
    alone = fit_lists(lists, "hybrid", config)
    assert told["loss"] == pytest.approx(alone.curve["loss"], rel=0.3)
    assert (tmp_path / "0" / "unfinished").exists() and not (tmp_path / "1" / "unfinished").exists()
    assert len(lists.val) == USERS
