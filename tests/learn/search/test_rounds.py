"""How a budget becomes rounds: all of it, and no more, whatever it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.learn.search import Kind, Round, plan_rounds


@given(st.floats(0.1, 10**6))
def test_the_rounds_take_the_budget_and_no_more(budget_s):
    rounds = plan_rounds(budget_s)
    assert sum(r.trials * r.budget_s for r in rounds) == pytest.approx(budget_s)
    assert all(r.trials >= 1 for r in rounds) and rounds[0].kind is Kind.PORTFOLIO


def test_a_small_budget_is_one_trial():
    assert plan_rounds(40.0) == (Round(Kind.PORTFOLIO, 1, 40.0),)


def test_a_large_budget_searches_and_trains_the_best_longer():
    rounds = plan_rounds(7_200.0)
    assert [r.kind for r in rounds][:2] == [Kind.PORTFOLIO, Kind.SEARCH]
    assert rounds[-1].kind is Kind.LONGER
    assert rounds[-1].budget_s >= 2.5 * rounds[0].budget_s


def test_a_number_of_trials_is_kept_to():
    rounds = plan_rounds(5.0, trials=10)
    assert sum(r.trials for r in rounds) == 10
    assert {r.budget_s for r in rounds} == {0.0}
