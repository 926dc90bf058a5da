"""Prepared tables read row by row: `Tables` as a `weft.core.TableReader`."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.core import FINGERPRINT_ROWS, ROW, TIME, Column, Dtype, Resources, Schema, Stype, Table, TableReader
from weft.data import Tables, prepare_tables

SCHEMA = Schema(
    (
        Table(
            "t",
            (
                Column("id", Dtype.INT, Stype.ID),
                Column("at", Dtype.TIMESTAMP, Stype.TIMESTAMP),
                Column("word", Dtype.STRING, Stype.CATEGORICAL),
                Column("a.b", Dtype.FLOAT, Stype.NUMERICAL),
                Column("a", Dtype.BOOL, Stype.CATEGORICAL),
                Column("vector", Dtype.VECTOR, Stype.EMBEDDING),
            ),
            ("id",),
            "at",
        ),
    )
)
RESOURCES = Resources(500_000_000, 2)


def snapshot(folder, n):
    folder.mkdir(exist_ok=True)
    table = pa.table(
        {
            "id": pa.array(np.arange(n)),
            "at": pa.array([dt.datetime(2020, 1, 1) + dt.timedelta(seconds=i) for i in range(n)]),
            "word": pa.array([["x", "y", None][i * i % 3] for i in range(n)]),
            "a.b": pa.array(np.arange(n) / 7),
            "a": pa.array(np.arange(n) % 5 < 2),
            "vector": pa.array([[1.0, float(i)] for i in range(n)]),
        }
    )
    pq.write_table(table, folder / "t.parquet")
    return {"t": folder / "t.parquet"}


@pytest.fixture
def opened(tmp_path):
    def open_(n=1000):
        info = prepare_tables(snapshot(tmp_path / str(n), n), SCHEMA, tmp_path / f"p{n}", resources=RESOURCES)
        return Tables(info.schema, info.paths(tmp_path / f"p{n}"), RESOURCES, tmp_path / "scratch")

    return open_


def test_tables_are_a_reader(opened):
    with opened() as tables:
        reader: TableReader = tables
        assert reader.num_rows("t") == 1000
        names = [TIME, "a", "vector", ROW]
        read = pa.Table.from_batches(reader.batches("t", names))
        assert read.column_names == names
        assert read[ROW].to_pylist() == list(range(1000))
        assert read.schema.field(TIME).type == pa.timestamp("us")
        assert read["vector"][3].as_py() == [1.0, 3.0]


@pytest.mark.parametrize("start", [0, 1, 1023, 122_879, 122_880, 122_881, 150_000, 200_000])
def test_reading_starts_at_any_row(opened, start):
    with opened(150_000) as tables:
        rows = [n for b in tables.batches("t", [ROW], start=start) for n in b.column(0).to_pylist()]
        assert rows == list(range(start, 150_000))


def test_row_groups_before_the_start_are_not_read(opened, monkeypatch):
    seen = []
    inner = pq.ParquetFile.iter_batches

    def watched(self, batch_size, row_groups, *rest, **options):
        seen.extend(row_groups)
        return inner(self, batch_size, row_groups, *rest, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    with opened(150_000) as tables:
        assert sum(len(b) for b in tables.batches("t", ["id"], start=130_000)) == 20_000
    assert seen == [1]


def test_digests_are_stored_when_tables_are_prepared_and_are_those_of_the_rows(opened, tmp_path):
    with opened(150_000) as tables:
        stored = tables.fingerprints("t")
        assert len(stored) == -(-150_000 // FINGERPRINT_ROWS)
        bare = tmp_path / "bare.parquet"
        pq.write_table(pq.read_table(tables.paths["t"]), bare, row_group_size=999)
        tables.paths["t"] = bare
        assert tables.fingerprints("t") == stored


def test_digests_tell_what_was_appended(opened):
    with opened(100_000) as before, opened(150_000) as after:
        old, new = before.fingerprints("t"), after.fingerprints("t")
        assert old[:1] == new[:1]
        assert old[1] != new[1]


def test_storage_follows_the_dtype_of_the_schema(tmp_path):
    schema = Schema((Table("t", (Column("n", Dtype.FLOAT, Stype.NUMERICAL),)),))
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"n": [1, 2], ROW: [0, 1], TIME: pa.nulls(2, pa.timestamp("us"))}), path)
    with Tables(schema, {"t": path}, RESOURCES, tmp_path / "s") as tables:
        assert [b.schema.field("n").type for b in tables.batches("t", ["n"])] == [pa.float64()]
