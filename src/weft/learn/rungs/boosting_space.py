"""What the search over boosted trees tries, and how much of it fits a budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core import TaskType
from weft.learn.targets import MULTILABEL

# CPU seconds on one core, fitted to timings of LightGBM 4.7 from 2 k × 9 to 174 k × 150.
_S_PER_CELL = 3.5e-9
_S_PER_HISTOGRAM = 2.5e-6
_S_PER_TREE = 7e-4
# An objective whose leaf values are medians sorts its rows.
_S_PER_SORTED_ROW = 2.5e-7
_S_PER_WATCHED_ROW = 1.2e-7
# Drawing the rows of a tree, and adding its values to the scores of all rows.
_S_PER_ROW = 3e-8
_MAX_ROWS = 2_000_000
# Trees of one booster draw rows of their own: beyond this many a row more tells a single tree little; below
# the lesser number every row is needed.
_TREE_ROWS = 40_000
_LEAST_TREE_ROWS = 10_000
_TREE_SHARE = 0.7
_MAX_TRIALS = 40
_MAX_ROUNDS = 1_500
_MIN_ROUNDS = 40
_LEAST_CLASS_ROUNDS = 12
_LEAST_BAGGED_ROWS = 20
_MAX_KEPT = 8

_PORTFOLIO: tuple[dict[str, Any], ...] = (
    {"num_leaves": 15, "feature_fraction": 0.4, "min_data_in_leaf": 30, "lambda_l2": 5.0, "top": 0},
    {"num_leaves": 7, "feature_fraction": 0.3, "min_data_in_leaf": 20, "lambda_l2": 1.0, "top": 1},
    {"num_leaves": 31, "feature_fraction": 0.3, "min_data_in_leaf": 60, "lambda_l2": 10.0, "top": 0},
    {"num_leaves": 4, "feature_fraction": 0.3, "min_data_in_leaf": 20, "lambda_l2": 1.0, "top": 0},
    {"num_leaves": 15, "feature_fraction": 0.5, "min_data_in_leaf": 40, "lambda_l2": 5.0, "top": 2},
    {"num_leaves": 24, "feature_fraction": 0.4, "min_data_in_leaf": 20, "lambda_l2": 10.0, "top": 1,
     "extra_trees": True},
)  # fmt: skip
_TOP_SIZES = (0, 80, 30)


@dataclass(frozen=True)
class SearchPlan:
    """How much work a search does, fixed before it begins.

    Work is counted in trees grown, by what such a tree costs on a common core, never by the clock.

    Attributes:
        rows: Train rows that are read; all when not below their number.
        tree_share: Share of them that a tree draws.
        budget_s: Work after which no further trial begins.
        max_trials: Most configurations tried.
        max_kept: Most trials that the ensemble holds.
    """

    rows: int
    tree_share: float
    budget_s: float
    max_trials: int = _MAX_TRIALS
    max_kept: int = _MAX_KEPT

    def max_rounds(self, tree_s: float, num_outputs: int) -> int:
        """Return the most rounds of one booster, so that none eats more than a sixth of the work."""
        least = max(_MIN_ROUNDS // num_outputs, _LEAST_CLASS_ROUNDS)
        return int(np.clip(self.budget_s / 6 / (tree_s * num_outputs), least, _MAX_ROUNDS))

    def tree_seconds(self, trial: dict[str, Any], num_features: int, num_watched: int = 0) -> float:
        """Estimate the CPU seconds of one tree and of scoring ``num_watched`` val rows after it."""
        read = trial["feature_fraction"] * num_features
        depth = np.log2(trial["num_leaves"] + 1) / 4
        drawn = self.rows * self.tree_share
        work = _S_PER_CELL * drawn * read * depth + _S_PER_HISTOGRAM * read * trial["num_leaves"]
        is_sorted = trial["objective"] == "regression_l1"
        work += _S_PER_TREE + _S_PER_ROW * self.rows + _S_PER_WATCHED_ROW * num_watched
        return float(work + (_S_PER_SORTED_ROW * drawn if is_sorted else 0.0))


def plan_search(num_rows: int, budget_s: float, num_labels: int | None = None) -> SearchPlan:
    """Lay out a search within ``budget_s`` CPU seconds.

    Args:
        num_rows: Train rows.
        budget_s: Work.
        num_labels: Distinct labels among the rows, where rows show one label from several cutoffs: a tree
            then draws so few rows that it sees a label about once, where labels are many.

    Example:
        >>> plan_search(10_000, 20.0).tree_share
        0.7
        >>> plan_search(400_000, 20.0).tree_share
        0.1
    """
    rows = min(num_rows, _MAX_ROWS)
    drawn = max(_TREE_SHARE * (num_labels or num_rows), _LEAST_TREE_ROWS)
    drawn = min(drawn, _TREE_SHARE * num_rows, _TREE_ROWS)
    share = drawn / num_rows if num_rows >= _LEAST_BAGGED_ROWS else 1.0
    return SearchPlan(rows, min(1.0, share * num_rows / rows), budget_s)


def propose(num: int, task_type: TaskType, metric: str, seed: int) -> list[dict[str, Any]]:
    """List the configurations to try: good ones first, then random ones."""
    rng = np.random.default_rng(seed)
    found = [dict(p) for p in _PORTFOLIO]
    while len(found) < num:
        found.append(
            {
                "num_leaves": int(rng.choice([4, 6, 8, 12, 16, 24, 32, 48])),
                "feature_fraction": float(rng.choice([0.15, 0.25, 0.35, 0.5, 0.7])),
                "min_data_in_leaf": int(rng.choice([10, 20, 40, 80])),
                "lambda_l2": float(rng.choice([0.0, 1.0, 5.0, 20.0])),
                "learning_rate": float(rng.choice([0.03, 0.05, 0.08])),
                "top": int(rng.integers(len(_TOP_SIZES))),
                "extra_trees": bool(rng.random() < 0.3),
            }
        )
    objectives = [_objective(task_type, metric, place) for place in range(num)]
    return [{**p, "objective": o} for p, o in zip(found, objectives, strict=False)]


def _objective(task_type: TaskType, metric: str, place: int) -> str:
    if task_type is TaskType.MULTICLASS:
        return "multiclass"
    if task_type is TaskType.BINARY or task_type in MULTILABEL:
        return "binary"
    if metric in ("mae", "mape"):
        return "huber" if place % 4 == 3 else "regression_l1"
    return "regression"


def stopping_metric(task_type: TaskType, metric: str, has_both_classes: bool) -> str:
    """Name LightGBM's metric for early stopping that is nearest to the one asked for."""
    if task_type is TaskType.MULTICLASS:
        return "multi_logloss"
    if task_type is TaskType.BINARY:
        wanted = {"auroc": "auc", "average_precision": "average_precision"}.get(metric, "binary_logloss")
        return wanted if has_both_classes else "binary_logloss"
    if task_type in MULTILABEL:
        return "binary_logloss"
    return "l1" if metric in ("mae", "mape") else "l2"


