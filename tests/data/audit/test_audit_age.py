"""A tally goes on counting, so the newest rows have little of it; other values do not fall off at the end."""

import numpy as np
import pyarrow as pa
import pytest
from audit_columns import days

from weft.core import Severity
from weft.data.audit import audit_tables

N = 20_000
DAYS = 1_500.0


def pages(stored):
    random = np.random.default_rng(0)
    created = np.sort(random.random(N) * DAYS)
    return {
        "pages": (
            {"id": np.arange(N), "created": days(created), "stored": stored(created, random)},
            "id",
            "created",
        )
    }


def flagged(prepare, stored):
    findings = audit_tables(prepare(pages(stored)))
    return {f.rule for f in findings if f.subject == "pages.stored" and f.severity is Severity.ALARM}


def views(created, random):
    """Some pages are read more than others, all of them for as long as they exist."""
    return random.poisson(random.lognormal(0, 1.2, N) * 0.2 * (DAYS - created))


def test_what_is_counted_while_a_row_exists_is_found(prepare):
    assert flagged(prepare, views) == {"grows_with_age"}


def test_a_tally_that_some_rows_lack_is_found(prepare):
    def questions_only(created, random):
        return pa.array(views(created, random), mask=random.random(N) < 0.6)

    assert flagged(prepare, questions_only) == {"grows_with_age"}


HONEST = {
    "prices that fell by half over the years": lambda c, r: (
        r.lognormal(3, 1.2, N) * 2 ** (-c / DAYS)
    ).astype(int),
    "sizes that are small or large": lambda c, r: r.geometric(0.02, N) ** 2,
    "a season": lambda c, r: (r.lognormal(2, 1.2, N) * (2 + np.cos(c / 365 * 2 * np.pi))).astype(int),
    "a step long ago": lambda c, r: (r.lognormal(2, 1.2, N) * np.where(c < DAYS / 2, 3, 1)).astype(int),
    "growing": lambda c, r: (r.lognormal(2, 1.2, N) * (1 + c / DAYS)).astype(int),
}


@pytest.mark.parametrize("name", sorted(HONEST))
def test_what_drifts_but_does_not_fall_off_is_left_alone(prepare, name):
    assert flagged(prepare, HONEST[name]) == set()
