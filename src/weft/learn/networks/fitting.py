"""One fit of a network: inputs, goal, network, training."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch

from weft.core import Progress, Resources
from weft.learn.data import TrainingData
from weft.learn.encoders.column import Array
from weft.learn.networks.configuration import NetworkConfig
from weft.learn.networks.cost import plan_epochs
from weft.learn.networks.heads import choose_goal
from weft.learn.networks.inputs import NetworkInputs, fit_inputs
from weft.learn.networks.model import NetworkModel, make_feeder, seed_rows
from weft.learn.networks.predictor import Network, find_device
from weft.learn.networks.training import Curve, Trainer
from weft.learn.rung import Config, Header, Model, not_applicable
from weft.learn.scoring import gain_of
from weft.learn.view import asked

_MOST_VAL_ROWS = 20_000
_building = threading.Lock()


class Fit:
    """Fits one configuration of one network.

    Args:
        name: Of the network.
        model: Class of what comes out.
        data: With a graph.
        config: See `NetworkConfig`.
        seed: All randomness derives from it.
        resources: Threads to stay within.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        data: TrainingData,
        config: Config,
        seed: int,
        resources: Resources,
    ) -> None:
        assert data.graph is not None
        self.name, self.model, self.data, self.seed = name, model, data, seed
        self.graph = data.graph
        self.config = NetworkConfig.read(config)
        self.metric = data.outline.chosen_metric
        self.device = find_device()
        # Half the threads make batches.
        torch.set_num_threads(max(1, resources.threads // 2))

    def run(self, deadline: float | None, progress: Progress) -> Model:
        """Train; return the model with the weights that were best on val.

        Raises:
            UserError: ``LEARN010`` when the budget is below one pass over train, or the first loss is not
                finite.
        """
        inputs = self._inputs()
        config, task = self.config, self.data.task
        rows = self.data.train_rows(config.train_cutoffs)
        goal = choose_goal(
            task, self.data.train.targets, len(self.data.classes), self.metric, config.of_head()
        )
        train = seed_rows(inputs, self.graph, rows, goal.encode(rows.targets.values))
        looked = self.data.val.take(_some(len(self.data.val), self.seed))
        val = seed_rows(inputs, self.graph, looked)
        size = config.batch_size
        feeder = make_feeder(self.name, inputs, config, self.graph, self.seed, batch_size=size)
        epochs = plan_epochs(feeder, train, len(val), config)
        if not epochs:
            raise not_applicable(
                self.name, f"{config.budget_s:g} s are too few for one pass over the train rows"
            )
        # The generator that layers draw their first weights from belongs to the whole process.
        with _building, torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = Network(self.name, inputs, config, goal).to(self.device)

        def score(predicted: Array) -> float:
            return gain_of(self.metric, task.type, looked.targets, predicted)

        trainer = Trainer(network, feeder, config, self.device, self.seed)
        curve = trainer.fit(train, val, score, epochs=epochs, deadline=deadline, progress=progress)
        return self._model(inputs, network, curve)

    def _inputs(self) -> NetworkInputs:
        return fit_inputs(
            self.data,
            self.graph.source,
            options=self.config.encoding(),
            excluded=self.graph.excluded,
            separators=self.graph.separators,
            features=self.config.features,
        )

    def _model(self, inputs: NetworkInputs, network: Network, curve: Curve) -> NetworkModel:
        if curve.best < 0:
            raise not_applicable(self.name, curve.note)
        told = {"loss": curve.loss, "gain": curve.gain, "best": curve.best, "note": curve.note}
        header = Header(self.data.task, self.data.classes, self.data.encoder)
        made: NetworkModel = self.model(
            header, inputs, self.config, network.goal, network, seed=self.seed, curve=told
        )
        made.learn_usual(asked(self.data, self.data.train))
        return made


def _some(num: int, seed: int) -> np.ndarray:
    """Return which rows of val epochs are compared on: all, or a sample of many."""
    if num <= _MOST_VAL_ROWS:
        return np.arange(num)
    return np.sort(np.random.default_rng(seed).choice(num, _MOST_VAL_ROWS, replace=False))