def full_parameters(
    trial: dict[str, Any], num_rows: int, tree_share: float, metric: str, seed: int, threads: int
) -> dict[str, Any]:
    """Add to a trial what LightGBM needs for the same bytes every time."""
    rest = {k: v for k, v in trial.items() if k != "top"}
    return {
        "learning_rate": 0.05,
        "bagging_fraction": tree_share,
        "bagging_freq": 1,
        "max_cat_to_onehot": 8,
        "cat_smooth": 20.0,
        "cat_l2": 20.0,
        **rest,
        "min_data_in_leaf": max(1, min(rest["min_data_in_leaf"], num_rows // 20)),
        "metric": metric,
        "seed": seed,
        "num_threads": threads,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
        **dataset_parameters(threads),
    }


def dataset_parameters(threads: int) -> dict[str, Any]:
    """Return the parameters that decide how columns are cut into bins."""
    return {
        "max_bin": 255,
        "bin_construct_sample_cnt": 50_000,
        "feature_pre_filter": False,
        "min_data_per_group": 20,
        "verbosity": -1,
        "num_threads": threads,
        "data_random_seed": 1,
    }


def top_sizes(num_features: int) -> tuple[int, ...]:
    """List the numbers of features that trials may read; the first is all that are of any use."""
    return tuple(min(num_features, size) if size else num_features for size in _TOP_SIZES)
