"""What the search over boosted trees tries, and how much of it fits a budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core import TaskType
from weft.learn.targets import MULTILABEL

# CPU seconds of one tree on a common core, from timing LightGBM 4.7 with 15 leaves; rounded up.
_S_PER_CELL = 6e-9
_S_PER_BIN = 3e-7
_S_PER_TREE = 1e-3
_TYPICAL_ROUNDS = 250
_SEARCH_SHARE = 0.6
_SEARCH_ROWS = 40_000
_MAX_TRIALS = 40
_MAX_BAG = 5
_KEPT_TRIALS = 3

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

    Attributes:
        num_trials: Configurations tried.
        search_rows: Train rows a trial is fitted on; all when not below their number.
        kept: How many of the best trials the final ensemble holds.
        bag: Boosters per kept trial, each with a seed of its own.
        max_rounds: Most trees of one output in one booster.
    """

    num_trials: int
    search_rows: int
    kept: int
    bag: int
    max_rounds: int


def plan_search(num_rows: int, num_features: int, num_outputs: int, budget_s: float) -> SearchPlan:
    """Turn a budget into a number of trials by the shape of the data alone.

    Example:
        >>> plan_search(10_000, 100, 1, 20.0).num_trials > plan_search(1_000_000, 100, 1, 20.0).num_trials
        True
    """
    search_rows = min(num_rows, max(_SEARCH_ROWS // num_outputs, 4_000))
    trial_s = _booster_s(search_rows, num_features, num_outputs)
    final_s = _booster_s(num_rows, num_features, num_outputs)
    trials = int(np.clip(_SEARCH_SHARE * budget_s / trial_s, 1, _MAX_TRIALS))
    boosters = int(np.clip((budget_s - trials * trial_s) / final_s, 1, _KEPT_TRIALS * _MAX_BAG))
    kept = min(_KEPT_TRIALS, trials, boosters)
    rounds = int(np.clip(1_500 / num_outputs**0.5, 50, 1_500))
    return SearchPlan(trials, search_rows, kept, max(1, boosters // kept), rounds)


def _booster_s(num_rows: int, num_features: int, num_outputs: int) -> float:
    read = min(num_features, 200)
    tree_s = _S_PER_CELL * num_rows * read * 0.4 + _S_PER_BIN * read * 15 + _S_PER_TREE
    return _TYPICAL_ROUNDS * num_outputs * tree_s


def propose(plan: SearchPlan, task_type: TaskType, metric: str, seed: int) -> list[dict[str, Any]]:
    """List the configurations to try: good ones first, then random ones."""
    rng = np.random.default_rng(seed)
    found = [dict(p) for p in _PORTFOLIO]
    while len(found) < plan.num_trials:
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
    return [
        {**p, "objective": _objective(task_type, metric, i)} for i, p in enumerate(found[: plan.num_trials])
    ]


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
    trial: dict[str, Any], num_rows: int, metric: str, seed: int, threads: int
) -> dict[str, Any]:
    """Add to a trial what LightGBM needs for the same bytes every time."""
    rest = {k: v for k, v in trial.items() if k != "top"}
    return {
        "learning_rate": 0.05,
        "bagging_fraction": 0.7,
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
