"""One fit of a network: inputs, goal, network, training."""

from __future__ import annotations

import math
import tempfile
import threading
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from weft.core import Progress, Resources, TaskType, UserError, digest_bytes, to_json
from weft.learn.data import Rows, TrainingData
from weft.learn.encoders.column import Array
from weft.learn.folds import number_folds
from weft.learn.networks.batch import BatchMaker
from weft.learn.networks.checkpoint import CheckpointFile
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.cost import plan_epochs
from weft.learn.networks.course import EntityCourse
from weft.learn.networks.curve import Curve
from weft.learn.networks.drawing import EpochRows
from weft.learn.networks.feeding import SeedRows
from weft.learn.networks.heads import Goal, choose_goal
from weft.learn.networks.held_out import Score
from weft.learn.networks.inputs import NetworkInputs, fit_inputs
from weft.learn.networks.model import NetworkModel, make_feeder, seed_rows
from weft.learn.networks.predictor import Network
from weft.learn.networks.ranks import join_ranks
from weft.learn.networks.recovery import find_device, told_of_memory
from weft.learn.networks.registry import network_defaults
from weft.learn.networks.starting import Start, read_start, start_warm
from weft.learn.networks.tracking import tracking
from weft.learn.networks.training import Trainer
from weft.learn.rung import Config, Header, Model, not_applicable
from weft.learn.scoring import deciding_metric, gain_of
from weft.learn.targets import Targets
from weft.learn.view import asked

_MOST_VAL_ROWS = 20_000
_building = threading.Lock()


