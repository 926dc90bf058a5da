"""A tally as of today is found by what came after its row; values of the beginning are left alone."""

import numpy as np
import pytest
from audit_columns import days

from weft.core import Severity
from weft.data.audit import audit_tables

N, M = 1500, 30_000
LINKS = ("children.parent_id -> parents",)


def tables(stored, *, later=True):
    random = np.random.default_rng(0)
    begin = np.sort(random.random(N) * 300)
    owner = (N * random.random(M) ** 2).astype(int)
    at = begin[owner] + (random.random(M) * 300 + 1 if later else 0)
    number = np.bincount(owner, minlength=N)
    parents = {"id": np.arange(N), "created": days(begin), "stored": stored(number, random)}
    children = {"id": np.arange(M), "parent_id": owner, "at": days(at)}
    return {"parents": (parents, "id", "created"), "children": (children, "id", "at")}


def flagged(prepare, made):
    findings = audit_tables(prepare(made, LINKS))
    return {f.rule for f in findings if f.subject == "parents.stored" and f.severity is Severity.ALARM}


def tally(number, random):
    """Grows with what was done, on a scale of its own."""
    return (number * random.lognormal(0, 0.8, N)).astype(int) + 1


def test_a_tally_that_equals_nothing_is_found(prepare):
    assert flagged(prepare, tables(tally)) == {"follows_activity"}


def test_a_tally_that_is_mostly_zero_is_found(prepare):
    def rare(number, random):
        return np.where(
            random.random(N) < 0.02 * (number / number.mean()) ** 2, 1 + random.geometric(0.1, N) ** 2, 0
        )

    assert flagged(prepare, tables(rare)) == {"follows_activity"}


def test_what_is_mostly_zero_for_all_alike_is_left_alone(prepare):
    def rare(number, random):
        return np.where(random.random(N) < 0.03, 1 + random.geometric(0.1, N) ** 2, 0)

    assert flagged(prepare, tables(rare)) == set()


def test_a_counter_is_flagged_once(prepare):
    assert flagged(prepare, tables(lambda number, _: number)) == {"equals_aggregate"}


HONEST = {
    "amounts that start high": lambda n, r: (n * r.lognormal(0, 0.8, N)).astype(int) + 500,
    "evenly spread": lambda n, r: np.argsort(np.argsort(n)),
    "unrelated tally": lambda n, r: r.geometric(0.05, N),
    "few values": lambda n, r: np.minimum(n, 3),
}


@pytest.mark.parametrize("name", sorted(HONEST))
def test_what_is_no_tally_is_left_alone(prepare, name):
    assert "follows_activity" not in flagged(prepare, tables(HONEST[name]))


def test_a_tally_of_children_that_came_with_the_row_is_left_alone(prepare):
    assert "follows_activity" not in flagged(prepare, tables(tally, later=False))


def without_time(stored):
    made = tables(tally)
    parents = made["parents"][0]
    begin = np.sort(np.random.default_rng(0).random(N) * 300)
    return {**made, "parents": ({"id": parents["id"], "when": days(stored(begin))}, "id", None)}


@pytest.mark.parametrize(
    ("name", "stored", "expected"),
    [
        ("last access", lambda begin: begin + 400, {"later_than_use"}),
        ("birth", lambda begin: begin - 9000, set()),
        ("creation", lambda begin: begin, set()),
    ],
)
def test_a_date_after_the_first_use_of_a_row_without_time_is_found(prepare, name, stored, expected):
    findings = audit_tables(prepare(without_time(stored), LINKS))
    assert {
        f.rule for f in findings if f.subject == "parents.when" and f.severity is Severity.ALARM
    } == expected
