"""One small shop in every kind of source gives one snapshot."""

import datetime as dt
import gzip
import sqlite3
from decimal import Decimal

import duckdb
import ibis
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from weft.core import Link
from weft.data.snapshot import read_snapshot, take_snapshot
from weft.data.sources import connect

USERS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "name": pa.array(["Ann", 'Bo "the, one"', None], pa.string()),
        "zip": pa.array(["01234", "00007", "99999"], pa.string()),
        "joined": pa.array([dt.datetime(2020, 1, 1), None, dt.datetime(2020, 3, 1)], pa.timestamp("us")),
    }
)
ORDERS = pa.table(
    {
        "order": pa.array([10, 11, 12, 13], pa.int64()),
        "user_id": pa.array([1, 1, None, 3], pa.int64()),
        "amount": pa.array([1.5, 2.25, -3e10, None], pa.float64()),
        "paid": pa.array([True, None, False, True], pa.bool_()),
        "at": pa.array(
            [dt.datetime(2021, 1, d, 10, 30, 15, 250_000) for d in (1, 2, 3, 4)], pa.timestamp("us")
        ),
    }
)
TABLES = {"users": USERS, "orders": ORDERS}


def as_pandas(tmp_path):
    frames = {n: t.to_pandas() for n, t in TABLES.items()}
    # A plain pandas column of integers has no nulls: it would hold fractions.
    frames["orders"]["user_id"] = frames["orders"]["user_id"].astype("Int64")
    return frames


def as_nullable_pandas(tmp_path):
    return {n: t.to_pandas(types_mapper=pd.ArrowDtype) for n, t in TABLES.items()}


def as_polars(tmp_path):
    return {n: pl.from_arrow(t) for n, t in TABLES.items()}


def as_lazy_polars(tmp_path):
    return {n: pl.from_arrow(t).lazy() for n, t in TABLES.items()}


def as_relations(tmp_path):
    engine = duckdb.connect()
    return {n: engine.from_arrow(t) for n, t in TABLES.items()}


def as_ibis(tmp_path):
    return {n: ibis.memtable(t) for n, t in TABLES.items()}


def as_parquet_folder(tmp_path):
    for name, table in TABLES.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    return tmp_path


def as_parts(tmp_path):
    for name, table in TABLES.items():
        (tmp_path / name).mkdir()
        for i in range(table.num_rows):
            pq.write_table(table.slice(i, 1), tmp_path / name / f"part-{i}.pq")
    return tmp_path


def as_text_folder(tmp_path):
    for name, table in TABLES.items():
        pv.write_csv(table, tmp_path / f"{name}.csv")
    return tmp_path


