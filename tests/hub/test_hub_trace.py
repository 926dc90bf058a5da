"""Traces: both ways, by digest, version and beginning, drawn as a tree."""

import pytest

from weft.core import UserError
from weft.hub import Edge

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


@pytest.fixture
def chain(hub):
    """Predictions D of a model C, both on rows B, of a table A."""
    run = hub.start_run(plan_digest="f" * 64)
    steps = [
        (B, A, "rows"),
        (C, B, "fit"),
        (D, C, "predict"),
        (D, B, "predict"),
        (A, "shop/#orders", "table"),
    ]
    hub.add_edges([Edge(made, used, via, run.id) for made, used, via in steps])
    hub.register_model("churn", run=run.id, digest=C)
    return hub, run


def test_a_prediction_leads_back_to_its_model_its_run_and_its_table(chain):
    hub, run = chain
    found = hub.trace(D)
    assert found.ends == ("shop/#orders",)
    assert found.names[C] == ("model churn@1", "fit") and found.names[D] == ("predict",)
    assert found.runs == {run.id: {"name": run.name, "plan": "f" * 64}}
    assert found.text() == "\n".join(
        [
            "dddddddddddd  predict",
            "├─ bbbbbbbbbbbb  rows",
            "│  └─ aaaaaaaaaaaa  table",
            "│     └─ shop/#orders",
            "└─ cccccccccccc  model churn@1, fit",
            "   └─ bbbbbbbbbbbb  rows  (see above)",
            f"Runs: {run.name} (plan ffffffffffff)",
        ]
    )
    plain = found.plain()
    assert plain["direction"] == "sources" and plain["ends"] == ["shop/#orders"] and len(plain["steps"]) == 5


def test_a_table_leads_on_to_all_that_was_made_of_it(chain):
    hub, _ = chain
    found = hub.trace(A, "uses")
    assert found.ends == (D,) and found.text().splitlines()[0] == "aaaaaaaaaaaa  table"
    assert {e.made for e in found.steps} == {B, C, D}


@pytest.mark.parametrize("what", [C, C[:8], "churn", "model:churn", "model:churn@1", "churn@candidate"])
def test_a_thing_is_named_by_digest_beginning_or_version(chain, what):
    assert chain[0].trace(what).digest == C


@pytest.mark.parametrize("what", ["e" * 64, "nothing", "abc", ""])
def test_what_nobody_knows_is_refused(chain, what):
    with pytest.raises(UserError, match="HUB009"):
        chain[0].trace(what)


def test_a_version_that_is_not_there_is_refused_by_its_kind(chain):
    with pytest.raises(UserError, match="FLOW055"):
        chain[0].trace("model:other@1")


def test_a_beginning_that_several_share_is_refused(hub):
    hub.add_edges([Edge("abcdef" + "0" * 58, "abcdef" + "1" * 58, "x")])
    with pytest.raises(UserError, match=r"HUB004.*2 things"):
        hub.trace("abcdef")


def test_a_circle_is_drawn_once(hub):
    hub.add_edges([Edge(A, B, "x"), Edge(B, A, "y"), Edge(A, A, "z")])
    assert hub.trace(A).text().count("see above") == 2 and hub.trace(A).ends == ()


def test_a_long_chain_is_drawn(hub):
    names = [f"{i:064x}" for i in range(1200)]
    hub.add_edges([Edge(made, used, "step") for made, used in zip(names[1:], names[:-1], strict=True)])
    assert len(hub.trace(names[-1]).text().splitlines()) == 1200
