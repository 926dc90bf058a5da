"""Predictions go to files and databases: all of them or none."""

import datetime as dt
import sqlite3
import subprocess
import sys

import duckdb
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest

from weft.core import UnavailableError, UserError
from weft.data.export import export_frame
from weft.data.sources import connect

TABLE = pa.table(
    {
        "user": pa.array([1, 2, None], pa.int64()),
        "at": pa.array([dt.datetime(2020, 1, 1), None, dt.datetime(2020, 1, 2, 3, 4, 5)], pa.timestamp("us")),
        "score": [0.25, None, 1.0],
        'odd "name"': ["a,b", 'say "hi"\n', ""],
        "is_late": [True, None, False],
    }
)
OTHER = pa.table({"user": [1], "score": [0.5]})
FILES = ["p.parquet", "p.csv", "p.tsv", "p.csv.gz", "p.duckdb", "p.sqlite"]


def rows_of(target, resources):
    text = str(target)
    if text.endswith((".duckdb", ".sqlite")) or text.startswith("postgresql"):
        source = connect(target, tables={"predictions": "predictions"})
    else:
        source = connect(target.parent)
    rows = [r for b in source.batches(source.names()[0], resources) for r in b.to_pylist()]
    source.close()
    return rows


def plain(rows):
    return [
        {k: v if not isinstance(v, dt.datetime) else v.isoformat(sep=" ") for k, v in r.items()} for r in rows
    ]


def check(target, expected, resources):
    if ".csv" in str(target) or ".tsv" in str(target):
        options = pv.ConvertOptions(
            column_types=expected.schema, strings_can_be_null=True, quoted_strings_can_be_null=False
        )
        delimiter = "\t" if ".tsv" in str(target) else ","
        parse = pv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        found = pv.read_csv(str(target), convert_options=options, parse_options=parse)
        assert found.to_pylist() == expected.to_pylist()
        return
    assert plain(rows_of(target, resources)) == plain(expected.to_pylist())


@pytest.fixture(params=FILES)
def target(request, tmp_path):
    return tmp_path / request.param


def test_what_is_written_is_read_back(target, resources):
    done = export_frame(TABLE, target)
    assert (done.rows_written, done.rows_total) == (3, 3)
    check(target, TABLE, resources)


def test_append_adds_and_replace_replaces(target, resources):
    export_frame(TABLE, target)
    assert export_frame(TABLE.slice(0, 1), target, mode="append").rows_total == 4
    check(target, pa.concat_tables([TABLE, TABLE.slice(0, 1)]), resources)
    assert export_frame(OTHER, target, mode="replace").rows_total == 1
    check(target, OTHER, resources)


def test_other_columns_are_not_appended_and_nothing_changes(target, resources):
    export_frame(TABLE, target)
    before = target.read_bytes()
    with pytest.raises(UserError, match=r"DATA042.*only there"):
        export_frame(OTHER, target, mode="append")
    if target.suffix != ".duckdb":
        assert target.read_bytes() == before
    check(target, TABLE, resources)
    assert sorted(p.name for p in target.parent.iterdir()) == [target.name]


@pytest.mark.parametrize("name", ["p.parquet", "p.duckdb", "p.sqlite"])
def test_other_types_are_not_appended(name, tmp_path):
    export_frame(OTHER, tmp_path / name)
    wrong = pa.table({"user": ["x"], "score": [0.5]})
    with pytest.raises(UserError, match=r"DATA042.*user is .* there and .* here"):
        export_frame(wrong, tmp_path / name)


def test_postgres_is_written_appended_and_replaced(postgres, database, resources):
    assert export_frame(TABLE, postgres).rows_total == 3
    assert export_frame(TABLE, postgres).rows_total == 6
    assert plain(rows_of(postgres, resources)) == plain(TABLE.to_pylist() * 2)
    with pytest.raises(UserError, match=r"DATA042"):
        export_frame(OTHER, postgres)
    assert export_frame(OTHER, postgres, mode="replace").rows_total == 1
    database.execute("CREATE VIEW v AS SELECT * FROM predictions")
    assert export_frame(OTHER, postgres, mode="replace").rows_total == 1
    with pytest.raises(UserError, match=r"DATA028.*depend"):
        export_frame(TABLE, postgres, mode="replace")
    assert rows_of(postgres, resources) == OTHER.to_pylist()
    database.execute("CREATE SCHEMA out")
    assert export_frame(OTHER, postgres, table_name="out.p").rows_total == 1