def as_compressed_text(tmp_path):
    pv.write_csv(USERS, tmp_path / "users.tsv", pv.WriteOptions(delimiter="\t"))
    plain = tmp_path / "users.tsv"
    (tmp_path / "users.tsv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    with pa.CompressedOutputStream(str(tmp_path / "orders.csv.zst"), "zstd") as sink:
        pv.write_csv(ORDERS, sink, pv.WriteOptions(delimiter=";"))
    return tmp_path


def as_duckdb_file(tmp_path):
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as engine:
        for name, table in TABLES.items():
            engine.register("rows", table)
            engine.execute(f'CREATE TABLE "{name}" AS SELECT * FROM rows').fetchall()
    return f"duckdb:///{tmp_path}/shop.duckdb"


def as_sqlite_file(tmp_path):
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE users (id INTEGER, name TEXT, zip TEXT, joined TIMESTAMP)")
        connection.execute(
            'CREATE TABLE orders ("order" INT, user_id INT, amount REAL, paid BOOLEAN, at DATETIME)'
        )
        for name, table in TABLES.items():
            rows = [
                [str(v) if isinstance(v, dt.datetime) else v for v in r.values()] for r in table.to_pylist()
            ]
            connection.executemany(f"INSERT INTO {name} VALUES ({','.join('?' * table.num_columns)})", rows)
    connection.close()
    return f"sqlite:///{tmp_path}/shop.db"


KINDS = [
    as_pandas,
    as_nullable_pandas,
    as_polars,
    as_lazy_polars,
    as_relations,
    as_ibis,
    as_parquet_folder,
    as_parts,
    as_text_folder,
    as_compressed_text,
    as_duckdb_file,
    as_sqlite_file,
]


def check(found):
    assert set(found) == set(TABLES)
    for name, table in TABLES.items():
        assert found[name].column_names == table.column_names
        assert found[name].schema.types == table.schema.types
        assert found[name].to_pylist() == table.to_pylist()


@pytest.mark.parametrize("make", KINDS, ids=lambda m: m.__name__)
def test_every_kind_of_source_gives_the_same_snapshot(make, tmp_path, snap):
    folder = tmp_path / "source"
    folder.mkdir()
    found, info = snap(make(folder))
    check(found)
    assert info.findings == ()


def test_postgres_gives_the_same_snapshot(postgres, database, snap):
    database.execute("CREATE TABLE users (id int, name text, zip varchar(5), joined timestamp)")
    database.execute(
        'CREATE TABLE orders ("order" int8, user_id int2, amount numeric, paid bool, at timestamptz)'
    )
    for name, table in TABLES.items():
        for row in table.to_pylist():
            values = [
                v.replace(tzinfo=dt.UTC) if isinstance(v, dt.datetime) and name == "orders" else v
                for v in row.values()
            ]
            database.execute(f"INSERT INTO {name} VALUES ({','.join(['%s'] * len(values))})", values)
    found, info = snap(postgres)
    check(found)
    assert info.findings == ()


def test_a_url_of_any_file_system_is_a_folder(snap):
    import fsspec

    memory = fsspec.filesystem("memory")
    for name, table in TABLES.items():
        with memory.open(f"/shop/{name}.parquet", "wb") as file:
            pq.write_table(table, file)
    found, _ = snap("memory://shop")
    check(found)


def test_partition_folders_become_columns(tmp_path, snap):
    table = ORDERS.append_column("year", pa.array([2020, 2020, 2021, None], pa.int64()))
    folder = tmp_path / "source"
    ds.write_dataset(
        table,
        folder / "orders",
        format="parquet",
        partitioning=ds.partitioning(pa.schema([("year", pa.int64())]), flavor="hive"),
    )
    found, _ = snap(folder)
    rows = sorted(found["orders"].to_pylist(), key=lambda r: r["order"])
    assert rows == table.to_pylist()


def test_decimals_become_fractions_or_integers(snap):
    table = pa.table(
        {
            "price": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
            "units": pa.array([Decimal(7), Decimal(8)], pa.decimal128(38, 0)),
        }
    )
    found, _ = snap({"t": table})
    assert found["t"].to_pylist() == [{"price": 1.5, "units": 7}, {"price": None, "units": 8}]


def test_fingerprints_follow_the_content(tmp_path, resources):
    as_text_folder(tmp_path)
    before = connect(tmp_path).fingerprints(resources)
    assert connect(tmp_path).fingerprints(resources) == before
    with (tmp_path / "orders.csv").open("a") as file:
        file.write('14,1,1.0,true,"2021-01-05 00:00:00"\n')
    after = connect(tmp_path).fingerprints(resources)
    assert after["users"] == before["users"] and after["orders"] != before["orders"]
    assert connect(tmp_path, delimiter=",").fingerprints(resources) != after


@pytest.mark.parametrize("make", [as_duckdb_file, as_sqlite_file, as_pandas], ids=lambda m: m.__name__)
def test_fingerprints_of_the_same_content_are_the_same(make, tmp_path, resources):
    source = make(tmp_path)
    assert connect(source).fingerprints(resources) == connect(source).fingerprints(resources)


def test_fingerprints_of_databases_follow_the_content(tmp_path, resources, postgres, database):
    url = as_duckdb_file(tmp_path)
    before = connect(url).fingerprints(resources)
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as engine:
        engine.execute("DELETE FROM users WHERE id = 3").fetchall()
    assert connect(url).fingerprints(resources) != before
    database.execute("CREATE TABLE a (x int); CREATE TABLE b (x int)")
    before = connect(postgres).fingerprints(resources)
    database.execute("INSERT INTO a VALUES (1)")
    after = connect(postgres).fingerprints(resources)
    assert after["a"] != before["a"] and after["b"] == before["b"]


def test_the_same_source_gives_the_same_bytes(tmp_path, resources):
    (tmp_path / "source").mkdir()
    source = as_text_folder(tmp_path / "source")
    infos = [take_snapshot(connect(source), tmp_path / d, resources=resources) for d in ("a", "b")]
    assert infos[0] == infos[1] == read_snapshot(tmp_path / "a")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_sqlite_declares_its_keys(tmp_path):
    path = tmp_path / "s.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE p (a INT, b TEXT, PRIMARY KEY (b, a));"
            "CREATE TABLE c (x TEXT, y INT, z INT REFERENCES q, FOREIGN KEY (x, y) REFERENCES p);"
            "CREATE TABLE q (k INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT * FROM q;"
        )
    connection.close()
    source = connect(path)
    assert source.names() == ("c", "p", "q", "v")
    assert source.declared.primary_keys == {"p": ("b", "a"), "q": ("k",)}
    assert source.declared.links == (
        Link("c", ("x", "y"), "p", ("b", "a")),
        Link("c", ("z",), "q", ("k",)),
    )


def test_duckdb_declares_its_keys(tmp_path):
    path = tmp_path / "s.duckdb"
    with duckdb.connect(str(path)) as engine:
        engine.execute("CREATE TABLE p (a INT, b TEXT, PRIMARY KEY (a, b))").fetchall()
        engine.execute("CREATE TABLE c (x INT, y TEXT, FOREIGN KEY (x, y) REFERENCES p (a, b))").fetchall()
        engine.execute("CREATE SCHEMA crm; CREATE TABLE crm.q (k INT PRIMARY KEY)").fetchall()
        engine.execute("CREATE VIEW v AS SELECT * FROM p").fetchall()
    source = connect(path)
    assert source.names() == ("c", "crm_q", "p", "v")
    assert source.declared.primary_keys == {"p": ("a", "b"), "crm_q": ("k",)}
    assert source.declared.links == (Link("c", ("x", "y"), "p", ("a", "b")),)


def test_postgres_declares_its_keys(postgres, database):
    database.execute(
        "CREATE SCHEMA crm; CREATE TABLE p (a int, b text, PRIMARY KEY (b, a));"
        "CREATE TABLE crm.c (x text, y int, z int, FOREIGN KEY (x, y) REFERENCES p (b, a));"
        "CREATE VIEW v AS SELECT a FROM p; CREATE MATERIALIZED VIEW m AS SELECT b FROM p;"
        "CREATE TABLE parted (d int, e int) PARTITION BY RANGE (d);"
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (9)"
    )
    source = connect(postgres)
    assert source.names() == ("crm_c", "m", "p", "parted", "v")
    assert source.declared.primary_keys == {"p": ("b", "a")}
    assert source.declared.links == (Link("crm_c", ("x", "y"), "p", ("b", "a")),)
    assert connect(postgres, schemas=("crm",)).names() == ("crm_c",)


def test_tables_are_chosen_and_renamed(tmp_path, snap):
    found, _ = snap(as_text_folder(tmp_path), tables={"people": "users"})
    assert list(found) == ["people"]