class Fit:
    """Fits one configuration of one network.

    Args:
        name: Of the network.
        model: Class of what comes out.
        data: With a graph.
        config: See `NetworkConfig`; ``warm``, the folder of the candidate of an earlier run to go on from.
        seed: All randomness derives from it.
        resources: Threads to stay within.
        unfinished: Folder for checkpoints. A fit that finds one of the same data, configuration and seed goes
            on from there. Whoever gives the folder removes it; without one, a killed fit begins anew.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        data: TrainingData,
        config: Config,
        seed: int,
        resources: Resources,
        unfinished: Path | None = None,
    ) -> None:
        config, self.start_words = start_warm(config, name, data)
        assert data.graph is not None
        self.name, self.model, self.data, self.seed = name, model, data, seed
        self.graph = data.graph
        self.config = NetworkConfig.read({**network_defaults(name), **config})
        self.metric = data.outline.chosen_metric
        self.device = find_device()
        self.unfinished = unfinished
        # Half the threads make batches.
        torch.set_num_threads(max(1, resources.threads // 2))

    def run(self, deadline: float | None, progress: Progress) -> Model:
        """Train; return the model with the weights that were best on val.

        Raises:
            UserError: ``LEARN010`` when the budget is below one pass over train, or no epoch came to an end
                with a finite loss.
            UnavailableError: ``LEARN050`` when half a batch is too much for the memory.
        """
        folder = tempfile.TemporaryDirectory(prefix="weft-") if self.unfinished is None else nullcontext()
        with folder as temporary, told_of_memory(self.name):
            trainer = self._trainer(self.unfinished or Path(str(temporary)))
            found = trainer.file.fingerprint, trainer.ranks.rank
            with tracking(self.name, self.config, *found) as trainer.tracker:
                curve = trainer.fit(deadline=deadline, progress=progress)
        network, course = trainer.network, trainer.course
        assert isinstance(network, Network) and isinstance(course, EntityCourse)
        model = self._model(course.feeder.maker.inputs, network, curve)
        model.val_prediction = trainer.held_out.prediction
        return model

    def _trainer(self, folder: Path) -> Trainer:
        """Bring together all that is trained with."""
        config, task = self.config, self.data.task
        rows = self.data.train_rows(config.train_cutoffs)
        start = read_start(Path(config.start), self.name, config, self.data) if config.start else None
        inputs = start.inputs if start else self._inputs()
        goal = start.goal if start else self._goal()
        looked = self.data.val.take(_some(len(self.data.val), self.seed))
        drawn = self._epoch_rows(rows, max(config.look_rows, len(looked)))
        goal = replace(goal, shares=drawn.shares)
        train = seed_rows(inputs, self.graph, rows, goal.encode(rows.targets.values))
        val = seed_rows(inputs, self.graph, looked)
        maker = BatchMaker(inputs, self.graph.source)
        feeder = make_feeder(self.name, maker, config, self.graph, self.seed, batch_size=config.batch_size)
        last = len(self.data.val) + len(self.data.test)
        epochs, look_s = plan_epochs(self.name, feeder, train, drawn, len(val), config, num_last=last)
        if not epochs:
            hint = f"give '{self.name}' alone a budget of {math.ceil(look_s)} s or more, or try other models."
            raise not_applicable(self.name, _too_few(config.budget_s, drawn, look_s), hint)
        ranks = join_ranks(self.device)
        began = digest_bytes(start.raw) if start else ""
        told = [inputs, replace(config, start=began), goal, self.seed, epochs, ranks.size, torch.__version__]
        network = self._network(inputs, goal, start)
        return Trainer(
            name=self.name,
            network=network,
            course=EntityCourse(network, feeder, train, val, drawn, config.batch_size, ranks),
            config=config,
            device=self.device,
            seed=self.seed,
            score=self._score(looked.targets),
            # Where val is so large that a sample does, the choice among looks is hardly a matter of luck.
            folds=number_folds(looked.seeds) if len(looked) == len(self.data.val) else None,
            epochs=epochs,
            file=CheckpointFile(folder, self._fingerprint(told, train, val, looked.targets.values)),
            ranks=ranks,
            metric=deciding_metric(self.metric, task.type, looked.targets, len(self.data.classes)),
        )

    def _score(self, targets: Targets) -> Score:
        def score(predicted: Array, rows: Array | None) -> float:
            some = targets if rows is None else targets.take(rows)
            return gain_of(
                self.metric, self.data.task.type, some, predicted if rows is None else predicted[rows]
            )

        return score

    def _goal(self) -> Goal:
        options = self.config.of_head()
        return choose_goal(
            self.data.task, self.data.train.targets, len(self.data.classes), self.metric, options
        )

    def _inputs(self) -> NetworkInputs:
        return fit_inputs(
            self.data,
            self.graph.source,
            options=self.config.encoding(),
            excluded=self.graph.excluded,
            separators=self.graph.separators,
            features=self.config.features,
            without=frozenset(self.config.without),
            sentences=self.graph.sentences,
        )

    def _epoch_rows(self, rows: Rows, most: int) -> EpochRows:
        """Say which train rows an epoch reads."""
        ratio, classes = self.config.class_ratio, len(self.data.classes)
        if not ratio:
            return EpochRows(len(rows), self.seed, most=most)
        if self.data.task.type not in (TaskType.BINARY, TaskType.MULTICLASS):
            raise UserError(
                "LEARN043",
                f"class_ratio is {ratio:g}, and rows of {self.data.task.type.value} have no class each.",
                "leave class_ratio out.",
            )
        of_rows = rows.targets.values.astype(np.int64)
        return EpochRows.of_classes(of_rows, classes or 2, ratio, self.seed, most)

    def _network(self, inputs: NetworkInputs, goal: Goal, start: Start | None) -> Network:
        # The generator that layers draw their first weights from belongs to the whole process.
        with _building, torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = Network(self.name, inputs, self.config, goal)
        if start:
            network.load_state_dict(start.weights)
        network.to(self.device)
        return network

    def _fingerprint(self, told: list[Any], train: SeedRows, val: SeedRows, labels: Array) -> str:
        """Name this fit by all that its weights follow from."""
        arrays = [train.rows, train.cutoffs_us, train.terms, train.targets]
        arrays += [val.rows, val.cutoffs_us, val.terms, labels]
        digests = [digest_bytes(np.ascontiguousarray(a).tobytes()) for a in arrays]
        return digest_bytes(to_json([self.name, self.graph.source.digest, told, digests]).encode())

    def _model(self, inputs: NetworkInputs, network: Network, curve: Curve) -> NetworkModel:
        if curve.kept is None:
            raise not_applicable(self.name, curve.note)
        header = Header(self.data.task, self.data.classes, self.data.encoder)
        made: NetworkModel = self.model(
            header,
            inputs,
            replace(self.config, start=""),
            network.goal,
            network,
            seed=self.seed,
            curve=asdict(replace(curve, start=self.start_words)),
        )
        made.learn_usual(asked(self.data, self.data.train))
        return made


def _too_few(budget_s: float, rows: EpochRows, look_s: float) -> str:
    some = "one pass over" if rows.parts == 1 else f"{len(rows):,} of"
    reason = f"{budget_s:g} s are too few for {some} the {len(rows) * rows.parts:,} train rows"
    return f"{reason} and a look at val, which take about {look_s:.3g} s"


def _some(num: int, seed: int) -> np.ndarray:
    """Return which rows of val epochs are compared on: all, or a sample of many."""
    if num <= _MOST_VAL_ROWS:
        return np.arange(num)
    return np.sort(np.random.default_rng(seed).choice(num, _MOST_VAL_ROWS, replace=False))
