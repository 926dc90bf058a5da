"""The hub in PostgreSQL: upgraded, locked, refused, gone."""

import os
import subprocess
import sys

import pytest

from weft.core import UnavailableError, UserError
from weft.hub import Hub, migrations, postgres


@pytest.fixture
def url(postgres, database):
    return postgres


def test_other_tables_of_the_database_are_left_alone(url, database):
    database.execute("CREATE TABLE public.runs (x int)")
    Hub(url).start_run()
    assert database.execute("SELECT count(*) FROM public.runs").fetchone() == (0,)
    assert database.execute("SELECT count(*) FROM weft_hub.runs").fetchone() == (1,)


def test_a_schema_that_is_no_hubs_is_refused_and_left_as_it_is(url, database):
    database.execute("CREATE SCHEMA weft_hub")
    database.execute("CREATE TABLE weft_hub.theirs (x int)")
    with pytest.raises(UserError, match=r"FLOW050.*another application"):
        Hub(url)
    tables = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'weft_hub'").fetchall()
    assert tables == [("theirs",)]


def test_a_newer_hub_is_refused(url, database):
    Hub(url)
    database.execute("UPDATE weft_hub.hub_version SET version = 99")
    with pytest.raises(UserError, match=r"FLOW051.*99"):
        Hub(url)


def test_a_lost_table_is_named(url, database):
    hub = Hub(url)
    database.execute("DROP TABLE weft_hub.edges")
    with pytest.raises(UserError, match=r"FLOW050.*edges"):
        hub.lineage("a")


def test_an_older_hub_is_upgraded_all_or_nothing(url, monkeypatch):
    run = Hub(url).start_run(query="before")
    broken = "CREATE TABLE added (x TEXT); CREATE TABLE runs (x TEXT)"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, broken))
        with pytest.raises((UserError, UnavailableError)):
            Hub(url)
    added = "ALTER TABLE runs ADD COLUMN extra TEXT; CREATE TABLE added (x INTEGER)"
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, added))
    hub = Hub(url)
    with hub._database.reading() as connection:
        assert connection.execute("SELECT * FROM added").fetchall() == []
        kept = connection.execute("SELECT query, extra FROM runs WHERE id = ?", (run.id,)).fetchall()
    assert kept == [{"query": "before", "extra": None}]


def test_several_processes_make_the_hub_at_once(url):
    code = "import sys; from weft.hub import Hub; Hub(sys.argv[1]).start_run()"
    processes = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(4)]
    assert [p.wait(timeout=60) for p in processes] == [0] * 4
    assert len(Hub(url).list_runs()) == 4


def test_a_hub_that_others_keep_locked_is_unavailable(url, monkeypatch):
    hub = Hub(url)
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT_S", 0.05)
    with hub._database.writing(), pytest.raises(UnavailableError, match=r"FLOW052.*0\.05 s"):
        hub.start_run()
    assert hub.start_run().state == "running"


def test_what_fails_halfway_leaves_nothing(url):
    hub = Hub(url)
    with pytest.raises(ZeroDivisionError), hub._database.writing() as connection:
        connection.execute("INSERT INTO edges VALUES ('a', 'b', 'c', 'd')")
        raise ZeroDivisionError
    assert hub.lineage("a") == ()


def test_readers_see_one_state_and_are_not_kept_waiting(url):
    hub = Hub(url)
    with hub._database.reading() as reader:
        before = reader.execute("SELECT count(*) AS n FROM runs").fetchall()
        hub.start_run()
        assert reader.execute("SELECT count(*) AS n FROM runs").fetchall() == before


def test_a_server_that_is_not_there_is_unavailable_and_its_password_is_not_told(tmp_path):
    with pytest.raises(UnavailableError, match="HUB001") as error:
        Hub(f"postgresql://ann:hunter2@/shop?host={tmp_path}")
    assert "hunter2" not in f"{error.value!r} {error.value} {error.value.__cause__}"


def test_a_wrong_password_is_refused_and_not_told(guarded_url):
    with pytest.raises(UserError, match=r"FLOW056.*password is wrong") as error:
        Hub(guarded_url)
    assert "hunter2" not in f"{error.value!r} {error.value} {error.value.__cause__}"


def test_a_malformed_url_is_refused_and_not_told():
    with pytest.raises(UserError, match=r"FLOW056.*malformed") as error:
        Hub("postgresql://ann:hunter2@[host/x")
    assert "hunter2" not in f"{error.value!r} {error.value}"


def test_a_hub_is_shown_without_its_password(url):
    assert "secret" not in repr(Hub(url.replace("postgres:@", "postgres:secret@")))


def test_a_fork_may_use_the_hub_of_its_parent(url):
    hub = Hub(url)
    hub.start_run()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if hub.start_run().number == 2 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(hub.list_runs()) == 2
