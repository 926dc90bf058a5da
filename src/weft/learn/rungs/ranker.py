"""LightGBM over candidates: learns the order of the items of each seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.core import Progress, Resources, Task, TaskType
from weft.learn.data import Outline
from weft.learn.matrices import take
from weft.learn.metrics import get_metric
from weft.learn.ranking import RankingData, RankingRows
from weft.learn.rung import Budget, Config, Header, Model, not_applicable
from weft.learn.rungs.boosting_model import BoostedModel, Member
from weft.learn.rungs.boosting_search import BoostingData, Search
from weft.learn.rungs.boosting_space import plan_search

# Beyond this, more candidates of train cost more than they teach within the usual budget.
_MAX_ROWS = 400_000


class RankerModel(BoostedModel):
    """A weighted sum of ranking boosters; only the order within a seed has a meaning."""

    rung = "ranker"


class RankerRung:
    """LambdaRank (Burges, 2010) and pointwise boosters, chosen on val and averaged."""

    name = "ranker"
    cost = 40
    model = RankerModel

    def supports(self, task: Task) -> bool:
        """Do link prediction alone."""
        return task.type is TaskType.LINK_PREDICTION

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """There is one search."""
        return [{"budget_s": budget.cpu_s}]

    def fit(
        self,
        data: RankingData,
        config: Config,
        seed: int,
        *,
        resources: Resources,
        deadline: float | None,
        progress: Progress,
    ) -> Model:
        """Search on the seeds that have a true candidate; the others teach no order.

        Raises:
            UserError: ``LEARN010`` when there is no feature.
        """
        if not data.features:
            raise not_applicable(self.name, "the candidates have no features")
        rows, val_rows = _teaching_rows(data.train, seed), _teaching_rows(data.val, seed)
        metric = get_metric(data.outline.chosen_metric)
        boosting = BoostingData(
            matrix=take(data.train.matrix, rows),
            labels=data.train.is_true[rows].astype(np.float64),
            val_matrix=data.val.matrix,
            val_labels=data.val.is_true.astype(np.float64),
            stopping_rows=np.isin(np.arange(len(data.val.matrix)), val_rows),
            categorical=data.encoder.categorical,
            num_outputs=1,
            task_type=data.task.type,
            metric=metric.name,
            stopping="ndcg",
            value=lambda prediction: data.val.score(metric, prediction) or 0.0,
            groups=_lengths(data.train.seed[rows]),
            val_groups=_lengths(data.val.seed[val_rows]),
        )
        plan = plan_search(len(rows), float(config.get("budget_s", Budget().cpu_s)))
        search = Search(boosting, plan, seed=seed, resources=resources, deadline=deadline, progress=progress)
        members = tuple(_scaled(m, data.val.matrix) for m in search.ensemble())
        return RankerModel(Header(data.task, (), data.encoder), members, np.zeros(1))


def _teaching_rows(rows: RankingRows, seed: int) -> np.ndarray:
    """Return the rows of seeds with a true candidate; of large data those of a sample of the seeds."""
    teaching = np.unique(rows.seed[rows.is_true])
    kept = np.flatnonzero(np.isin(rows.seed, teaching))
    if len(kept) <= _MAX_ROWS:
        return kept
    num = max(1, len(teaching) * _MAX_ROWS // len(kept))
    chosen = np.random.default_rng(seed).choice(teaching, num, replace=False)
    return np.flatnonzero(np.isin(rows.seed, chosen))


def _lengths(seed: np.ndarray) -> np.ndarray:
    """Return how many consecutive rows each seed has."""
    return np.unique(seed, return_counts=True)[1]


def _scaled(member: Member, matrix: np.ndarray) -> Member:
    """Bring boosters of different objectives to one scale before they are added."""
    spread = float(np.std(member.predict(matrix, raw_score=True)))
    return Member(member.text, member.columns, None, member.weight / max(spread, 1e-9))
