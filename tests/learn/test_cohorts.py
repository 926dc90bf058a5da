"""Importance, cohort by cohort."""

import numpy as np
import pyarrow as pa
import pytest

from weft.core import Resources, TaskType
from weft.learn import Predictor, fit_candidate, measure_cohorts
from weft.learn.cohorts import name_cohorts

from .synthetic import make_data

RESOURCES = Resources(memory_bytes=10**9, threads=2)


@pytest.mark.parametrize("kind", [TaskType.BINARY, TaskType.REGRESSION, TaskType.MULTICLASS])
def test_each_cohort_has_shares_that_add_up_and_amounts_of_its_own(kind, tmp_path):
    data = make_data(kind, n=900)
    fit_candidate(data, "linear", {}, 0, tmp_path, resources=RESOURCES)
    place = data.encoder.names.index("strong")
    high = np.asarray(data.val.matrix[:, place]) > np.nanmedian(data.val.matrix[:, place])
    values = pa.array(np.where(high, "high", "low"))
    told = measure_cohorts(Predictor.open(tmp_path), data, "users.half", values, seed=0)
    assert told.column == "users.half" and told.num_rows == len(data.val)
    assert sum(c.num_rows for c in told.cohorts) == told.num_rows
    cohorts = {c.value: c for c in told.cohorts}
    assert set(cohorts) == {"high", "low"}
    for cohort in told.cohorts:
        assert sum(s.value for s in cohort.features) == pytest.approx(1.0)
        assert cohort.features[0].name == "strong"
    if kind is TaskType.MULTICLASS:
        assert cohorts["high"].prediction is None and cohorts["high"].features[0].mean is None
        return
    means = {name: c.features[0].mean for name, c in cohorts.items()}
    higher = max(cohorts, key=lambda name: cohorts[name].prediction)
    assert max(means, key=means.get) == higher
    assert min(means.values()) < 0 < max(means.values())


def test_many_numbers_are_four_cohorts_and_many_words_a_few():
    names = name_cohorts(pa.array([*range(100), None]))
    assert sorted({names.count(n) for n in set(names) - {"missing"}}) == [25]
    assert names[0] == "below 24.75" and names[-2] == "74.25 or more" and names[-1] == "missing"
    words = [f"w{i % 20}" for i in range(200)] + ["w0"] * 5
    named = name_cohorts(pa.array(words))
    assert len(set(named)) == 8 and named[0] == "w0" and "others" in named
    days = pa.array(np.arange(40) * 86_400_000_000).cast(pa.timestamp("us"))
    assert name_cohorts(days)[0] == "below 1970-01-10"
    assert set(name_cohorts(pa.array([True, False, None]))) == {"true", "false", "missing"}
