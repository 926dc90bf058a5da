"""Encoders of whole tables, on a graph."""

import dataclasses

import numpy as np
import pytest

from weft.core import UserError, from_json, to_json
from weft.learn.encoders import EncoderOptions, TableEncoder, fit_table

from ..networks.planted import DAY, make_tables, open_graph


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return open_graph(make_tables()[0], tmp_path_factory.mktemp("shop"))


def fit(source, name, until_us=10**18, **rest):
    table = next(t for t in source.tables if t.name == name)
    return fit_table(source, table, until_us=until_us, options=EncoderOptions(), **rest)


def test_rows_are_encoded_alike_whether_the_table_is_kept_or_read(source, monkeypatch):
    encoder = fit(source, "orders")
    rows = np.array([5, 3, 5, 99], np.uint32)
    kept = encoder.bind(source)
    monkeypatch.setattr("weft.learn.encoders.table._KEPT_BYTES", 0)
    read = encoder.bind(source)
    assert kept._whole is not None and read._whole is None
    for part in ("dense", "codes", "instants"):
        assert np.array_equal(getattr(kept.encode(rows), part), getattr(read.encode(rows), part))
    encoded = read.encode(rows)
    assert encoded.dense.shape == (4, encoder.width)
    assert encoded.codes.shape == (4, len(encoder.sizes))
    assert encoded.instants.shape == (4, encoder.num_instants)
    assert encoded.num_bytes > 0


def test_an_encoder_survives_as_json(source):
    for name in ("users", "items", "orders"):
        encoder = fit(source, name)
        assert encoder.columns
        assert from_json(TableEncoder, to_json(encoder)) == encoder


def test_rows_after_the_train_period_teach_nothing(tmp_path):
    until = 150 * DAY
    usual, changed = (open_graph(make_tables(after=after)[0], tmp_path / str(after)) for after in (None, 151))
    assert fit(usual, "orders", until) == fit(changed, "orders", until)
    numbers = [c.encoder for c in fit(usual, "orders", until).columns if c.name == "amount"]
    later = [c.encoder for c in fit(usual, "orders", 20 * DAY).columns if c.name == "amount"]
    assert numbers != later


def test_excluded_columns_are_not_read(source):
    assert [c.name for c in fit(source, "items", excluded={"price"}).columns] == []


def test_a_graph_of_another_schema_is_refused_with_the_difference(source):
    encoder = fit(source, "items")
    (column,) = encoder.columns
    renamed, retyped = (dataclasses.replace(column, **said) for said in ({"name": "cost"}, {"dtype": "bool"}))
    for changed, how in (
        ({"table": "things"}, "no table 'things'"),
        ({"columns": (renamed,)}, "it lacks 'cost'"),
        ({"columns": (retyped,)}, "instead of bool"),
    ):
        with pytest.raises(UserError, match=how) as refused:
            dataclasses.replace(encoder, **changed).bind(source)
        assert refused.value.code == "LEARN041"
