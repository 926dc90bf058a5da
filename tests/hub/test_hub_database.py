"""The hub's file: upgraded, locked, damaged, full."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from weft.core import UnavailableError, UserError
from weft.hub import Hub, migrations, sqlite


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "weft.db"
    path.write_bytes(b"not a database at all, but long enough to look at " * 50)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"FLOW050.*weft\.db"):
        Hub(path)
    assert path.read_bytes() == before


def test_a_torn_database_is_refused(tmp_path):
    path = tmp_path / "weft.db"
    hub = Hub(path)
    for i in range(40):
        hub.start_run(query="x" * 4000 + str(i))
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 40] = b"\xff" * (4096 * 38)
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match="FLOW050"):
        hub.list_runs()


def test_the_database_of_another_application_is_refused(tmp_path):
    path = tmp_path / "weft.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    with pytest.raises(UserError, match=r"FLOW050.*another application"):
        Hub(path)


def test_the_database_of_a_newer_weft_is_refused(tmp_path):
    path = tmp_path / "weft.db"
    Hub(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UserError, match=r"FLOW051.*99"):
        Hub(path)


def test_an_older_database_is_upgraded_with_all_that_is_in_it(tmp_path, monkeypatch):
    path = tmp_path / "weft.db"
    run = Hub(path).start_run(query="before")
    added = "ALTER TABLE edges ADD COLUMN extra TEXT; CREATE TABLE added (x)"
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, added))
    hub = Hub(path)
    assert hub.get_run(run.id).query == "before"
    with hub._database.reading() as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == {
            "user_version": len(migrations.MIGRATIONS)
        }
        assert connection.execute("SELECT * FROM added").fetchall() == []


def test_an_upgrade_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "weft.db"
    run = Hub(path).start_run(query="before")
    broken = "CREATE TABLE added (x); CREATE TABLE runs (x)"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, broken))
        with pytest.raises(UserError, match="FLOW050"):
            Hub(path)
    assert Hub(path).get_run(run.id).query == "before"


def test_several_processes_make_the_database_at_once(tmp_path):
    code = "import sys; from weft.hub import Hub; Hub(sys.argv[1]).start_run()"
    command = [sys.executable, "-c", code, str(tmp_path / "weft.db")]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [p.wait(timeout=60) for p in processes] == [0] * 4
    assert len(Hub(tmp_path / "weft.db").list_runs()) == 4


def test_a_database_that_others_keep_locked_is_unavailable(tmp_path, monkeypatch):
    hub = Hub(tmp_path / "weft.db")
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.01)
    with hub._database.writing(), pytest.raises(UnavailableError, match=r"FLOW052.*0\.01 s"):
        hub.start_run()
    assert hub.start_run().number == 1


def test_what_fails_halfway_leaves_nothing(tmp_path):
    hub = Hub(tmp_path / "weft.db")
    with pytest.raises(ZeroDivisionError), hub._database.writing() as connection:
        connection.execute("INSERT INTO edges VALUES ('a', 'b', 'c', 'd')")
        raise ZeroDivisionError
    assert hub.lineage("a") == ()


def test_a_full_disk_is_said_and_what_is_there_is_kept(tmp_path):
    hub = Hub(tmp_path / "weft.db")
    hub.start_run(query="before")
    with pytest.raises(UnavailableError, match="FLOW059"), hub._database.writing() as connection:
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("INSERT INTO edges VALUES (?, 'b', 'c', 'd')", ("x" * 1_000_000,))
    assert [r.query for r in hub.list_runs()] == ["before"]


def test_a_place_that_cannot_be_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "weft.db"):
        with pytest.raises(UserError, match="FLOW056"):
            Hub(path)
    with pytest.raises(UserError, match=r"FLOW060.*mysql"):
        Hub("mysql://host/weft")


def test_a_hub_is_opened_by_address_too(tmp_path):
    run = Hub(f"sqlite://{tmp_path}/weft.db").start_run()
    assert Hub(str(tmp_path / "weft.db")).get_run().id == run.id


def test_a_fork_may_use_the_hub_of_its_parent(tmp_path):
    hub = Hub(tmp_path / "weft.db")
    hub.start_run()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if hub.start_run().number == 2 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(hub.list_runs()) == 2 and Path(hub.address).exists()
