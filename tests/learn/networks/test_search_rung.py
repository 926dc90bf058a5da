"""The rung `network`: what a round proposes from the trials before it."""

import pytest

from weft.core import UnavailableError, to_json
from weft.learn import Budget, fit_candidate
from weft.learn.candidate import CANDIDATE_FILE, Candidate
from weft.learn.rungs.network import SageRung
from weft.learn.rungs.search import NetworkSearch

from .planted import RESOURCES, make_data

RUNG = NetworkSearch()


@pytest.fixture(scope="module")
def data(shop):
    return make_data(*shop)


@pytest.fixture
def rounds(data):
    """A configuration of each round of a search of twenty trials."""
    found = {}
    for config in RUNG.variants(data.outline, Budget(trials=20)):
        found.setdefault(config["round"], config)
    return found


def trials(folder, vals):
    """Write finished trials; the folders come in the order of their names, as inputs of a node do."""
    for number, val in enumerate(vals, 1):
        name = f"network:{number}"
        config = {
            "variant": str(number),
            "network": "sage",
            "round": 0,
            "place": 0,
            "channels": 32,
            "budget_s": 1.0,
        }
        one = Candidate(name, "network", 60, "", config, 0, "auroc", val=val, val_fallback=-0.5)
        (folder / name).mkdir()
        (folder / name / CANDIDATE_FILE).write_text(to_json(one))
    return sorted(folder.iterdir())


def test_the_portfolio_comes_first_and_names_each_network(data, rounds):
    proposed = RUNG.propose(data, rounds[0], [], {}, 0)
    assert len(proposed) == 4
    assert {c["network"] for c in proposed} == {"sage", "relgnn", "graph_transformer"}
    assert all(
        c["without"] == ["orders.user_id -> users"]
        for c in RUNG.propose(data, rounds[0], [], {"link:orders.user_id": False}, 0)
    )


def test_later_rounds_propose_while_trials_get_better_in_the_order_they_were_made(data, rounds, tmp_path):
    better = [0.6] * 9 + [0.8] + [0.7] * 4
    assert len(RUNG.propose(data, rounds[3], trials(tmp_path, better), {}, 0)) == 4


def test_a_search_ends_when_a_dozen_trials_brought_nothing_better(data, rounds, tmp_path):
    assert RUNG.propose(data, rounds[3], trials(tmp_path, [0.8] + [0.7] * 13), {}, 0) == []


def test_the_best_are_trained_longer_from_their_weights(data, tmp_path):
    longer = RUNG.variants(data.outline, Budget(cpu_s=400.0))[-1]
    assert longer["kind"] == "longer"
    proposed = RUNG.propose(data, {**longer, "trials": 2}, trials(tmp_path, [0.6, 0.9, 0.7]), {}, 0)
    assert [c["start"] for c in proposed] == ["network:2", "network:3"]
    assert all("budget_s" not in c and c["channels"] == 32 for c in proposed)


def test_a_trial_that_the_memory_does_not_hold_is_left_out(data, tmp_path, monkeypatch):
    def starved(self, *given, **limits):
        raise UnavailableError("LEARN050", "half a batch is too much.", "take fewer channels.")

    monkeypatch.setattr(SageRung, "fit", starved)
    made = fit_candidate(
        data, "network", {"network": "sage", "budget_s": 1.0}, 0, tmp_path, resources=RESOURCES
    )
    assert "half a batch is too much" in made.left_out
