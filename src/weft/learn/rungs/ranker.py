"""Boosted trees over candidates: learns the order of the items of each seed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core import Progress, Resources, Task, TaskType
from weft.learn.data import Outline
from weft.learn.folds import number_folds
from weft.learn.matrices import take
from weft.learn.metrics import Metric, get_metric
from weft.learn.ranking import RankingData, RankingRows
from weft.learn.rung import Budget, Config, Header, Model, not_applicable
from weft.learn.rungs.boosting_model import BoostedModel, Member

_PORTFOLIO: tuple[dict[str, Any], ...] = (
    {"objective": "lambdarank", "num_leaves": 15, "min_data_in_leaf": 200},
    {"objective": "binary", "num_leaves": 15, "min_data_in_leaf": 200},
    {"objective": "rank_xendcg", "num_leaves": 15, "min_data_in_leaf": 200},
    {"objective": "lambdarank", "num_leaves": 31, "min_data_in_leaf": 100, "feature_fraction": 0.5},
    {"objective": "binary", "num_leaves": 7, "min_data_in_leaf": 200, "feature_fraction": 0.5},
    {"objective": "rank_xendcg", "num_leaves": 31, "min_data_in_leaf": 400, "feature_fraction": 0.5},
)
_WAVE = 3
_MAX_TRIALS = 18
# Between two looks at val, and how many trees may pass without a better one.
_STEP = 10
_PATIENCE = 40
_MAX_TREES = 300
# CPU seconds per candidate row and feature of one tree, LightGBM 4.7 on 190 k rows of 32 features.
_S_PER_CELL = 8e-9
_ROWS_PER_S = 5_000
# Boosters that are worse on val than this share of the best one are left out.
_LEAST_SHARE = 0.9
_MOST_ROWS = 400_000
_LEAST_ROWS = 40_000
_MOST_VAL_ROWS = 300_000
_SPREAD_ROWS = 20_000
# LightGBM refuses lists of 10,000.
_MOST_PER_SEED = 4_000
_BINS: dict[str, Any] = {
    "max_bin": 255,
    "max_cat_to_onehot": 8,
    "cat_smooth": 20.0,
    "feature_pre_filter": False,
    "data_random_seed": 1,
    # One thread each: boosters are grown side by side.
    "num_threads": 1,
    "verbosity": -1,
}


class RankerModel(BoostedModel):
    """A weighted sum of boosters; only the order within a seed has a meaning."""

    rung = "ranker"


@dataclass(frozen=True)
class _Trial:
    """One booster at its best number of trees.

    Attributes:
        text: The booster.
        value: Score on val, of the neighborhood in the number of trees.
        spread: Of its raw scores on val; boosters of different objectives are brought to one scale.
        num_trees: Trees that were grown, kept or not.
        held_out: Of each part of val that is held out, the score on the others at the number of trees that is
            best there.
        raw: Raw scores of the candidates of val, each part's at that number.
    """

    text: str
    value: float
    spread: float
    num_trees: int
    held_out: np.ndarray
    raw: np.ndarray


class RankerRung:
    """LambdaRank (Burges, 2010), XE-NDCG (Bruch, 2021) and pointwise trees, averaged as val tells."""

    name = "ranker"
    cost = 40
    appetite = 1.0
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
        """Grow boosters of several kinds and keep the mean of the best few.

        Config: ``budget_s``, CPU seconds to plan for; work is counted in trees, never by the clock.

        Raises:
            UserError: ``LEARN010`` when there is no feature, or no true candidate in val.
        """
        if not data.features:
            raise not_applicable(self.name, "the candidates have no features")
        if not data.val.is_true.any():
            raise not_applicable(self.name, "no candidate of val is true, so that nothing can be chosen")
        budget_s = float(config.get("budget_s", Budget().cpu_s))
        forest = _Forest(data, seed, int(np.clip(budget_s * _ROWS_PER_S, _LEAST_ROWS, _MOST_ROWS)))
        trials: list[_Trial] = []
        spent_s = 0.0
        with ThreadPoolExecutor(max(1, resources.threads)) as pool:
            for wave in _waves(seed):
                trials += pool.map(forest.grow, wave)
                spent_s = sum(t.num_trees for t in trials) * forest.tree_s
                best = max(t.value for t in trials)
                progress.update(min(spent_s, budget_s), budget_s, f"best {best:.4f}")
                if spent_s + _WAVE * spent_s / len(trials) > budget_s or _is_late(deadline):
                    break
        members = _average(trials, tuple(range(len(data.features))))
        model = RankerModel(Header(data.task, data.classes, data.encoder), members, np.zeros(1))
        model.val_prediction = forest.held_out(trials, model)
        return model


class _Forest:
    """What boosters are grown on: a sample of train for each, and val to choose by."""

    def __init__(self, data: RankingData, seed: int, most_rows: int) -> None:
        self.train, self.most_rows = data.train, most_rows
        self.metric = get_metric(data.outline.chosen_metric)
        # Seeds without a true candidate teach no order; each true candidate wants some false ones beside it.
        teaching = np.unique(data.train.seed[data.train.is_true])
        self.seeds = _thin(teaching, most_rows / 5 / data.train.is_true.sum(), seed)
        num_rows = min(most_rows, int(np.isin(data.train.seed, self.seeds).sum()))
        # On val they add the same to every booster's score.
        telling = np.unique(data.val.seed[data.val.is_true])
        self.all_val = data.val
        self.watched = _thin(telling, _MOST_VAL_ROWS / np.isin(data.val.seed, telling).sum(), seed)
        # Where val is so large that a sample does, the choice on it is hardly a matter of luck.
        is_whole = len(self.watched) == len(telling)
        self.val = data.val.take(self.watched)
        self.folds = number_folds(self.val.seeds) if is_whole else np.zeros(len(self.val), np.int64)
        self.tree_s = _S_PER_CELL * num_rows * len(data.features)
        self.categorical = list(data.encoder.categorical)
        # One set of bins for all, so that val is cut into bins once.
        self.bins = self._dataset(data.train, self._sample(seed), None)
        self.held = self._dataset(self.val, np.arange(len(self.val.matrix)), self.bins)

    def grow(self, trial: tuple[dict[str, Any], int]) -> _Trial:
        """Grow one booster until val stops getting better."""
        import lightgbm

        parameters = _parameters(*trial, self.metric)
        booster = lightgbm.Booster(parameters, self._dataset(self.train, self._sample(trial[1]), self.bins))
        booster.add_valid(self.held, "val")
        values: list[float] = []
        looks: list[np.ndarray] = []
        while len(values) * _STEP < _MAX_TREES and not _is_past_best(values):
            for _ in range(_STEP):
                booster.update()
            looks.append(self._look(booster))
            values.append(self.val.score(self.metric, looks[-1]) or 0.0)
        smooth = _smooth(values)
        best = int(np.argmax(smooth))
        text = booster.model_to_string(num_iteration=(best + 1) * _STEP)
        shown = np.ascontiguousarray(self.val.matrix[:_SPREAD_ROWS])
        scores = lightgbm.Booster(model_str=text).predict(shown, raw_score=True, num_threads=1)
        spread = max(float(np.std(scores)), 1e-9)
        return _Trial(text, float(smooth[best]), spread, len(values) * _STEP, *self._hold_out(looks))

    def held_out(self, trials: Sequence[_Trial], model: Model) -> np.ndarray | None:
        """Predict each part of val by what would have been chosen on the others.

        Returns:
            Scores of the candidates of val; ``None`` where val is large, or has no parts.
        """
        parts = np.unique(self.folds)
        if len(parts) < 2:
            return None
        out = model.score(self.all_val.matrix)
        of, places = self.folds[self.val.seed], np.flatnonzero(np.isin(self.all_val.seed, self.watched))
        for number, part in enumerate(parts):
            best = max(t.held_out[number] for t in trials)
            kept = [t for t in trials if t.held_out[number] >= _LEAST_SHARE * best]
            held = np.flatnonzero(of == part)
            out[places[held]] = np.mean([t.raw[held] / t.spread for t in kept], axis=0)
        return out

    def _hold_out(self, looks: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Choose the number of trees on all parts of val but one, for each of them."""
        raw, parts = looks[-1].copy(), np.unique(self.folds)
        found = np.zeros(len(parts))
        forms = [self.val.form(self.metric, look) for look in looks]
        for number, part in enumerate(parts if len(parts) > 1 else ()):
            rest = np.flatnonzero(self.folds != part)
            targets = self.val.targets.take(rest)
            smooth = _smooth([self.metric.score(targets, form[rest]) or 0.0 for form in forms])
            found[number] = smooth.max()
            held = self.folds[self.val.seed] == part
            raw[held] = looks[int(np.argmax(smooth))][held]
        return found, raw

    def _look(self, booster: Any) -> np.ndarray:
        """Return the raw scores of val that the booster keeps: nothing is predicted anew."""
        found: list[np.ndarray] = []

        def score(predicted: np.ndarray, _: Any) -> tuple[str, float, bool]:
            found.append(np.array(predicted, np.float32))
            return "value", 0.0, True

        booster.eval_valid(score)
        return found[-1]

    def _sample(self, seed: int) -> np.ndarray:
        """Take the candidates of the teaching seeds, of the false ones no more than fit."""
        rows = self.train
        belongs = np.isin(rows.seed, self.seeds)
        is_true = belongs & rows.is_true
        num_true, num = int(is_true.sum()), int(belongs.sum())
        share = (self.most_rows - num_true) / max(1, num - num_true)
        lengths = np.bincount(rows.seed)[rows.seed]
        drawn = np.random.default_rng(seed).random(len(belongs)) < np.minimum(share, _MOST_PER_SEED / lengths)
        return np.flatnonzero(is_true | (belongs & drawn))

    def _dataset(self, rows: RankingRows, chosen: np.ndarray, reference: Any) -> Any:
        import lightgbm

        return lightgbm.Dataset(
            take(rows.matrix, chosen),
            rows.is_true[chosen].astype(np.float64),
            group=np.unique(rows.seed[chosen], return_counts=True)[1],
            reference=reference,
            categorical_feature=self.categorical,
            params=_BINS,
        ).construct()


