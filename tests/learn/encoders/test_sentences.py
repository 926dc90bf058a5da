"""Texts that a sentence model reads: which model, which columns, each text once, nothing from the network."""

import dataclasses
import importlib.util
import json
import socket

import numpy as np
import pyarrow as pa
import pytest

from weft.core import Stype, UserError, from_json, to_json
from weft.learn.encoders import (
    EncoderOptions,
    HashedText,
    RawColumn,
    SentenceModel,
    Sentences,
    SentenceText,
    choose_encoder,
    choose_kind,
    find_sentence_model,
    hold_model,
    hold_vectors,
    installed_model,
    locate_model,
    model_files,
    sentence,
    sentence_model,
    write_vectors,
)

from .sentence_models import DIMENSION, StandIn, write_real, write_stand_in

TEXTS = pa.array(["the box was broken", "lovely", None, "never again"])
needs_package = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None, reason="needs the extra text"
)


@pytest.fixture
def stand_in(monkeypatch):
    made = StandIn()
    monkeypatch.setattr(sentence, "_load", lambda folder: made)
    monkeypatch.setattr(sentence, "_vectors", {})
    monkeypatch.setattr(sentence_model, "_held", {})
    monkeypatch.setattr(sentence_model, "_packages", lambda: ())
    monkeypatch.setattr(sentence_model, "has_sentence_transformers", lambda: True)
    return made


@pytest.fixture
def model(stand_in, tmp_path):
    return find_sentence_model("m", write_stand_in(tmp_path / "models" / "m").parent)[0]


def bound(model, texts=TEXTS):
    return SentenceText(model.name, model.digest, model.dimension).bind(texts)


def test_a_folder_is_found_and_named_by_what_is_loaded_of_it(stand_in, tmp_path):
    folder = write_stand_in(tmp_path / "here" / "m")
    model, place = find_sentence_model("here/m", tmp_path)
    assert (model.name, model.dimension, place) == ("m", DIMENSION, folder)
    assert 0 < model.seconds(1000, 10) == pytest.approx(10 * model.seconds(100, 10))
    (folder / "README.md").write_text("words")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"other weights")
    (folder / "pytorch_model.bin").write_bytes(b"the same weights once more")
    assert find_sentence_model("here/m", tmp_path)[0] == model
    assert set(model_files(folder)) == {"modules.json", "config.json", "model.safetensors"}
    (folder / "model.safetensors").write_bytes(b"others")
    assert find_sentence_model("here/m", tmp_path)[0].digest != model.digest


