"""Proposals of the search: the same again, within the space, and better than chance."""

import numpy as np
import pytest

from weft.learn.search import Choices, Range, Trial, improves, propose

SPACE = {
    "rate": Range(1e-4, 1e-1, is_log=True),
    "dropout": Range(0.0, 1.0),
    "fanouts": Choices(([8], [16, 8], [32, 16])),
    "walk": Choices((True, False)),
}


def value(config):
    """Peaks at a rate of 0.003, no dropout, and the second fanouts."""
    near = -((np.log10(config["rate"]) + 2.5) ** 2) - config["dropout"]
    return near + (config["fanouts"] == [16, 8]) - (config["walk"] is False)


def run(seed, rounds=8):
    trials = []
    for number in range(rounds):
        trials += [Trial(c, value(c)) for c in propose(SPACE, trials, 4, seed * 100 + number)]
    return trials


def test_the_same_trials_and_seed_give_the_same_proposals():
    assert [t.config for t in run(1, 4)] == [t.config for t in run(1, 4)]
    assert [t.config for t in run(1, 2)] != [t.config for t in run(2, 2)]


def test_proposals_lie_in_the_space_and_differ():
    tried = [t.config for t in run(3, 5)]
    assert all(config[name] in SPACE[name] for config in tried for name in SPACE)
    assert len({str(c) for c in tried}) == len(tried)


def test_what_was_tried_leads_to_better_than_chance():
    late, early = [], []
    for seed in range(5):
        gains = [t.gain for t in run(seed)]
        early += gains[:8]
        late += gains[-8:]
    assert np.mean(late) > np.mean(early) + 0.5


def test_a_trial_outside_of_the_space_does_not_stop_the_search():
    odd = [Trial({"rate": 9.0, "fanouts": [99], "other": 1, "dropout": 0.2}, 1.0)] * 8
    assert len(propose(SPACE, odd, 2, 0)) == 2


@pytest.mark.parametrize(
    ("gains", "told"), [([1, 2], True), ([3, 1, 1, 1], False), ([1, 1, 2, 1], True), ([2, 2, 2, 2], False)]
)
def test_a_search_goes_on_while_its_last_trials_are_the_best(gains, told):
    assert improves(gains, 2 if len(gains) > 2 else 3) is told


def test_whole_numbers_are_proposed_whole():
    space = {"channels": Range(32, 128, is_log=True, step=4), "dropout": Range(0.0, 0.5)}
    tried = [Trial({"channels": 64, "dropout": 0.1}, 0.5)] * 8
    proposed = [c["channels"] for seed in range(8) for c in propose(space, tried, 4, seed)]
    assert all(type(c) is int and c % 4 == 0 and 32 <= c <= 128 for c in proposed)
    assert len(set(proposed)) > 4


def test_what_a_program_set_for_the_estimator_stays_as_it_was():
    import optuna

    before = optuna.logging.get_verbosity()
    try:
        optuna.logging.set_verbosity(optuna.logging.DEBUG)
        propose(SPACE, [], 1, 0)
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
    finally:
        optuna.logging.set_verbosity(before)
