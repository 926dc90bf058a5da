"""What is to be learned: the task, its history, its splits."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from weft.core.errors import UserError
from weft.core.time import Offset


class TaskType(enum.StrEnum):
    """The kinds of task that a query can state."""

    BINARY = "binary"
    REGRESSION = "regression"
    MULTICLASS = "multiclass"
    MULTILABEL = "multilabel"
    MULTILABEL_RANKING = "multilabel_ranking"
    LINK_PREDICTION = "link_prediction"
    FORECASTING = "forecasting"


class History(enum.StrEnum):
    """How much of the past a row of the training table may see.

    ``SEED_TIME``: every row sees all up to its own anchor. ``FROZEN``: val and test rows see
    up to their split's first anchor, train rows up to their own anchor.
    """

    SEED_TIME = "seed_time"
    FROZEN = "frozen"


class Split(enum.StrEnum):
    """The parts of a training table: fitted on, chosen on, scored on."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


METRICS = {
    TaskType.BINARY: "auroc",
    TaskType.REGRESSION: "mae",
    TaskType.MULTICLASS: "accuracy",
    TaskType.MULTILABEL: "map",
    TaskType.MULTILABEL_RANKING: "map@k",
    TaskType.LINK_PREDICTION: "map@k",
    TaskType.FORECASTING: "mae",
}


@dataclass(frozen=True)
class Task:
    """One machine-learning task, as a query states it.

    Attributes:
        type: The kind of task.
        entity_table: Table of what the prediction is about.
        entity_column: Its key, also the column name in every output.
        is_static: The target has no window.
        item_table: For link prediction, the table that items come from.
        item_column: Its key.
        top_k: ``k`` of ``RANK TOP k``.
        num_frames: ``n`` of ``FORECAST n TIMEFRAMES``.
        horizon: The largest end of the target's windows; one frame for forecasting.
    """

    type: TaskType
    entity_table: str
    entity_column: str
    is_static: bool = False
    item_table: str | None = None
    item_column: str | None = None
    top_k: int | None = None
    num_frames: int | None = None
    horizon: Offset | None = None

    @property
    def metric(self) -> str:
        """Name of the metric by which candidates are chosen, ``k`` filled in."""
        return METRICS[self.type].replace("@k", f"@{self.top_k}")


@dataclass(frozen=True)
class SplitOptions:
    """How anchors are laid out and divided; times are microseconds UTC.

    With ``val_start_us`` and ``test_start_us`` the splits are *given*: test anchors are
    ``test_start + k * step`` and so on (see ``docs/concepts/splits.md``). Without them the newest
    ``test_fraction`` of the anchors is test and the ``val_fraction`` before it val.
    ``split_column`` names a column of the entity's table whose values are the split names.
    """

    step: Offset | None = None
    val_start_us: int | None = None
    test_start_us: int | None = None
    num_eval_anchors: int = 1
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    start_us: int | None = None
    end_us: int | None = None
    split_column: str | None = None
    max_anchors: int | None = None

    def __post_init__(self) -> None:
        given = (self.val_start_us is None, self.test_start_us is None)
        if given[0] != given[1]:
            raise UserError(
                "DATA010",
                "of val_start and test_start only one is given.",
                "give both, or neither to split by fractions.",
            )
        if not given[0] and self.val_start_us >= self.test_start_us:  # type: ignore[operator]
            raise UserError(
                "DATA011",
                "val_start is not before test_start.",
                "give a val_start earlier than test_start.",
            )
        if self.num_eval_anchors < 1:
            raise UserError(
                "DATA012",
                f"eval_anchors is {self.num_eval_anchors}.",
                "give a number of at least 1.",
            )
        if not (self.val_fraction > 0 and 0 < self.test_fraction < 1 - self.val_fraction):
            raise UserError(
                "DATA013",
                f"val_fraction {self.val_fraction} and test_fraction {self.test_fraction} "
                "leave nothing to train on.",
                "give two positive fractions whose sum is below 1.",
            )
