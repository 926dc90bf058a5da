"""Training a network: epochs, looks at val, checkpoints, and what is done when something fails."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from weft.core import Progress
from weft.learn.encoders.column import Array
from weft.learn.networks.checkpoint import Checkpoint, CheckpointFile, copied
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.course import Course
from weft.learn.networks.curve import Curve, Pace, Position
from weft.learn.networks.held_out import HeldOut, Score
from weft.learn.networks.ranks import Ranks
from weft.learn.networks.recovery import Trouble, diagnose, find_device, no_memory_left, release_memory
from weft.learn.networks.stepping import Stepper
from weft.learn.networks.tracking import NoTracker, Tracker

_log = logging.getLogger(__name__)
_CHECKPOINT_S = 30.0
# A look at the loss makes the CPU wait for the GPU.
_GPU_LOOKS_EVERY = 16


@dataclass
class Trainer:
    """Trains on some seeds and chooses the epoch on others.

    Attributes:
        name: Of the network.
        network: What is trained; ends with the best weights.
        course: What it is taught with.
        config: How.
        device: Where; another one once it has failed.
        seed: Of the order of the seeds and of what is dropped.
        score: Of predictions for val, all or some of its rows, higher is better.
        epochs: At most.
        file: Where checkpoints go.
        ranks: The processes that train together.
        metric: What ``score`` is the gain in.
        tracker: Where the numbers of each look go.
        folds: Number of the part of val that each row belongs to; ``None`` holds no part out.
        make_stepper: Makes what steps are made with; the class of it.
    """

    name: str
    network: nn.Module
    course: Course
    config: NetworkConfig
    device: torch.device
    seed: int
    score: Score
    epochs: int
    file: CheckpointFile
    ranks: Ranks = field(default_factory=Ranks)
    metric: str = ""
    tracker: Tracker = field(default_factory=NoTracker)
    folds: Array | None = None
    make_stepper: Callable[..., Stepper] = Stepper

    def fit(self, *, deadline: float | None, progress: Progress) -> Curve:
        """Train, from the last checkpoint of the same fit where there is one.

        Args:
            deadline: ``time.monotonic()`` by which to end.
            progress: Told how far it is.

        Raises:
            UnavailableError: ``LEARN050`` when half a batch is too much for the memory.
        """
        self._start()
        if not self._restore():
            self._save()
        while len(self._curve.loss) < self.epochs and not self._curve.note:
            trouble = self._try_epoch(deadline, progress)
            if trouble is not None:
                self._recover(*trouble)
        self.network.load_state_dict(self._best)
        return self._curve

    def _start(self) -> None:
        """Begin at the first step."""
        self._curve, self._position, self._pace = Curve(metric=self.metric), Position(), Pace()
        self.held_out = HeldOut(self.folds, self.score)
        self._best = copied(self.network.state_dict())
        # What no checkpoint holds, since it follows from the inputs.
        self._constants = copied({n: b for n, b in self.network.named_buffers() if n not in self._best})
        self._failed: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        """Make what steps are made with, on the device."""
        steps = self.epochs * len(self.course.steps(0))
        self._stepper = self.make_stepper(
            self.network, self.config, self.device, self.seed, steps, self.ranks
        )

    def _try_epoch(self, deadline: float | None, progress: Progress) -> tuple[Trouble, str] | None:
        """Finish an epoch; return what went wrong, without the frames that hold its tensors."""
        try:
            if self.config.start and self._curve.began is None:
                self._look_first()
            self._epoch(progress)
            if not self._curve.note:
                self._look(deadline, progress)
        except (RuntimeError, MemoryError) as error:
            trouble = diagnose(error)
            if trouble is None or self.ranks.size > 1:
                raise
            return trouble, str(error).split("\n", 1)[0][:120]
        return None

    def _epoch(self, progress: Progress) -> None:
        """Make the steps of an epoch that are not made yet."""
        position, epoch = self._position, len(self._curve.loss)
        steps = self.course.steps(epoch)
        read = np.cumsum([len(seeds) for seeds in steps])
        chunks = steps[position.step :]
        parts = [[p for p in np.array_split(self.ranks.share(c), position.splits) if len(p)] for c in chunks]
        batches = self.course.batches(parts, epoch, position.step)
        total = torch.tensor(position.total, dtype=torch.float64)
        saved = time.monotonic()
        self._stepper.busy.start()
        for chunk, own in zip(chunks, parts, strict=True):
            summed = self._stepper.step(_next(batches, len(own)), len(chunk), position.steps)
            total = total.to(summed.device) + summed
            position.step += 1
            position.steps += 1
            self._pace.count(len(chunk))
            is_last = position.step == len(steps)
            if is_last or self.device.type == "cpu" or position.step % _GPU_LOOKS_EVERY == 0:
                position.total = float(total)
                self._stepper.busy.read()
                if not math.isfinite(position.total):
                    self._stop(f"the loss of epoch {epoch + 1} is not finite at step {position.step}")
                    return
                saved = self._tick(saved, int(read[position.step - 1]), int(read[-1]), progress)

    def _tick(self, saved: float, read: int, num_rows: int, progress: Progress) -> float:
        """Between two steps: tell how far the epoch is, and save now and then."""
        words = self._words(self._position.total / read)
        try:
            progress.update(len(self._curve.loss) + min(read / num_rows, 0.99), self.epochs, words)
        except BaseException:
            self._save()
            raise
        is_due = self._position.step % self.config.checkpoint_steps == 0
        if is_due or time.monotonic() - saved > _CHECKPOINT_S:
            self._save()
            return time.monotonic()
        return saved

    def _look_first(self) -> None:
        """Score the weights that the fit goes on from: it is to end with none that are worse."""
        predicted = self.course.predict(self.device)
        # What is not finite the look after the epoch refuses.
        if np.isfinite(predicted).all():
            self._curve.began = self.score(predicted, None)
            self.held_out.look(predicted)
            self._save()

    def _look(self, deadline: float | None, progress: Progress) -> None:
        """End an epoch: predict for val, keep the best weights, decide whether to go on."""
        curve, position = self._curve, self._position
        with self._stepper.averaged():
            predicted = self.course.predict(self.device)
            weights = copied(self.network.state_dict())
        if not np.isfinite(predicted).all():
            self._stop(f"predictions for val after epoch {len(curve.loss) + 1} are not finite")
            return
        num_rows = sum(len(seeds) for seeds in self.course.steps(len(curve.loss)))
        curve.loss.append(position.total / max(1, num_rows))
        curve.gain.append(self.score(predicted, None))
        self.held_out.look(predicted)
        position.step, position.total = 0, 0.0
        if curve.is_best_so_far:
            curve.best = len(curve.gain) - 1
            self._best = weights
        if len(curve.gain) - 1 - curve.best >= self.config.patience:
            curve.note = f"val did not get better for {self.config.patience} looks"
        elif self.ranks.any(deadline is not None and time.monotonic() > deadline):
            curve.note = "the deadline came"
        self._save()
        self.tracker.record(len(curve.loss), curve.last(self._pace.rows_per_s))
        progress.update(len(curve.loss), self.epochs, self._words(curve.loss[-1]))

    def _words(self, loss: float) -> str:
        return self._curve.words(loss, self._pace.rows_per_s, self._stepper.busy.share)

    def _stop(self, reason: str) -> None:
        """End the fit for something that went wrong; the best weights so far stay."""
        rate = self.config.learning_rate * self._stepper.rate(max(0, self._position.steps - 1))
        self._curve.note = f"{reason}, learning rate {rate:.3g}"
        self._tell(self._curve.note)

    def _recover(self, trouble: Trouble, told: str) -> None:
        """Go back to the last checkpoint, with half the batch or on another device."""
        where = f"epoch {len(self._curve.loss) + 1}, step {self._position.step + 1}"
        if trouble is Trouble.MEMORY:
            if self._position.splits > 1:
                raise no_memory_left(self.name, math.ceil(self.config.batch_size / 2))
            event = f"out of memory in {where}: batches are read in two halves from there on"
        else:
            if str(self.device) in self._failed:
                raise RuntimeError(told)
            self._failed.add(str(self.device))
            failed, self.device = self.device, find_device(self._failed)
            # What lies on a device that failed cannot be read any more.
            self.network.to_empty(device=self.device)
            for name, constant in self._constants.items():
                self.network.get_buffer(name).copy_(constant)
            self._begin()
            event = (
                f"{failed} failed in {where} ({told}): the fit went on from its checkpoint on {self.device}"
            )
        release_memory()
        assert self._restore()
        if trouble is Trouble.MEMORY:
            self._position.splits = 2
            self.course.narrow(2)
        self._tell(event)
        self._save()

    def _tell(self, event: str) -> None:
        self._curve.events.append(event)
        _log.warning("%s: %s", self.name, event)

    def _save(self) -> None:
        if self.ranks.rank:
            return
        facts = {"curve": asdict(self._curve), "position": asdict(self._position)}
        best = {f"best/{name}": tensor for name, tensor in self._best.items()}
        self.file.write(Checkpoint(facts, self._stepper.tensors() | best | self.held_out.tensors()))

    def _restore(self) -> bool:
        """Take up the last checkpoint; say whether there was one."""
        data = self.ranks.of_first(b"" if self.ranks.rank else self.file.read())
        if not data:
            return False
        found = Checkpoint.decode(data)
        self._curve = Curve(**found.facts["curve"])
        self._position = Position(**found.facts["position"])
        self._stepper.restore(found)
        self._best = found.part("best")
        self.held_out.restore(found.part("held_out"))
        self.course.narrow(self._position.splits)
        return True


def _next(batches: Iterator[Any], num: int) -> Iterator[Any]:
    """Yield the next few batches."""
    for _ in range(num):
        yield next(batches)
