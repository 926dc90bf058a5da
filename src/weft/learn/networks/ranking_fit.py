"""One fit of a network that ranks items."""

from __future__ import annotations

import functools
import tempfile
import threading
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from weft.core import Progress, Resources, UserError, digest_table, digest_value
from weft.learn.encoders.column import Array
from weft.learn.folds import number_folds
from weft.learn.metrics import get_metric
from weft.learn.networks.checkpoint import CheckpointFile
from weft.learn.networks.configuration import OF_ENTITIES, RANKING_LOSSES, NetworkConfig
from weft.learn.networks.cost import step_seconds
from weft.learn.networks.held_out import Score
from weft.learn.networks.inputs import NetworkInputs, fit_inputs
from weft.learn.networks.known_items import KnownItems
from weft.learn.networks.ranking_course import RankingCourse, RankingStepper
from weft.learn.networks.ranking_feed import LessonMaker, Lessons
from weft.learn.networks.ranking_loss import bayesian_ranking, sampled_softmax
from weft.learn.networks.ranks import join_ranks
from weft.learn.networks.recovery import find_device, told_of_memory
from weft.learn.networks.registry import build_ranking_network, network_defaults
from weft.learn.networks.slates import RankingOptions, Surroundings
from weft.learn.networks.tracking import tracking
from weft.learn.networks.training import Trainer
from weft.learn.ranking import RankingData, RankingRows
from weft.learn.rung import Config, Header, Model, not_applicable

_MOST_VAL_SEEDS = 4_000
_EVALUATION = 0.4
# Their towers are those of sage; the pass outwards and dense negatives come on top.
_OVER_SAGE = 2.0
# CPU seconds per pair whose features are read, and squared channel.
_S_PER_PAIR = 3e-9
_building = threading.Lock()


