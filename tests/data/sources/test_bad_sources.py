"""What is wrong with a source is said with a code, the place and what to do."""

import multiprocessing
import sqlite3
import subprocess
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.core import UnavailableError, UserError
from weft.data.sources import connect

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", "y", None]})


def test_nothing_there_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"DATA020.*no folder"):
        connect(tmp_path / "missing")
    with pytest.raises(UserError, match=r"DATA020.*int"):
        connect(42)
    for url in ("duckdb:///no.duckdb", "sqlite:///no.db"):
        with pytest.raises(UserError, match="DATA020"):
            connect(url)
    (tmp_path / "x.bin").write_bytes(b"abc")
    with pytest.raises(UserError, match=r"DATA020.*neither"):
        connect(tmp_path / "x.bin")


def test_an_unknown_scheme_is_refused():
    with pytest.raises(UserError, match=r"EXT002.*nosuch"):
        connect("nosuch://place")


def test_a_folder_without_tables_is_refused(tmp_path):
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / ".hidden.csv").write_text("a,b\n1,2\n")
    (tmp_path / "tasks").mkdir()
    pq.write_table(TABLE, tmp_path / "tasks" / "t.parquet")
    with pytest.raises(UserError, match="DATA021"):
        connect(tmp_path)
    with pytest.raises(UserError, match="DATA021"):
        connect({})


def test_truncated_parquet_is_refused_by_name(tmp_path, snap):
    pq.write_table(TABLE, tmp_path / "t.parquet")
    data = (tmp_path / "t.parquet").read_bytes()
    for size in (1, len(data) // 2, len(data) - 1):
        (tmp_path / "t.parquet").write_bytes(data[:size])
        with pytest.raises(UserError, match=r"DATA022.*t\.parquet"):
            snap(tmp_path)


def test_parquet_damaged_in_the_middle_is_refused_by_name(tmp_path, snap):
    table = pa.table({"a": [f"value {i}" for i in range(5000)]})
    pq.write_table(table, tmp_path / "t.parquet", compression="zstd", use_dictionary=False)
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    for i in range(100, 1000):
        data[i] ^= 0xFF
    (tmp_path / "t.parquet").write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"DATA022.*t\.parquet"):
        snap(tmp_path)


def test_zero_byte_files_are_named_and_left_out(tmp_path, snap):
    pq.write_table(TABLE, tmp_path / "t.parquet")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "gone.parquet").touch()
    tables, info = snap(tmp_path)
    assert set(tables) == {"t"}
    assert {(f.rule, f.table, f.severity) for f in info.findings} == {
        ("empty_file", "empty", "alarm"),
        ("empty_file", "gone", "alarm"),
    }


def test_two_files_for_one_table_are_refused(tmp_path):
    pq.write_table(TABLE, tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"DATA025.*both are the table 't'"):
        connect(tmp_path)


def test_names_that_differ_only_in_case_are_refused():
    with pytest.raises(UserError, match=r"DATA025.*'Users' and 'users'"):
        connect({"users": TABLE, "Users": TABLE})
    assert connect({"users": TABLE, "Users": TABLE}, tables={"u": "Users"}).names() == ("u",)


def test_files_of_different_tables_are_no_parts(tmp_path, snap):
    (tmp_path / "all").mkdir()
    pq.write_table(TABLE, tmp_path / "all" / "one.parquet")
    pq.write_table(pa.table({"c": [1], "d": [2]}), tmp_path / "all" / "two.parquet")
    with pytest.raises(UserError, match=r"DATA026.*one.parquet.*two.parquet"):
        snap(tmp_path)


def test_tables_that_are_not_there_are_refused():
    with pytest.raises(UserError, match=r"DATA036.*'nope'"):
        connect({"t": TABLE}, tables={"t": "nope"})


def test_what_is_no_frame_is_refused():
    with pytest.raises(UserError, match=r"DATA032.*list"):
        connect({"t": [1, 2, 3]})


def test_tables_without_columns_are_refused(snap):
    with pytest.raises(UserError, match="DATA027"):
        snap({"t": pa.table({})})
    with pytest.raises(UserError, match="DATA027"):
        snap({"t": pa.table({"photo": [b"abc"]})})


def test_text_that_is_not_utf8_is_refused_by_column(snap):
    broken = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff"))
    with pytest.raises(UserError, match=r"DATA047.*t\.name"):
        snap({"t": pa.table({"name": broken})})


