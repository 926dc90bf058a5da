"""One fit of a network that ranks items."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from weft.core import Progress, Resources, UserError, digest_bytes, to_json
from weft.learn.encoders.column import Array
from weft.learn.folds import number_folds
from weft.learn.metrics import get_metric
from weft.learn.networks.configuration import OF_ENTITIES, RANKING_LOSSES, NetworkConfig
from weft.learn.networks.cost import step_seconds
from weft.learn.networks.curve import Curve, Pace
from weft.learn.networks.held_out import HeldOut
from weft.learn.networks.inputs import NetworkInputs, fit_inputs
from weft.learn.networks.known_items import KnownItems
from weft.learn.networks.ranking_feed import LessonMaker, Lessons
from weft.learn.networks.ranking_loss import bayesian_ranking, sampled_softmax
from weft.learn.networks.ranks import Ranks
from weft.learn.networks.recovery import find_device
from weft.learn.networks.registry import build_ranking_network, network_defaults
from weft.learn.networks.slates import RankingBatch, RankingOptions, Surroundings
from weft.learn.networks.stepping import Stepper
from weft.learn.networks.tracking import tracking
from weft.learn.ranking import RankingData, RankingRows
from weft.learn.rung import Config, Header, Model, not_applicable
from weft.learn.view import asked

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
    """

    def __init__(
        self, name: str, model: Any, data: RankingData, config: Config, seed: int, resources: Resources
    ) -> None:
        assert data.graph is not None
        self.name, self.model, self.data, self.graph, self.seed = name, model, data, data.graph, seed
        _refuse_others(config)
        self.config = NetworkConfig.read({**network_defaults(name), **config})
        self.options = RankingOptions.read(self.config)
        self.loss = _loss(self.config.loss or RANKING_LOSSES[0])
        self.metric = get_metric(data.outline.chosen_metric)
        self.device = find_device()
        torch.set_num_threads(max(1, resources.threads // 2))

    def run(self, deadline: float | None, progress: Progress) -> Model:
        """Train; return the model with the weights that were best on val.

        Raises:
            UserError: ``LEARN010`` when the items are no rows of a table, when the budget is below one pass
                over train, or when the first loss is not finite.
        """
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
        told = to_json([self.name, source.digest, self.config, self.seed, epochs])
        with tracking(self.name, self.config, digest_bytes(told.encode())) as self.tracker:
            curve = self._train(made, maker, epochs, deadline, progress)
        if curve.best < 0:
            raise not_applicable(self.name, curve.note)
        made.curve = asdict(curve)
        fitted: Model = made
        fitted.val_prediction = self.held_out.prediction
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

    def _train(
        self, model: Any, maker: LessonMaker, epochs: int, deadline: float | None, progress: Progress
    ) -> Curve:
        network, size = model.network, self.config.batch_size
        looked = self._looked()
        steps = epochs * len(maker.lessons.orders(0, self.seed, size))
        stepper = RankingStepper(network, self.config, self.device, self.seed, steps, Ranks())
        stepper.loss = self.loss
        curve, pace, best = Curve(metric=self.metric.name), Pace(), copy.deepcopy(network.state_dict())
        self.held_out = self._holding(looked)

        def words(loss: float) -> str:
            return curve.words(loss, pace.rows_per_s, stepper.busy.share)

        def tell(share: float, loss: float, rows: int) -> None:
            pace.count(rows)
            progress.update(len(curve.loss) + min(share, 0.99), epochs, words(loss))

        while len(curve.loss) < epochs and not curve.note:
            curve.loss.append(_epoch(stepper, maker, len(curve.loss), size, tell))
            if not math.isfinite(curve.loss[-1]):
                curve.note = f"the loss of epoch {len(curve.loss)} is not finite"
                curve.loss.pop()
                break
            with stepper.averaged():
                predicted = model.score_rows(asked(self.data, looked))
                weights = copy.deepcopy(network.state_dict())
            curve.gain.append(looked.score(self.metric, predicted) or 0.0)
            self.held_out.look(predicted)
            if curve.is_best_so_far:
                curve.best, best = len(curve.gain) - 1, weights
            self.tracker.record(len(curve.loss), curve.last(pace.rows_per_s))
            progress.update(len(curve.loss), epochs, words(curve.loss[-1]))
            curve.note = self._ending(curve, deadline)
        network.load_state_dict(best)
        return curve

    def _holding(self, looked: RankingRows) -> HeldOut:
        """Hold lists out of the choice among epochs where these are all of val."""
        if len(looked) < len(self.data.val):
            return HeldOut(None, lambda predicted, rows: 0.0)
        folds = number_folds(looked.seeds)

        def score(predicted: Array, rows: Array | None) -> float:
            # Rows are candidates, and each list is held out whole.
            assert rows is not None
            lists = np.unique(folds[looked.seed[rows]])
            some = np.flatnonzero(np.isin(folds, lists))
            form = looked.form(self.metric, predicted)[some]
            return self.metric.score(looked.targets.take(some), form) or 0.0

        return HeldOut(folds[looked.seed], score)

    def _ending(self, curve: Curve, deadline: float | None) -> str:
        if len(curve.gain) - 1 - curve.best >= self.config.patience:
            return f"val did not get better for {self.config.patience} looks"
        return "the deadline came" if deadline is not None and time.monotonic() > deadline else ""

    def _looked(self) -> RankingRows:
        """Return the val seeds that epochs are compared on: all, or a sample of many."""
        num = len(self.data.val)
        if num <= _MOST_VAL_SEEDS:
            return self.data.val
        chosen = np.random.default_rng(self.seed).choice(num, _MOST_VAL_SEEDS, replace=False)
        return self.data.val.take(np.sort(chosen))


def _epoch(
    stepper: Stepper, maker: LessonMaker, epoch: int, size: int, tell: Callable[[float, float, int], None]
) -> float:
    """Make one pass over the train seeds; return the mean loss.

    ``tell`` learns after each step which share of the pass is made, the mean loss, and how many seeds it had.
    """
    total, num = 0.0, 0
    steps = len(maker.lessons.orders(epoch, maker.seed, size))
    done = epoch * steps
    stepper.busy.start()
    for number, batch in enumerate(maker.batches(epoch, size)):
        whole: list[Any] = [batch]
        loss = float(stepper.step(whole, len(batch.seeds), done + number))
        stepper.busy.read()
        if not math.isfinite(loss):
            return math.nan
        total, num = total + loss, num + len(batch.seeds)
        tell((number + 1) / steps, total / num, len(batch.seeds))
    return total / max(1, num)


class RankingStepper(Stepper):
    """Makes steps that teach an order of items."""

    loss: Any

    def _loss(self, batch: Any) -> torch.Tensor:
        moved = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            scores, shared = self._scores(moved)
        found: torch.Tensor = self.loss(scores.float(), None if shared is None else shared.float(), moved)
        return found

    def _scores(self, batch: RankingBatch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Score pairs, and every seed with the negatives that all share."""
        network: Any = self.network
        users = network.users(batch.users)
        if batch.pool is None:
            return network.score(users, batch.own, None), None
        items, num = network.items(batch.pool.items), len(batch.pool.log_chance)
        scores = network.score(users, batch.own, items[batch.own.column.clamp(min=0)])
        return scores, users.vectors @ items[:num].T


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