def test_lists_are_written_as_lists_or_json(tmp_path):
    ranked = pa.table({"user": [1], "items": [["a", "b"]]})
    for name in FILES:
        export_frame(ranked, tmp_path / name)
    assert pq.read_table(tmp_path / "p.parquet").to_pylist() == ranked.to_pylist()
    assert pv.read_csv(tmp_path / "p.csv")["items"].to_pylist() == ['["a", "b"]']
    with sqlite3.connect(tmp_path / "p.sqlite") as connection:
        assert connection.execute("SELECT items FROM predictions").fetchall() == [('["a", "b"]',)]
    connection.close()


def test_a_url_of_any_file_system_is_written():
    import fsspec

    url = "memory://out/p.parquet"
    assert export_frame(OTHER, url).rows_total == 1
    assert export_frame(OTHER, url).rows_total == 2
    with fsspec.open(url) as file:
        assert pq.read_table(file).num_rows == 2


def test_the_same_rows_are_the_same_bytes(tmp_path):
    for name in ("a.csv.gz", "b.csv.gz", "a.parquet", "b.parquet"):
        export_frame(TABLE, tmp_path / name)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_unknown_targets_and_modes_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"DATA041.*x\.docx"):
        export_frame(TABLE, tmp_path / "x.docx")
    with pytest.raises(UserError, match=r"DATA041.*'merge'"):
        export_frame(TABLE, tmp_path / "x.csv", mode="merge")


def test_a_missing_folder_and_a_broken_file_are_refused(tmp_path):
    for name in FILES:
        with pytest.raises(UserError, match=r"DATA044"):
            export_frame(TABLE, tmp_path / "missing" / name)
        (tmp_path / name).write_bytes(b"neither this nor that " * 40)
    for name in ("p.parquet", "p.duckdb", "p.sqlite"):
        with pytest.raises(UserError, match=r"DATA04[24]"):
            export_frame(TABLE, tmp_path / name)
        assert (tmp_path / name).read_bytes() == b"neither this nor that " * 40


def test_a_server_that_refuses_or_is_away_is_named(postgres):
    with pytest.raises(UserError, match=r"DATA028"):
        export_frame(TABLE, postgres.replace("/postgres?", "/nowhere?"))
    with pytest.raises(UnavailableError, match=r"DATA029"):
        export_frame(TABLE, "postgresql://ann:hunter2@127.0.0.1:1/x")


def test_a_locked_database_is_unavailable(tmp_path):
    path = tmp_path / "p.sqlite"
    export_frame(TABLE, path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(UnavailableError, match=r"DATA031"):
            export_frame(TABLE, path)
    finally:
        holder.close()


FULL_DISK = """
import resource, sys
import pyarrow as pa
from weft.core import UnavailableError
from weft.data.export import export_frame

# No file of this process may grow further: as on a disk without space.
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
big = pa.table({"user": list(range(200_000)), "score": [i * 0.7 for i in range(200_000)]})
try:
    export_frame(big, sys.argv[1], mode=sys.argv[2])
except UnavailableError as error:
    print(error.code)
"""


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_full_disk_leaves_the_old_content(mode, target, resources):
    export_frame(OTHER, target)
    command = [sys.executable, "-c", FULL_DISK, str(target), mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "DATA043", done.stderr
    check(target, OTHER, resources)
    if target.suffix not in (".duckdb", ".sqlite"):
        assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_a_new_database_that_could_not_be_written_is_not_left_behind(tmp_path):
    for name in ("p.duckdb", "p.sqlite"):
        with pytest.raises(UserError, match=r"DATA044"):
            export_frame(OTHER, tmp_path / name, table_name="sqlite_\0" if "sqlite" in name else "")
    assert list(tmp_path.iterdir()) == []


def test_a_file_called_db_is_what_it_is_or_sqlite(tmp_path, resources):
    path = tmp_path / "p.db"
    export_frame(OTHER, path)
    assert connect(path).kind == "sqlite"
    with duckdb.connect(str(tmp_path / "q.db")) as engine:
        engine.execute("CREATE TABLE mine AS SELECT 42 AS x").fetchall()
    export_frame(OTHER, tmp_path / "q.db")
    assert connect(tmp_path / "q.db").names() == ("mine", "predictions")


def test_duckdb_files_keep_their_other_tables(tmp_path):
    path = tmp_path / "p.duckdb"
    with duckdb.connect(str(path)) as engine:
        engine.execute("CREATE TABLE mine AS SELECT 42 AS x").fetchall()
    export_frame(TABLE, path, mode="replace")
    assert connect(path).names() == ("mine", "predictions")
