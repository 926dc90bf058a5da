"""From the state of the seeds to predictions, and the loss that teaches them; one head per kind of task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from weft.core import Task, TaskType, UserError
from weft.learn.encoders.column import Array
from weft.learn.networks.allowed import LOSSES, NUMBERS, STRAIGHT, TARGETS
from weft.learn.networks.layers import Dropout
from weft.learn.networks.scale import Scale
from weft.learn.targets import MULTILABEL, Targets

_LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
_FOCUS = 2.0
_BEND = 0.2


@dataclass(frozen=True)
class Goal:
    """What is learned, as plain data.

    Attributes:
        task: Kind of task.
        num_classes: Classes or items; 0 for a number or yes or no.
        loss: One of `weft.learn.networks.allowed.LOSSES` of the task.
        scale: What numbers are learned on.
        positive_weight: How much more a yes counts than a no.
        class_weights: How much a row of each class counts; empty where all count alike.
        shares: Share of the rows of each class that an epoch reads, no before yes; empty where all are.
    """

    task: TaskType
    num_classes: int
    loss: str
    scale: Scale = field(default_factory=Scale)
    positive_weight: float = 1.0
    class_weights: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def excess(self) -> Array:
        """By how much raw outputs are too high: what counts more or is read more is thought likelier."""
        if self.task is TaskType.MULTICLASS:
            ones = (1.0,) * self.num_classes
            times = np.asarray(self.class_weights or ones) * np.asarray(self.shares or ones)
        else:
            no, yes = self.shares or (1.0, 1.0)
            times = np.full(1, self.positive_weight * yes / no)
        return np.asarray(np.log(times))

    @property
    def width(self) -> int:
        """Outputs of the head."""
        if self.num_classes:
            return self.num_classes
        return len(_LEVELS) if self.loss == "quantiles" else 1

    def encode(self, values: Array) -> Array:
        """Turn labels into what the loss takes."""
        if self.task is TaskType.MULTICLASS:
            return values.astype(np.int64)
        if self.task in NUMBERS:
            values = self.scale.encode(values)
        return values.astype(np.float32)


def usual_loss(task: Task, metric: str) -> str:
    """Return the loss that fits task and metric where the user says none."""
    return "mse" if metric in ("rmse", "r2") else LOSSES[task.type][0]


def choose_goal(task: Task, targets: Targets, num_classes: int, metric: str, config: dict[str, Any]) -> Goal:
    """Choose the loss that fits task and metric, and learn the scale of the labels.

    Args:
        task: The task.
        targets: Labels of the train rows.
        num_classes: Classes or items.
        metric: What candidates are chosen by.
        config: ``loss``, ``positive_weight`` (``"balanced"``, or a number for yes or no) and ``target``, one
            of `weft.learn.networks.allowed.TARGETS`, where the user says so.

    Raises:
        UserError: ``LEARN043`` for a loss or a scale that the task cannot have.
    """
    losses = LOSSES[task.type]
    loss = str(config.get("loss", usual_loss(task, metric)))
    if loss not in losses:
        raise UserError(
            "LEARN043",
            f"a {task.type.value} task has no loss '{loss}'.",
            f"choose among {', '.join(losses)}.",
        )
    target = _checked_target(str(config.get("target", STRAIGHT[0])), task.type, loss)
    if task.type in NUMBERS:
        return Goal(task.type, 0, loss, Scale.fit(target, targets.values, is_mean=loss == "mse"))
    weight = config.get("positive_weight", 1.0)
    if task.type is TaskType.MULTICLASS:
        weights = _balanced(targets.values, num_classes) if weight == "balanced" else ()
        return Goal(task.type, num_classes, loss, class_weights=weights)
    if weight == "balanced":
        share = float(np.clip((targets.values > 0).mean(), 1e-3, 1 - 1e-3))
        weight = (1 - share) / share
    return Goal(task.type, num_classes, loss, positive_weight=float(weight))


def _checked_target(target: str, task: TaskType, loss: str) -> str:
    """Refuse a scale that there is not, that the task has no number for, or that a mean does not survive."""
    if target not in TARGETS:
        reason, hint = f"there is no scale '{target}' for a target", f"choose among {', '.join(TARGETS)}."
    elif target != STRAIGHT[0] and task not in NUMBERS:
        reason, hint = f"target is {target}, and a {task.value} task predicts no number", "leave target out."
    elif target not in STRAIGHT and loss == "mse":
        reason = f"target is {target}, and the loss mse asks for a mean, which does not go back from there"
        hint = f"choose {' or '.join(STRAIGHT)} for target, or another loss: mae, huber, quantiles."
    else:
        return target
    raise UserError("LEARN043", f"{reason}.", hint)


class Head(nn.Module):
    """Two layers from the state of the seeds and their features, beside a weighted sum of the features.

    The sum alone is a linear model, which few rows teach well (wide and deep; Cheng et al., 2016). It begins
    at nothing.

    Args:
        goal: What is learned.
        channels: Width of the state.
        num_terms: Features of the seeds.
        dropout: Share left out while training.
    """

    def __init__(self, goal: Goal, *, channels: int, num_terms: int, dropout: float) -> None:
        super().__init__()
        self.goal = goal
        self.terms = (
            nn.Sequential(nn.Linear(num_terms, channels), nn.LayerNorm(channels), nn.ReLU())
            if num_terms
            else None
        )
        self.direct = nn.Linear(num_terms, goal.width) if num_terms else None
        if self.direct is not None:
            nn.init.zeros_(self.direct.weight)
            nn.init.zeros_(self.direct.bias)
        width = channels * (2 if num_terms else 1)
        self.out = nn.Sequential(
            nn.Linear(width, channels), nn.ReLU(), Dropout(dropout), nn.Linear(channels, goal.width)
        )

    def forward(self, state: torch.Tensor, seed_terms: torch.Tensor) -> torch.Tensor:
        """Compute raw outputs, ``(num_seeds, width)``."""
        if self.terms is None or self.direct is None:
            out: torch.Tensor = self.out(state)
            return out
        out = self.out(torch.cat([state, self.terms(seed_terms)], dim=1))
        return out + self.direct(seed_terms)


def loss_of(goal: Goal, raw: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of raw outputs."""
    if goal.task in NUMBERS:
        return _loss_of_numbers(goal.loss, raw, targets)
    if goal.task is TaskType.MULTICLASS:
        known = targets >= 0
        weights = raw.new_tensor(goal.class_weights) if goal.class_weights else None
        losses = functional.cross_entropy(raw[known], targets[known], weights, reduction="none")
        if goal.loss == "focal":
            chance = torch.softmax(raw[known], dim=1).gather(1, targets[known][:, None])[:, 0]
            losses = losses * (1 - chance) ** _FOCUS
        return losses.sum() / max(1, int(known.sum()))
    if goal.task in MULTILABEL and goal.loss != "cross_entropy" and goal.loss != "focal":
        return _loss_of_ranking(goal.loss, raw, targets)
    raw = raw if goal.task in MULTILABEL else raw[:, 0]
    weight = raw.new_tensor(goal.positive_weight)
    losses = functional.binary_cross_entropy_with_logits(raw, targets, pos_weight=weight, reduction="none")
    if goal.loss == "focal":
        chance = torch.sigmoid(raw)
        losses = losses * (targets * (1 - chance) + (1 - targets) * chance) ** _FOCUS
    return losses.mean()