def _waves(seed: int) -> Iterator[list[tuple[dict[str, Any], int]]]:
    """List configurations and their seeds, a wave at a time; of fixed size whatever the threads."""
    for start in range(0, _MAX_TRIALS, _WAVE):
        places = range(start, start + _WAVE)
        yield [(_PORTFOLIO[p % len(_PORTFOLIO)], seed * 1_000 + p + 1) for p in places]


def _parameters(trial: dict[str, Any], seed: int, metric: Metric) -> dict[str, Any]:
    return {
        "learning_rate": 0.05,
        "lambda_l2": 5.0,
        "lambdarank_truncation_level": (metric.k or 10) + 8,
        "metric": "None",
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        **_BINS,
        **trial,
    }


def _is_past_best(values: Sequence[float]) -> bool:
    return len(values) - int(np.argmax(values or [0.0])) > _PATIENCE // _STEP


def _smooth(values: Sequence[float]) -> np.ndarray:
    """Average neighbors: the best of many noisy looks is often luck."""
    padded = np.pad(np.asarray(values), 1, mode="edge")
    return np.convolve(padded, [0.25, 0.5, 0.25], "valid")


def _average(trials: Sequence[_Trial], columns: tuple[int, ...]) -> tuple[Member, ...]:
    """Average the boosters that are about as good as the best: to pick among them would follow noise."""
    best = max(t.value for t in trials)
    kept = [t for t in trials if t.value >= _LEAST_SHARE * best]
    return tuple(Member(t.text, columns, None, 1 / (t.spread * len(kept))) for t in kept)


def _thin(seeds: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Keep a random share of the seeds, one at least."""
    if share >= 1:
        return seeds
    chosen = np.random.default_rng(seed).random(len(seeds)) < share
    return seeds[chosen] if chosen.any() else seeds[:1]


def _is_late(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline
