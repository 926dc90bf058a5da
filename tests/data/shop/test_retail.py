"""The large retailer, made small."""

import hashlib

import numpy as np
import pyarrow.parquet as pq
import pytest

from weft.core import UserError
from weft.data.shop import generate_retail
from weft.data.shop import retail as module


@pytest.fixture(scope="module")
def retail(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retail")
    info = generate_retail(folder, num_customers=5000, num_articles=800, num_transactions=60_000, seed=1)
    return info, {path.stem: pq.read_table(path) for path in folder.glob("*.parquet")}


def test_rows_are_as_many_as_asked_for(retail):
    info, tables = retail
    assert info.rows == {"customers": 5000, "articles": 800, "transactions": 60_000}
    assert {name: table.num_rows for name, table in tables.items()} == info.rows
    assert all(size > 0 for size in info.size_bytes.values())


def test_every_key_has_its_match_and_time_ascends(retail):
    _, tables = retail
    sales = tables["transactions"]
    assert set(sales["customer_id"].to_pylist()) <= set(tables["customers"]["customer_id"].to_pylist())
    assert set(sales["article_id"].to_pylist()) <= set(tables["articles"]["article_id"].to_pylist())
    times = sales["sold_at"].cast("int64").to_numpy()
    assert (np.diff(times) >= 0).all()
    assert (np.diff(sales["transaction_id"].to_numpy()) == 1).all()


def test_popularity_is_skewed(retail):
    _, tables = retail
    for column in ("customer_id", "article_id"):
        counts = np.sort(np.unique(tables["transactions"][column].to_numpy(), return_counts=True)[1])[::-1]
        assert counts[: len(counts) // 10].sum() > 0.25 * counts.sum()


def test_chunks_change_the_files_but_not_the_rows(tmp_path, monkeypatch, retail):
    monkeypatch.setattr(module, "CHUNK_ROWS", 7000)
    generate_retail(tmp_path, num_customers=5000, num_articles=800, num_transactions=60_000, seed=1)
    assert pq.ParquetFile(tmp_path / "transactions.parquet").num_row_groups > 5
    assert pq.read_table(tmp_path / "transactions.parquet").equals(retail[1]["transactions"])


def test_equal_seeds_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        generate_retail(tmp_path / name, num_customers=100, num_articles=100, num_transactions=2000)
    digests = [
        [hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((tmp_path / name).iterdir())]
        for name in "ab"
    ]
    assert digests[0] == digests[1]


def test_too_small_a_retailer_is_refused(tmp_path):
    with pytest.raises(UserError, match="DATA102"):
        generate_retail(tmp_path, num_transactions=10)
