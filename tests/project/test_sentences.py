"""A sentence model in a whole job: told beforehand, reads once, kept in the store, asked for when gone."""

import datetime as dt
import importlib.util

import numpy as np
import pyarrow as pa
import pytest

import weft
from learn.encoders.sentence_models import StandIn, write_real, write_stand_in
from weft.compile.opening import lay_out
from weft.core import UserError
from weft.learn import load_model
from weft.learn.encoders import HashedText, SentenceText, sentence, sentence_model
from weft.project.ladder import plan_ladder
from weft.project.sentences import plan_sentences

QUERY = "PREDICT COUNT(orders.*, 0, 30, days) > 0 FOR EACH users.user_id"
GOOD = ("it works like a charm", "we are very happy with it", "what a joy to use every day")
BAD = ("it fell apart after a week", "I want my money back now", "support never answered my letter")
MODELS = ("constant", "sage")


def make_tables(num_users=80, newest=360):
    rng = np.random.default_rng(0)
    happy = rng.random(num_users) < 0.5

    def events(table, rows):
        rows.sort(key=lambda row: row[1])
        day = [dt.datetime(2024, 1, 1) + dt.timedelta(days=int(row[1])) for row in rows]
        ids = {f"{table}_id": list(range(len(rows))), "user_id": [row[0] for row in rows]}
        return ids | {"at": pa.array(day, pa.timestamp("us"))}

    said = [(u, rng.integers(0, newest)) for u in range(num_users) for _ in range(3)]
    bought = [(u, rng.integers(0, newest)) for u in range(num_users) for _ in range(12 if happy[u] else 2)]
    reviews, orders = events("review", said), events("order", bought)
    words = [
        (GOOD if happy[u] else BAD)[i % 3] + f" and {i % 40} more" for i, u in enumerate(reviews["user_id"])
    ]
    cities = pa.array(rng.choice(["a", "b"], num_users))
    return {
        "users": pa.table({"user_id": np.arange(num_users), "city": cities}),
        "reviews": pa.table(reviews | {"words": words}),
        "orders": pa.table(orders),
    }


@pytest.fixture(params=["stand-in", "real"])
def place(request, tmp_path, monkeypatch):
    """A project that names a sentence model; what reads texts where that is a stand-in."""
    monkeypatch.setattr(sentence, "_vectors", {})
    monkeypatch.setattr(sentence_model, "_held", {})
    monkeypatch.setattr(sentence_model, "_packages", lambda: ())
    if request.param == "real":
        if importlib.util.find_spec("sentence_transformers") is None:
            pytest.skip("needs the extra text")
        write_real(tmp_path / "tiny")
    else:
        monkeypatch.setattr(sentence, "_load", lambda folder: StandIn())
        monkeypatch.setattr(sentence_model, "has_sentence_transformers", lambda: True)
        write_stand_in(tmp_path / "tiny")
    say(tmp_path)
    return tmp_path


def say(place, *lines):
    search = ["  epochs: 1", "  channels: 8", "  fanouts: [4, 4]", *lines]
    (place / "weft.yaml").write_text("\n".join(["sentence_model: tiny", "search:", *search]))


def ask(place, tables=None):
    return weft.Graph.from_data(tables or make_tables(), project=place).query(QUERY)


def stages(run):
    return {s["name"]: (s["state"], s["rows"]) for s in run.record.results["stages"]}


def encoder_of(run, folder, model="sage"):
    found = load_model(lay_out(run.output(f"candidate[{model}]"), folder) / "model").inputs.tables
    return next(c.encoder for t in found for c in t.columns if c.name == "words")


