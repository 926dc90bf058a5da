"""The rung `network`: what a round proposes from the trials before it."""

import pytest

from weft.core import InvariantError, UnavailableError, UserError, to_json
from weft.learn import Budget, fit_candidate, read_candidate
from weft.learn.candidate import CANDIDATE_FILE, Candidate
from weft.learn.networks.model import NetworkModel
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


def fit_trial(data, folder, monkeypatch, error, rung="network"):
    def breaks(*_, **__):
        raise error

    monkeypatch.setattr(SageRung, "fit", breaks)
    config = {"variant": "1", "network": "sage"} if rung == "network" else {}
    return fit_candidate(data, rung, config, 0, folder, resources=RESOURCES)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("shapes differ\nat line 3"), "its fit broke: RuntimeError: shapes differ"),
        (KeyError("bogus"), "its fit broke: KeyError: 'bogus'"),
        (MemoryError(), "its fit broke: MemoryError"),
        (
            InvariantError("LEARN017", "it gives 3 predictions."),
            "its fit broke: LEARN017: it gives 3 predictions",
        ),
    ],
)
def test_a_trial_that_breaks_is_left_out_with_its_reason_and_told(
    data, tmp_path, monkeypatch, caplog, error, told
):
    candidate = fit_trial(data, tmp_path, monkeypatch, error)
    assert candidate.left_out == f"the rung 'network' was left out: {told}."
    assert candidate.model == "network:1" and read_candidate(tmp_path) == candidate
    assert [r.exc_info[1] for r in caplog.records if "a trial of 'network' broke" in r.message] == [error]


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        OSError(28, "no space left on device"),
        UnavailableError("FLOW012", "the store does not answer."),
        UserError("LEARN012", "there are no such train rows."),
    ],
)
def test_what_is_no_fault_of_a_trial_ends_the_run(data, tmp_path, monkeypatch, error):
    with pytest.raises(type(error)) as raised:
        fit_trial(data, tmp_path, monkeypatch, error)
    assert raised.value is error and not (tmp_path / "candidate.json").exists()


def test_a_rung_that_is_no_trial_of_a_search_ends_the_run_when_it_breaks(data, tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="shapes differ"):
        fit_trial(data, tmp_path, monkeypatch, RuntimeError("shapes differ"), rung="sage")


def test_what_a_trial_had_written_when_its_scoring_broke_is_taken_away(data, tmp_path, monkeypatch):
    def save_half(model, folder):
        folder.mkdir()
        (folder / "model.json").write_text("{}")
        raise ValueError("half")

    monkeypatch.setattr(NetworkModel, "save", save_half)
    config = {"variant": "1", "network": "sage", "epochs": 1, "channels": 4, "fanouts": [4]}
    candidate = fit_candidate(data, "network", config, 0, tmp_path, resources=RESOURCES)
    assert "its fit broke: ValueError: half" in candidate.left_out
    assert [p.name for p in tmp_path.iterdir()] == ["candidate.json"]