class RankingFit:
    """Fits one configuration of one network.

    Args:
        name: Of the network.
        model: Class of what comes out.
        data: With a graph.
        config: See `NetworkConfig` and `RankingOptions`.
        seed: All randomness derives from it.
        resources: Threads to stay within.
        unfinished: Folder for checkpoints, as for `weft.learn.networks.fitting.Fit`.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        data: RankingData,
        config: Config,
        seed: int,
        resources: Resources,
        unfinished: Path | None = None,
    ) -> None:
        assert data.graph is not None
        self.name, self.model, self.data, self.graph, self.seed = name, model, data, data.graph, seed
        _refuse_others(config)
        self.config = NetworkConfig.read({**network_defaults(name), **config})
        self.options = RankingOptions.read(self.config)
        self.loss = _loss(self.config.loss or RANKING_LOSSES[0])
        self.metric = get_metric(data.outline.chosen_metric)
        self.device, self.unfinished = find_device(), unfinished
        torch.set_num_threads(max(1, resources.threads // 2))

    def run(self, deadline: float | None, progress: Progress) -> Model:
        """Train; return the model with the weights that were best on val.

        Raises:
            UserError: ``LEARN010`` when the items are no rows of a table, when the budget is below one pass
                over train, or no epoch came to an end with a finite loss.
            UnavailableError: ``LEARN050`` when half a batch is too much for the memory.
        """
        folder = tempfile.TemporaryDirectory(prefix="weft-") if self.unfinished is None else nullcontext()
        with folder as temporary, told_of_memory(self.name):
            return self._run(self.unfinished or Path(str(temporary)), deadline, progress)

    def _run(self, folder: Path, deadline: float | None, progress: Progress) -> Model:
        task, source = self.data.task, self.graph.source
        if task.item_table is None:
            raise not_applicable(self.name, "the items are no rows of a table")
        inputs = self._inputs()
        known = KnownItems.of_truth(task.item_table, self.data.train.truth, self.options.embeddings)
        with _building, torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = build_ranking_network(self.name, inputs, known, self.config).to(self.device)
        around = Surroundings(inputs, known, self.config, self.graph, self.seed)
        lessons = Lessons.find(source, inputs.entity_table, task.item_table, self.data.train)
        maker = LessonMaker(lessons, around, inputs.seed, self.options, self.seed, network)
        epochs = self._plan(maker)
        header = Header(task, (), self.data.encoder)
        made = self.model(header, inputs, known, self.config, network, seed=self.seed)
        trainer = self._trainer(made, maker, epochs, folder)
        found = trainer.file.fingerprint, trainer.ranks.rank
        with tracking(self.name, self.config, *found) as trainer.tracker:
            curve = trainer.fit(deadline=deadline, progress=progress)
        if curve.best < 0:
            raise not_applicable(self.name, curve.note)
        made.curve = asdict(curve)
        fitted: Model = made
        fitted.val_prediction = trainer.held_out.prediction
        return fitted

    def _inputs(self) -> NetworkInputs:
        return fit_inputs(
            self.data,
            self.graph.source,
            options=self.config.encoding(),
            excluded=self.graph.excluded,
            separators=self.graph.separators,
            features=self.config.features,
            without=self.config.without,
            sentences=self.graph.sentences,
        )

    def _plan(self, maker: LessonMaker) -> int:
        """Return how many epochs fit into the budget."""
        if self.config.budget_s <= 0:
            return self.config.epochs
        parts = maker.lessons.orders(0, self.seed, self.config.batch_size)
        batch = maker.make(parts[0], 0, 0)
        read = [batch.users.batch, *([batch.pool.items.batch] if batch.pool else [])]
        step_s = _OVER_SAGE * sum(step_seconds("sage", b, self.config.channels) for b in read)
        if maker.terms.terms:
            step_s += _S_PER_PAIR * len(batch.own.seed) * self.config.channels**2
        num_val = min(len(self.data.val), _MOST_VAL_SEEDS)
        epoch_s = step_s * (len(parts) + _EVALUATION * num_val / len(parts[0]))
        epochs = min(self.config.epochs, int(self.config.budget_s / epoch_s))
        if not epochs:
            reason = f"{self.config.budget_s:g} s are too few for one pass over the train rows"
            raise not_applicable(self.name, f"{reason}, which takes about {epoch_s:.0f} s")
        return epochs

    def _trainer(self, model: Any, maker: LessonMaker, epochs: int, folder: Path) -> Trainer:
        """Bring together all that is trained with."""
        looked, ranks = self._looked(), join_ranks(self.device)
        course = RankingCourse(model, self.data, maker, looked, self.config.batch_size, ranks)
        known = digest_table(pa.table({"item": model.known.keys}))
        told = [self.name, self.graph.source.digest, model.inputs, known, self.config, self.seed, epochs]
        told += [ranks.size, torch.__version__, course.digest()]
        # Where only some of val is looked at nothing is held out.
        folds = number_folds(looked.seeds) if len(looked) == len(self.data.val) else None
        return Trainer(
            name=self.name,
            network=model.network,
            course=course,
            config=self.config,
            device=self.device,
            seed=self.seed,
            score=self._score(looked, folds),
            folds=None if folds is None else folds[looked.seed],
            epochs=epochs,
            file=CheckpointFile(folder, digest_value(told)),
            ranks=ranks,
            metric=self.metric.name,
            make_stepper=functools.partial(RankingStepper, loss=self.loss),
        )

    def _score(self, looked: RankingRows, folds: Array | None) -> Score:
        def score(predicted: Array, rows: Array | None) -> float:
            if rows is None:
                return looked.score(self.metric, predicted) or 0.0
            assert folds is not None
            # Rows are candidates, and each list is held out whole.
            lists = np.unique(folds[looked.seed[rows]])
            some = np.flatnonzero(np.isin(folds, lists))
            form = looked.form(self.metric, predicted)[some]
            return self.metric.score(looked.targets.take(some), form) or 0.0

        return score

    def _looked(self) -> RankingRows:
        """Return the val seeds that epochs are compared on: all, or a sample of many."""
        num = len(self.data.val)
        if num <= _MOST_VAL_SEEDS:
            return self.data.val
        chosen = np.random.default_rng(self.seed).choice(num, _MOST_VAL_SEEDS, replace=False)
        return self.data.val.take(np.sort(chosen))


def _refuse_others(config: Config) -> None:
    """Refuse settings that only networks for entities follow."""
    others = sorted(OF_ENTITIES & set(config))
    if others:
        raise UserError(
            "LEARN043",
            f"a network that ranks items has no setting '{others[0]}'.",
            "leave it out.",
        )


def _loss(name: str) -> Any:
    if name not in RANKING_LOSSES:
        raise UserError(
            "LEARN043",
            f"a link_prediction task has no loss '{name}'.",
            f"choose among {', '.join(RANKING_LOSSES)}.",
        )
    return {"softmax": sampled_softmax, "bpr": bayesian_ranking}[name]