def test_texts_are_told_read_once_and_predicted_with(place, tmp_path, monkeypatch):
    query = ask(place)
    told = query.explain(models=MODELS)
    assert told.encoders["reviews.words"] == "sentence" and "by sentence reviews.words" in str(told)
    assert "Texts: tiny reads reviews.words once, in about" in str(told)
    run = query.fit(models=MODELS, budget="60s")
    num_texts = len(set(make_tables()["reviews"]["words"].to_pylist()))
    assert stages(run)["sentences"] == ("ran", num_texts)
    encoder = encoder_of(run, tmp_path / "out")
    assert isinstance(encoder, SentenceText) and encoder.model == "tiny"
    words = load_model(tmp_path / "out" / "model").words
    assert f"it needs the sentence model tiny ({encoder.digest[:12]}), which reads reviews.words" in words
    # Another fit finds what was read.
    assert stages(query.fit(models=MODELS, budget="90s"))["sentences"][0] != "ran"

    tables = make_tables()
    reviews = tables["reviews"].to_pylist()
    reviews[5]["words"] = "nobody has ever said this before"
    tables["reviews"] = pa.Table.from_pylist(reviews, schema=tables["reviews"].schema)
    read = []
    monkeypatch.setattr(
        sentence, "_encode", lambda encoder, texts: read.extend(texts) or np.ones((len(texts), 16))
    )
    assert run.predict(source=tables, entities=[1, 2]).num_rows == 2
    assert read == ["nobody has ever said this before"]


def test_a_model_that_is_gone_is_asked_for_but_the_project_keeps_it(place, tmp_path, monkeypatch):
    query = ask(place)
    run = query.fit(models=MODELS, budget="60s")
    lay_out(run.output("candidate[sage]"), tmp_path / "out")
    (place / "tiny").rename(place / "moved")
    monkeypatch.setattr(sentence_model, "_held", {})
    with pytest.raises(UserError, match=r"LEARN049: the sentence model 'tiny' \(\w{12}\) that") as told:
        load_model(tmp_path / "out" / "model")
    assert "install the package that carries it" in told.value.hint
    # The project has the files in its store.
    assert run.predict(entities=[1, 2]).num_rows == 2
    with pytest.raises(UserError, match="LEARN049: there is no sentence model 'tiny'"):
        query.fit(models=MODELS, budget="60s")


def test_what_the_project_says_of_texts_stands(place, tmp_path):
    say(place, "  encoders.text: hashed")
    told = ask(place).explain(models=MODELS)
    assert told.encoders["reviews.words"] == "text" and not told.sentences
    say(place, "  encoders.by_column: {reviews.words: hash, users.city: hash}")
    told = ask(place).explain(models=MODELS)
    assert told.encoders["reviews.words"] == told.encoders["users.city"] == "hash" and not told.sentences
    say(place, "  encoders.by_column: {users.city: sentence}")
    assert ask(place).explain(models=MODELS).encoders["users.city"] == "sentence"
    say(place)
    assert not ask(place).explain(models=("constant",)).sentences


def test_a_budget_that_reading_would_take_a_tenth_of_has_texts_hashed_and_says_so(place, tmp_path):
    run = ask(place).fit(models=MODELS, budget="8s")
    assert "sentences" not in stages(run) and isinstance(encoder_of(run, tmp_path / "out"), HashedText)
    query = ask(place)
    spec = query._spec({}, plan_ladder(query.task, MODELS, "8s", None))
    (note,) = plan_sentences(query.graph, spec).notes
    assert note.startswith("reviews.words is hashed: about ") and note.endswith("a tenth of the budget")
    say(place, "  encoders.text: sentence")
    run = ask(place).fit(models=MODELS, budget="8s")
    assert stages(run)["sentences"][0] == "ran"


def test_the_search_tries_texts_both_ways(place):
    say(place, "  network: sage")
    run = ask(place).fit(models=("constant", "network"), trials=6)
    proposed = [c for name in ("search[network:0]", "search[network:1]") for c in _proposed(run, name)]
    assert {c["encoders"]["text"] for c in proposed} == {"auto", "hashed"}


def _proposed(run, name):
    return run.output(name).value["configs"] if name in stages(run) else []
