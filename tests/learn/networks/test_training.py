"""A training ends well: killed, starved, on a GPU that fails, with a loss that is no number any more."""

import gc
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from weft.core import Silent, TaskType, UnavailableError
from weft.learn import fit_candidate, get_rung, read_candidate
from weft.learn.networks import recovery, training
from weft.learn.networks.checkpoint import Checkpoint, CheckpointFile
from weft.learn.networks.curve import Curve
from weft.learn.networks.fitting import Fit
from weft.learn.networks.recovery import Trouble, diagnose, find_device
from weft.learn.networks.stepping import Stepper
from weft.learn.scoring import deciding_metric
from weft.learn.targets import Targets
from weft.learn.view import asked

from .fit_process import CONFIG, fit
from .planted import RESOURCES, make_data

STEPS = 24  # 4 epochs of 750 rows by 128


@pytest.fixture(scope="module")
def data(shop):
    return make_data(*shop)


@pytest.fixture(scope="module")
def whole(data):
    """A fit that nothing happens to."""
    return fit(data, {})


def run(shop, out, command=(), **options):
    """Fit in a process of its own; return how it ended and what it wrote."""
    out.mkdir(exist_ok=True)
    graph = shop[0].store.directory
    script = ["-m", "learn.networks.fit_process", str(graph), str(out), json.dumps(options)]
    return subprocess.run(
        [sys.executable, *command, *script],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def count_steps(monkeypatch, before=lambda number: None):
    """Count the steps of all fits; ``before`` is called with the number of each, from 1."""
    done = []
    step = Stepper.step

    def counted(*arguments):
        done.append(arguments)
        before(len(done))
        return step(*arguments)

    monkeypatch.setattr(Stepper, "step", counted)
    return done


def same_weights(one, other):
    """Whether two models hold the same bits."""
    first, second = one.network.state_dict(), other.network.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_a_fit_that_is_killed_ends_with_the_same_bits(shop, data, whole, tmp_path, monkeypatch):
    ended = run(shop, tmp_path, kill_at=18, config={"checkpoint_steps": 2})
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    (left,) = (tmp_path / "unfinished").iterdir()
    steps = count_steps(monkeypatch)
    again = fit(data, {"checkpoint_steps": 2}, tmp_path / "unfinished")
    assert len(steps) == STEPS - 16  # the last checkpoint is in the middle of the third epoch
    assert same_weights(again, whole) and again.curve == whole.curve
    assert left.exists()  # it belongs to whoever gave the folder


def test_a_checkpoint_of_other_data_config_or_seed_is_not_read(data, tmp_path, monkeypatch):
    fit(data, {"epochs": 2}, tmp_path)
    steps = count_steps(monkeypatch)
    fit(data, {"epochs": 2}, tmp_path)
    assert not steps
    fit(data, {"epochs": 2}, tmp_path, seed=1)
    fit(data, {"epochs": 2, "learning_rate": 0.01}, tmp_path)
    assert len(steps) == STEPS


def test_a_damaged_checkpoint_begins_the_fit_anew_and_says_so(data, tmp_path, caplog, monkeypatch):
    steps = count_steps(monkeypatch)
    first, num_steps = fit(data, {"epochs": 1}, tmp_path), len(steps)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    again = fit(data, {"epochs": 1}, tmp_path)
    assert len(steps) == 2 * num_steps > 0
    assert again.curve == first.curve and same_weights(again, first)
    assert "is damaged" in caplog.text


def test_a_checkpoint_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    file = CheckpointFile(tmp_path, "name")
    assert file.read() == b""
    file.write(Checkpoint({"x": 0.1 + 0.2}, {"weights/w": torch.arange(3)}))
    assert [p.name for p in tmp_path.iterdir()] == ["name.safetensors"]

    def cut(fd):
        raise OSError("killed here")

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(OSError, match="killed here"):
        file.write(Checkpoint({"x": 1}, {"weights/w": torch.zeros(3)}))
    found = Checkpoint.decode(file.read())
    assert found.facts == {"x": 0.1 + 0.2}
    assert torch.equal(found.part("weights")["w"], torch.arange(3))


def test_a_loss_that_breaks_keeps_the_best_weights_and_says_where(data, monkeypatch):
    two = fit(data, {"epochs": 2, "schedule": "constant", "patience": 9})

    def poison(number):
        if number == 15:  # the third step of the third epoch
            with torch.no_grad():
                stepper = steps[-1][0]
                stepper.weights[0].fill_(torch.nan)

    steps = count_steps(monkeypatch, poison)
    model = fit(data, {"epochs": 4, "schedule": "constant", "patience": 9})
    assert len(steps) == 15
    assert "the loss of epoch 3 is not finite at step 3, learning rate" in model.words
    assert model.curve["loss"] == pytest.approx(two.curve["loss"], rel=0.3)
    assert len(model.curve["gain"]) == 2
    assert np.isfinite(model.score_rows(asked(data, data.test))).all()


def test_a_loss_that_breaks_at_once_leaves_the_rung_out_with_the_reason(data, tmp_path):
    config = CONFIG | {"learning_rate": 1e30}
    candidate = fit_candidate(data, "sage", config, 0, tmp_path, resources=RESOURCES)
    assert "not finite" in candidate.left_out and "learning rate 1e+" in candidate.left_out


def test_out_of_memory_halves_the_batch_once_and_says_so(data, whole, monkeypatch, tmp_path, caplog):
    seen = []
    loss = Stepper._loss

    def limited(self, batch):
        seen.append(len(batch.seeds))
        if len(batch.seeds) > 64:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …")
        return loss(self, batch)

    monkeypatch.setattr(Stepper, "_loss", limited)
    candidate = fit_candidate(data, "sage", CONFIG | {"dropout": 0.0}, 0, tmp_path, resources=RESOURCES)
    told = "out of memory in epoch 1, step 1: batches are read in two halves"
    assert told in candidate.words and told in caplog.text
    assert seen[0] == 128 and set(seen[1:]) <= {55, 56, 64}
    monkeypatch.setattr(Stepper, "_loss", loss)
    usual = fit(data, {"dropout": 0.0})
    halved = json.loads((tmp_path / "model" / "model.json").read_text())["state"]["curve"]
    # Two halves are one batch: only the order in which numbers are added differs.
    assert halved["loss"] == pytest.approx(usual.curve["loss"], rel=1e-3)


def test_out_of_memory_with_half_a_batch_is_an_error_with_a_code(data, monkeypatch):
    def starved(self, batch):
        raise MemoryError

    monkeypatch.setattr(Stepper, "_loss", starved)
    with pytest.raises(UnavailableError, match="half a batch too, 64 seeds") as error:
        fit(data, {})
    assert error.value.code == "LEARN050"


def test_a_process_with_too_little_memory_for_half_a_batch_ends_with_the_code(shop, tmp_path):
    config = {"batch_size": 750, "channels": 256, "fanouts": [64, 16], "epochs": 1}
    ended = run(shop, tmp_path, config=config, spare_bytes=70_000_000)
    assert ended.returncode == 1
    assert "out of memory in epoch 1, step 1: batches are read in two halves" in ended.stderr
    assert "LEARN050: the network 'sage' ran out of memory with half a batch too, 375 seeds" in ended.stderr
    assert (tmp_path / "unfinished").exists()


def test_a_gpu_that_fails_hands_over_to_what_is_left_from_its_checkpoint(data, whole, monkeypatch):
    def fail(number):
        if number == 10:
            with torch.no_grad():
                steps[-1][0].weights[0].fill_(torch.nan)  # what lies on a failed device is lost
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    steps = count_steps(monkeypatch, fail)
    model = fit(data, {"checkpoint_steps": 2})
    assert len(steps) == STEPS + 2  # the ninth step is made again, and the tenth
    assert same_weights(model, whole)
    assert "failed in epoch 2, step 4 (CUDA error: an illegal memory access" in model.words
    assert "went on from its checkpoint on cpu" in model.words


def test_what_fails_on_the_last_device_too_or_is_no_such_trouble_is_raised(data, monkeypatch):
    def always(number):
        raise RuntimeError("CUDA error: unspecified launch failure")

    steps = count_steps(monkeypatch, always)
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        fit(data, {})
    assert len(steps) == 2
    monkeypatch.setattr(Stepper, "step", lambda *_: (_ for _ in ()).throw(RuntimeError("shapes differ")))
    with pytest.raises(RuntimeError, match="shapes differ"):
        fit(data, {})


def test_troubles_are_told_apart():
    assert diagnose(torch.OutOfMemoryError("CUDA out of memory")) is Trouble.MEMORY
    assert diagnose(MemoryError()) is Trouble.MEMORY
    assert diagnose(RuntimeError("CUDNN_STATUS_EXECUTION_FAILED")) is Trouble.DEVICE
    assert diagnose(RuntimeError("shapes differ")) is None
    assert diagnose(ValueError("out of memory")) is None


def test_a_gpu_that_is_missing_or_does_not_answer_is_no_error(monkeypatch):
    assert find_device({"cuda:0"}).type in ("cpu", "cuda")
    monkeypatch.setattr(recovery.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(recovery.torch.cuda, "device_count", lambda: 2)
    asked_for = []

    def broken(size, device):
        asked_for.append(str(device))
        raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable")

    monkeypatch.setattr(recovery.torch, "zeros", broken)
    assert find_device() == torch.device("cpu")
    assert asked_for == ["cuda:0", "cuda:1"]
    assert find_device({"cuda:0"}) == torch.device("cpu")
    assert asked_for[2:] == ["cuda:1"]


def test_an_interrupt_between_two_steps_loses_none(data, whole, tmp_path, monkeypatch):
    class Interrupt(BaseException):
        pass

    class Watch(Silent):
        def update(self, done, total=None, note=""):
            if done > 1.6 and done % 1:
                raise Interrupt

    steps = count_steps(monkeypatch)
    with pytest.raises(Interrupt):
        limits = {"deadline": None, "progress": Watch()}
        Fit("sage", type(whole), data, CONFIG, 0, RESOURCES, tmp_path).run(**limits)
    assert same_weights(fit(data, {}, tmp_path), whole)
    assert len(steps) == STEPS


def test_memory_does_not_grow_with_epochs(data, monkeypatch):
    tensors, traced = [], []
    look = training.Trainer._look

    def measured(*arguments):
        look(*arguments)
        epoch = len(arguments[0]._curve.loss)
        if epoch in (10, 30):
            gc.collect()
            held = [t for t in gc.get_objects() if issubclass(type(t), torch.Tensor)]
            tensors.append(sum(t.nelement() * t.element_size() for t in held))
            # What was there before the tenth epoch is not traced, what came and stayed since is.
            tracemalloc.start() if epoch == 10 else traced.append(tracemalloc.get_traced_memory()[0])

    monkeypatch.setattr(training.Trainer, "_look", measured)
    try:
        fit(data, {"epochs": 30, "patience": 99, "batch_size": 512, "channels": 8, "fanouts": [4]})
    finally:
        tracemalloc.stop()
    assert tensors[1] - tensors[0] < 10_000
    assert traced[0] < 100_000  # the copy of the weights, and two numbers an epoch


def test_a_schedule_ends_where_it_says():
    def rates(schedule, steps=100):
        stepper = Stepper.__new__(Stepper)
        stepper.steps = steps
        stepper.config = training.NetworkConfig(schedule=schedule)
        return [stepper.rate(i) for i in range(steps)]

    for schedule, last in (("cosine", 0.01), ("linear", 0.02), ("constant", 1.0)):
        found = rates(schedule)
        assert found[0] == pytest.approx(0.1) and found[9] == found[10] == 1.0
        assert found[-1] == pytest.approx(last, abs=0.011)


def test_what_is_kept_is_the_mean_of_the_weights_over_steps(data, monkeypatch):
    met = []
    step = Stepper.step

    def watched(self, *given):
        out = step(self, *given)
        met.append((self, self.weights[0].detach().clone()))
        return out

    monkeypatch.setattr(Stepper, "step", watched)
    fit(data, {"epochs": 1, "averaging": 0.5})
    stepper, seen = met[-1][0], [weight for _, weight in met]
    decays = [min(0.5, (1 + done) / (10 + done)) for done in range(len(seen))]
    expected = torch.zeros_like(seen[0])
    for decay, weight in zip(decays, seen, strict=True):
        expected = decay * expected + (1 - decay) * weight
    before = stepper.weights[0].detach().clone()
    with stepper.averaged():
        held = stepper.weights[0].detach().clone()
    # The average begins at the first weights, of which next to nothing is left.
    assert torch.allclose(held, expected, atol=float(np.prod(decays)) * 2 + 1e-6)
    assert not torch.allclose(held, seen[-1], atol=1e-4)
    assert torch.equal(stepper.weights[0].detach(), before)


def test_two_processes_train_as_one(shop, tmp_path, data):
    config = {"dropout": 0.0, "epochs": 3}
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    launch += ["--rdzv-endpoint", str(tmp_path / "agents"), "--rdzv-conf", "store_type=file"]
    for rank in "01":
        (tmp_path / "out" / rank).mkdir(parents=True)
    ended = run(shop, tmp_path / "out", launch, config=config, rendezvous=str(tmp_path / "meet"))
    assert ended.returncode == 0, ended.stderr[-3000:]
    first, second = (load_file(tmp_path / "out" / rank / "weights.safetensors") for rank in "01")
    assert all(torch.equal(first[k], second[k]) for k in first)
    alone = fit(data, config)
    told = json.loads((tmp_path / "out" / "0" / "told.json").read_text())["curve"]
    assert told["loss"] == pytest.approx(alone.curve["loss"], rel=1e-3)
    for name, weight in alone.network.state_dict().items():
        assert torch.allclose(first[name], weight, atol=2e-3), name
    assert (tmp_path / "out" / "0" / "unfinished").exists()
    assert not (tmp_path / "out" / "1" / "unfinished").exists()


class Told:
    """A progress that notes what it is told."""

    def __init__(self):
        self.lines = []

    def update(self, done, total=None, note=""):
        self.lines.append((done, total, note))


def test_progress_tells_loss_val_and_rate_throughout(data):
    told = Told()
    limits = {"resources": RESOURCES, "deadline": None, "progress": told}
    model = get_rung("sage").fit(data, CONFIG | {"epochs": 2}, 0, **limits)
    done = [line[0] for line in told.lines]
    assert done == sorted(done) and done[-1] == 2 and {line[1] for line in told.lines} == {2}
    first, second = (f"val {gain:.4g}" for gain in model.curve["gain"])
    assert all("val" not in note for at, _, note in told.lines if at < 1)
    assert all(first in note for at, _, note in told.lines if 1 <= at < 2)
    assert told.lines[-1][2].startswith(f"loss {model.curve['loss'][1]:.4g}, {second}, ")
    for _, _, note in told.lines:
        loss, *others = note.split(", ")
        (rate,) = (told for told in others if told.endswith(" rows/s"))
        assert 0.1 < float(loss.removeprefix("loss ")) < 3
        assert float(rate.removesuffix(" rows/s").replace(",", "")) > 1


def test_the_curve_of_a_candidate_is_in_the_metrics_own_direction(shop, data, tmp_path):
    config = CONFIG | {"epochs": 1}
    rising = fit_candidate(data, "sage", config, 0, tmp_path / "auroc", resources=RESOURCES)
    assert rising.curve.metric == "auroc" and rising.curve.val == [pytest.approx(rising.val)]
    numbers = make_data(*shop, TaskType.REGRESSION)
    falling = fit_candidate(numbers, "sage", config, 0, tmp_path / "mae", resources=RESOURCES)
    assert falling.curve.metric == "mae" and falling.curve.val == [pytest.approx(falling.val)]
    assert falling.curve.gain == [pytest.approx(-falling.val)]
    assert read_candidate(tmp_path / "mae").curve == falling.curve
    constant = fit_candidate(data, "constant", {}, 0, tmp_path / "constant", resources=RESOURCES)
    assert constant.curve == Curve()


def test_a_curve_follows_the_metric_that_decides():
    targets = Targets(np.ones(5), np.ones(5, np.int64))
    assert deciding_metric("auroc", TaskType.BINARY, targets, 0) == "log_loss"
    assert Curve(gain=[-0.4], metric="log_loss").val == [0.4]
    mixed = Targets(np.array([0.0, 1, 2, 2, 1]), np.ones(5, np.int64))
    assert deciding_metric("accuracy", TaskType.MULTICLASS, mixed, 3) == "accuracy"
