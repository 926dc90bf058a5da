"""A configuration that is scored at several origins: what it is fitted on there, and what is compared."""

import dataclasses

import numpy as np
import pytest

from weft.core import Silent, UserError
from weft.learn import Candidate, get_metric, get_rung
from weft.learn.networks.curve import Curve
from weft.learn.rolling import at_origin, fit_rolling, passed_over, rolling_gain
from weft.learn.rung import not_applicable

from ..synthetic import DAY
from .planted import RESOURCES, make_data

CONFIG = {"network": "sage", "channels": 8, "fanouts": [4], "epochs": 2, "batch_size": 128}
ORIGINS = [
    [[100 * DAY, 120 * DAY, 140 * DAY], [160 * DAY]],
    [[100 * DAY, 120 * DAY], [140 * DAY]],
]


@pytest.fixture(scope="module")
def data(shop):
    return make_data(*shop)


def anchors(rows):
    return {t // DAY for t in rows.seeds["anchor_time"].cast("int64").to_pylist()}


def test_rows_are_divided_as_they_would_have_been_then(data):
    part = at_origin(data, *ORIGINS[1])
    assert anchors(part.train) == {100, 120} and anchors(part.val) == {140} and len(part.test) == 0
    assert len(part.val) + len(part.train) < len(data.train)
    chosen = np.flatnonzero(
        [t // DAY == 140 for t in data.train.seeds["anchor_time"].cast("int64").to_pylist()]
    )
    assert np.array_equal(part.val.targets.values, data.train.targets.values[chosen])


def test_a_trial_is_fitted_at_each_origin_on_rows_before_it_and_then_on_all(data, tmp_path):
    seen = []
    search = get_rung("network")
    limits = {"resources": RESOURCES, "deadline": None, "progress": Silent()}

    def fit_one(part, config, folder):
        seen.append((anchors(part.train), anchors(part.val), config, folder))
        return get_rung("sage").fit(part, config, 0, **limits, unfinished=folder)

    given = {**CONFIG, "budget_s": 300.0}
    model = fit_rolling(data, given, ORIGINS, fit_one, tmp_path)
    assert [s[0] for s in seen] == [anchors(data.train), {100, 120, 140}, {100, 120}]
    assert [s[1] for s in seen] == [anchors(data.val), {160}, {140}]
    assert all(max(train) < min(val) for train, val, _, _ in seen)
    assert [s[2]["budget_s"] for s in seen] == [100.0] * 3
    assert len({s[3] for s in seen}) == 3
    scores = model.curve["origins"]
    assert len(scores) == 3 and all(0 <= s <= 1 for s in scores)
    assert f"over 3 origins {np.mean(scores):.4g}" in model.words
    direct = search.fit(data, {**given, "origins": ORIGINS}, 0, **limits)
    assert direct.curve["origins"] == pytest.approx(scores)


def test_what_a_fit_goes_on_from_knows_too_much_for_an_earlier_origin(data):
    seen = []
    kept = get_rung("sage")
    limits = {"resources": RESOURCES, "deadline": None, "progress": Silent()}

    def real_then_refused(part, config, folder):
        seen.append(set(config))
        if len(seen) > 1:
            raise not_applicable("network", "too few rows")
        return kept.fit(part, CONFIG, 0, **limits)

    model = fit_rolling(data, {**CONFIG, "start": "a", "warm": "b"}, ORIGINS, real_then_refused, None)
    assert {"start", "warm"} <= seen[0] and not {"start", "warm"} & (seen[1] | seen[2])
    assert model.curve["origins"][1:] == [None, None]
    assert "at 2 of 3 origins it has no score" in model.words

    def broken(part, config, folder):
        raise UserError("LEARN043", "no such setting.", "choose another.")

    with pytest.raises(UserError, match="LEARN043"):
        fit_rolling(data, CONFIG, ORIGINS, broken, None)


def trial(number, val, origins=(), rung="network"):
    curve = Curve(origins=list(origins))
    return Candidate(f"{rung}:{number}", rung, 60, "", {}, 0, "auroc", val=val, curve=curve)


def test_the_mean_over_origins_decides_between_trials_of_a_search():
    metric = get_metric("auroc")
    lucky, steady = trial(1, 0.9, [0.9, 0.5, 0.5]), trial(2, 0.8, [0.8, 0.78, 0.79])
    undefined, other = trial(3, 0.95, [0.95, None, 0.9]), trial(1, 0.99, rung="sage")
    assert rolling_gain(metric, steady) == pytest.approx(0.79) and rolling_gain(metric, other) == 0.99
    assert rolling_gain(metric, undefined) is None and rolling_gain(metric, trial(1, None)) is None
    assert passed_over(metric, [lucky, steady, undefined, other]) == {0, 2}
    assert passed_over(metric, [lucky, dataclasses.replace(other)]) == set()
    error = get_metric("mae")
    assert passed_over(error, [lucky, steady]) == {1}