def test_a_last_part_that_projects_says_how_many_numbers_there_are(stand_in, tmp_path):
    folder = write_stand_in(tmp_path / "m")
    parts = json.loads((folder / "modules.json").read_text())
    parts.append({"idx": 1, "name": "1", "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(parts))
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "config.json").write_text(json.dumps({"in_features": DIMENSION, "out_features": 5}))
    assert find_sentence_model("m", tmp_path)[0].dimension == 5


@pytest.mark.parametrize("said", ["nowhere", "some/where", "/no/folder", "a b"])
def test_a_model_that_does_not_lie_here_is_refused_and_not_fetched(stand_in, tmp_path, monkeypatch, said):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(UserError, match=f"LEARN049: there is no sentence model '{said}'"):
        find_sentence_model(said, tmp_path)


def test_a_folder_that_is_no_transformer_is_refused(stand_in, tmp_path):
    folder = write_stand_in(tmp_path / "m")
    (folder / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"LEARN049.*cannot be read"):
        find_sentence_model("m", tmp_path)


def test_without_the_package_a_model_that_is_named_asks_for_it_and_none_is_taken_by_itself(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(sentence_model, "has_sentence_transformers", lambda: False)
    assert installed_model() is None
    with pytest.raises(UserError, match=r"EXT001.*sentence-transformers") as told:
        find_sentence_model("m", tmp_path)
    assert "weft[text]" in told.value.hint


def test_a_model_that_is_installed_is_taken_by_itself_when_it_is_the_only_one(
    stand_in, tmp_path, monkeypatch
):
    first, second = write_stand_in(tmp_path / "a"), write_stand_in(tmp_path / "b", b"others")
    monkeypatch.setattr(sentence_model, "_packages", lambda: (("model-a", first),))
    found = installed_model()
    assert found is not None and (found[0].name, found[1]) == ("model-a", first)
    assert find_sentence_model("model-a", tmp_path / "elsewhere") == found
    monkeypatch.setattr(sentence_model, "_packages", lambda: (("model-a", first), ("model-b", second)))
    assert installed_model() is None
    assert find_sentence_model("model-b", tmp_path / "elsewhere")[1] == second


def test_only_the_model_of_the_same_files_will_do(stand_in, tmp_path, monkeypatch):
    folder = write_stand_in(tmp_path / "m")
    digest = find_sentence_model("m", tmp_path)[0].digest
    with pytest.raises(UserError, match=r"LEARN049: the sentence model 'm'.*does not lie on this machine"):
        locate_model("m", digest)
    other = write_stand_in(tmp_path / "other", b"others")
    monkeypatch.setattr(sentence_model, "_packages", lambda: (("m", other),))
    with pytest.raises(UserError, match=r"LEARN049.*another of that name"):
        locate_model("m", digest)
    hold_model(digest, folder)
    assert locate_model("m", digest) == folder


def test_each_text_is_a_direction_and_a_missing_one_says_so(model, tmp_path):
    hold_model(model.digest, tmp_path / "models" / "m")
    dense = bound(model).encode(np.array([0, 3, -1, 2, 0])).dense
    assert dense.shape == (5, DIMENSION + 2) and dense.dtype == np.float32
    assert np.allclose(np.linalg.norm(dense[:2, :-2], axis=1), np.sqrt(DIMENSION), rtol=1e-3)
    assert (dense[2] == dense[3]).all() and dense[2, -1] == 1 and not dense[2, :-1].any()
    assert (dense[0] == dense[4]).all() and dense[0, -1] == 0 and dense[0, -2] > dense[1, -2]
    assert bound(model, None).encode(np.array([-1])).dense[0, -1] == 1


def test_what_a_text_becomes_has_nothing_of_other_texts(model, tmp_path):
    hold_model(model.digest, tmp_path / "models" / "m")
    alone = bound(model, pa.array(["never again"])).encode(np.array([0])).dense
    assert np.array_equal(alone, bound(model).encode(np.array([3])).dense)


def test_texts_are_read_once_in_blocks_and_known_ones_not_at_all(model, stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(sentence, "_BLOCK", 2)
    told = []
    first = tmp_path / "first.npy"
    num = write_vectors(tmp_path, model, TEXTS, first, step=lambda done, total: told.append((done, total)))
    assert num == 3 and told == [(2, 3), (3, 3)] and stand_in.read == [t for t in TEXTS.to_pylist() if t]
    newer = pa.array(["parcel came late", "never again", None, "lovely"])
    known = (TEXTS, np.load(first))
    assert write_vectors(tmp_path, model, newer, tmp_path / "second.npy", known=known) == 1
    assert stand_in.read[3:] == ["parcel came late"]
    second = np.load(tmp_path / "second.npy")
    assert np.array_equal(second[1], np.load(first)[3]) and np.array_equal(second[3], np.load(first)[1])
    assert second.dtype == np.float16 and not second[2].any() and second[0].any()


def test_vectors_that_were_written_are_found_by_texts_and_model(model, stand_in, tmp_path):
    write_vectors(tmp_path, model, TEXTS, tmp_path / "v.npy")
    hold_vectors(TEXTS, model.digest, tmp_path / "v.npy")
    stand_in.read.clear()
    bound(model)
    assert stand_in.read == []
    # Other texts, and another model, are not those.
    with pytest.raises(UserError, match="LEARN049"):
        bound(model, TEXTS.slice(0, 2))
    with pytest.raises(UserError, match="LEARN049"):
        bound(dataclasses.replace(model, digest="0" * 64))


RAW = RawColumn(np.arange(4) % 3, pa.array(["the box was broken", "lovely", "never again"]))


@pytest.mark.parametrize(
    ("options", "columns", "kind"),
    [
        ({}, None, "text"),
        ({}, {"t.c"}, "sentence"),
        ({}, {"t.other"}, "text"),
        ({"text": "hashed"}, {"t.c"}, "text"),
        ({"text": "sentence"}, {"t.other"}, "sentence"),
        ({"by_column": {"t.c": "text"}}, {"t.c"}, "text"),
        ({"by_column": {"t.c": "sentence"}}, set(), "sentence"),
        ({"by_column": {"t.c": "index"}}, {"t.c"}, "index"),
    ],
)
def test_a_column_follows_what_is_at_hand_and_the_users_word(options, columns, kind):
    at_hand = columns and Sentences(SentenceModel("m", "d", 4, 1), frozenset(columns))
    at_hand = Sentences(SentenceModel("m", "d", 4, 1), frozenset()) if columns == set() else at_hand
    assert choose_kind("t.c", Stype.TEXT, RAW, EncoderOptions(**options), at_hand) == kind


def test_what_is_chosen_is_plain_data_that_needs_its_model():
    at_hand = Sentences(SentenceModel("m", "d", 4, 1), frozenset({"t.c"}))
    chosen = choose_encoder("t.c", Stype.TEXT, RAW, EncoderOptions(), sentences=at_hand)
    assert chosen == SentenceText("m", "d", 4) == from_json(SentenceText, to_json(chosen))
    assert isinstance(choose_encoder("t.c", Stype.TEXT, RAW, EncoderOptions()), HashedText)


def test_a_sentence_model_that_is_not_at_hand_and_a_way_that_there_is_not_are_refused():
    for options in ({"text": "sentence"}, {"by_column": {"t.c": "sentence"}}):
        with pytest.raises(UserError, match="LEARN049"):
            choose_kind("t.c", Stype.TEXT, RAW, EncoderOptions(**options))
    with pytest.raises(UserError, match="LEARN040: texts cannot be read by 'magic'"):
        EncoderOptions(text="magic")
    numbers = RawColumn(np.arange(4.0))
    with pytest.raises(UserError, match="LEARN040"):
        choose_kind("t.c", Stype.NUMERICAL, numbers, EncoderOptions(by_column={"t.c": "sentence"}))


@needs_package
def test_a_real_model_is_loaded_from_its_folder_alone(tmp_path, monkeypatch):
    folder = write_real(tmp_path / "tiny")
    model, place = find_sentence_model("tiny", tmp_path)
    assert (model.dimension, place) == (DIMENSION, folder)

    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert write_vectors(folder, model, TEXTS, tmp_path / "one.npy") == 3
    assert write_vectors(folder, model, TEXTS, tmp_path / "two.npy") == 3
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()
    vectors = np.load(tmp_path / "one.npy").astype(float)
    assert np.allclose(np.linalg.norm(vectors[[0, 1, 3]], axis=1), 1, atol=1e-2) and not vectors[2].any()


@needs_package
def test_an_installed_model_tells_what_texts_mean(tmp_path):
    found = installed_model()
    if found is None:
        pytest.skip("needs one sentence model that is installed as a package")
    texts = pa.array(["the parcel arrived broken", "my package came damaged", "the weather is lovely today"])
    write_vectors(found[1], found[0], texts, tmp_path / "v.npy")
    near = np.load(tmp_path / "v.npy").astype(float)
    assert near[0] @ near[1] > 0.5 > 0.3 > near[0] @ near[2]