def predict_of(goal: Goal, raw: Array) -> Array:
    """Turn raw outputs into predictions, shaped as `weft.learn.rung` lists them; float64."""
    raw = raw.astype(np.float64)
    if goal.task in NUMBERS:
        middle = _LEVELS.index(0.5) if goal.loss == "quantiles" else 0
        return np.asarray(goal.scale.decode(torch.from_numpy(raw[:, middle])).numpy())
    if goal.task is TaskType.MULTICLASS:
        raw = raw - goal.excess
        shifted = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
    chance = 1 / (1 + np.exp(-np.clip(raw - goal.excess, -30, 30)))
    return chance if goal.task in MULTILABEL else np.asarray(chance[:, 0])


def divided_output(goal: Goal, raw: torch.Tensor, index: int | None) -> torch.Tensor:
    """Return what an explanation divides, ``(seeds,)``: the value, or the log-odds of one class.

    Args:
        goal: What was learned.
        raw: Raw outputs, ``(seeds, width)``.
        index: The class; the first when left out.
    """
    if goal.task in NUMBERS:
        middle = _LEVELS.index(0.5) if goal.loss == "quantiles" else 0
        return goal.scale.decode(raw[:, middle])
    chosen = index or 0
    raw = raw - raw.new_tensor(goal.excess)
    if goal.task is TaskType.MULTICLASS:
        others = torch.cat([raw[:, :chosen], raw[:, chosen + 1 :]], dim=1)
        return raw[:, chosen] - torch.logsumexp(others, dim=1)
    return raw[:, chosen]


def _balanced(classes: Array, num_classes: int) -> tuple[float, ...]:
    """Weigh classes so that all count alike together, and the mean row counts as one."""
    known = classes[classes >= 0].astype(np.int64)
    counts = np.maximum(1, np.bincount(known, minlength=num_classes))
    return tuple((len(known) / num_classes / counts).tolist())


def _loss_of_numbers(loss: str, raw: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if loss == "quantiles":
        levels = raw.new_tensor(_LEVELS)
        off = targets[:, None] - raw
        return torch.maximum(levels * off, (levels - 1) * off).mean()
    predicted = raw[:, 0]
    if loss == "mse":
        return functional.mse_loss(predicted, targets)
    if loss == "huber":
        return functional.huber_loss(predicted, targets, delta=_BEND) / _BEND
    return functional.l1_loss(predicted, targets)


def _loss_of_ranking(loss: str, raw: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Softmax over all items, or Bayesian personalized ranking (Rendle, 2009) against the worst false one."""
    if loss == "softmax":
        share = targets / targets.sum(dim=1, keepdim=True).clamp(min=1)
        return -(share * functional.log_softmax(raw, dim=1)).sum(dim=1).mean()
    seed, item = torch.nonzero(targets, as_tuple=True)
    # The false item of a pair is the one that is most in the way: hard, and the same in every run.
    worst = (raw - 1e9 * targets).max(dim=1).values
    return functional.softplus(worst[seed] - raw[seed, item]).sum() / max(1, len(seed))