def test_files_that_are_no_databases_are_refused(tmp_path):
    (tmp_path / "x.sqlite").write_bytes(b"not a database, not at all, really not one" * 50)
    (tmp_path / "x.duckdb").write_bytes(b"not a database, not at all, really not one" * 500)
    for name in ("x.sqlite", "x.duckdb"):
        with pytest.raises(UserError, match=f"DATA030.*{name}"):
            connect(tmp_path / name)


def _hold(path, ready, done):
    with duckdb.connect(path) as engine:
        engine.execute("CREATE TABLE t AS SELECT 1 AS a").fetchall()
        ready.set()
        done.wait(60)


def test_a_duckdb_file_in_use_says_so(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    path = str(tmp_path / "x.duckdb")
    holder = context.Process(target=_hold, args=(path, ready, done))
    holder.start()
    try:
        assert ready.wait(60)
        with pytest.raises(UnavailableError, match="DATA031"):
            connect(path)
    finally:
        done.set()
        holder.join()


def test_a_locked_sqlite_file_says_so(tmp_path, snap):
    path = tmp_path / "x.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE t (a)")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(UnavailableError, match="DATA031"):
            connect(path)
    finally:
        holder.close()


@pytest.mark.parametrize(
    "address",
    [
        "ann:{password}@127.0.0.1:1/shop",
        "ann:{password}@no-such-host.invalid/shop",
        "127.0.0.1:1/shop?user=ann&password={password}",
    ],
)
@pytest.mark.parametrize("password", ["hunter2", "p%40ss:w%2Ford"])
def test_a_server_that_does_not_answer_is_unavailable_and_no_password_shown(address, password):
    with pytest.raises(UnavailableError, match="DATA029") as caught:
        connect("postgresql://" + address.format(password=password))
    assert password not in str(caught.value) and "ss:w" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_malformed_url_shows_no_password():
    for url in ("postgresql://ann:hunter2@[::1/x", "postgresql://ann:hunter2@h:port/x"):
        with pytest.raises((UserError, UnavailableError), match=r"DATA02[89]") as caught:
            connect(url)
        assert "hunter2" not in str(caught.value)


def message_of(url):
    with pytest.raises(UserError) as caught:
        connect(url)
    return str(caught.value) + repr(caught.value)


def test_a_wrong_password_is_refused_and_not_shown(guarded_url):
    message = message_of(guarded_url)
    assert "DATA028" in message and "password is wrong" in message and "hunter2" not in message


def test_an_unknown_database_is_refused(postgres):
    with pytest.raises(UserError, match=r"DATA028.*no such database"):
        connect(postgres.replace("/postgres?", "/nowhere?"))


def test_postgres_without_tables_is_refused(postgres, database):
    with pytest.raises(UserError, match="DATA021"):
        connect(postgres)


def test_impossible_times_of_a_server_are_counted(postgres, database, snap):
    database.execute("CREATE TABLE t (a int PRIMARY KEY, at timestamp)")
    database.execute(
        "INSERT INTO t VALUES (1, 'infinity'), (2, '0044-03-15 BC'), (3, '2020-01-01'), (4, NULL)"
    )
    tables, info = snap(postgres)
    assert tables["t"]["at"].null_count == 3
    assert [(f.rule, f.evidence[:7]) for f in info.findings] == [("impossible_times", "2 times")]


def test_a_connector_that_does_not_load_is_named(monkeypatch):
    from importlib.metadata import EntryPoint

    broken = EntryPoint("moon", "no_such_module:Source", "weft.connectors")
    monkeypatch.setattr("weft.data.sources.connectors.entry_points", lambda group: [broken])
    with pytest.raises(UserError, match=r"EXT003.*moon"):
        connect("moon://base")


def test_a_connector_of_the_user_is_used(monkeypatch):
    from importlib.metadata import EntryPoint

    point = EntryPoint("moon", f"{__name__}:make_moon", "weft.connectors")
    monkeypatch.setattr("weft.data.sources.connectors.entry_points", lambda group: [point])
    assert connect("moon://base").names() == ("rocks",)


def make_moon(url, *, tables):
    assert url == "moon://base"
    return connect({"rocks": TABLE})


FULL_DISK = """
import resource, sys
from pathlib import Path
import pyarrow as pa
from weft.core import Resources, UnavailableError
from weft.data.snapshot import take_snapshot
from weft.data.sources import connect

# No file of this process may grow further: as on a disk without space.
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
table = pa.table({"id": list(range(200_000)), "score": [i * 0.7 for i in range(200_000)]})
try:
    take_snapshot(connect({"t": table}), Path(sys.argv[1]), resources=Resources(10**8, 1))
except UnavailableError as error:
    print(error.code)
"""


def test_a_full_disk_is_said_with_a_code(tmp_path):
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "s")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "DATA043", done.stderr
