"""Data sets: published, read as Arrow, DuckDB and pandas, asked like the tables they were made of."""

import os
import shutil
import sqlite3
import subprocess
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weft
from weft.core import UserError
from weft.flow import NodeState, Store
from weft.project import ProjectFolder

ORDERS = pa.table({"id": [1, 2, 3], "user": [7, 7, 8], "price": [1.5, 2.5, None]})
USERS = pa.table({"id": [7, 8], "name": ["ann", "bea"]})


@pytest.fixture
def folder(tmp_path):
    """A folder of two tables, one Parquet and one text."""
    made = tmp_path / "files"
    made.mkdir()
    pq.write_table(ORDERS, made / "orders.parquet")
    (made / "users.csv").write_text("id,name\n7,ann\n8,bea\n")
    (made / "README.md").write_text("not a table")
    return made


@pytest.fixture
def project(tmp_path):
    return ProjectFolder(tmp_path / "project")


def test_a_frame_becomes_a_data_set_of_one_table(project):
    made = weft.publish_dataset(
        "orders", ORDERS, description="All orders", tags={"team": "x"}, project=project
    )
    assert (made.name, made.version, made.label, made.tables) == ("orders", 1, "orders@1", ("orders",))
    assert (made.published.description, made.published.tags) == ("All orders", {"team": "x"})
    found = weft.dataset("orders", project=project)
    assert found.arrow().equals(ORDERS)
    assert found.pandas()["price"].sum() == 4.0
    assert found.duckdb().sql("SELECT sum(price) FROM orders").fetchall() == [(4.0,)]
    assert found.duckdb().sql("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


@pytest.mark.parametrize(
    "frame",
    [
        ORDERS.to_pandas(),
        ORDERS.to_reader(max_chunksize=1),
        duckdb.connect().from_arrow(ORDERS),
        pytest.param("parquet", id="file"),
    ],
    ids=lambda f: type(f).__name__,
)
def test_frames_of_any_kind_become_data_sets(project, tmp_path, frame):
    if isinstance(frame, str):
        frame = tmp_path / "orders.parquet"
        pq.write_table(ORDERS, frame)
    made = weft.publish_dataset("orders", frame, project=project)
    assert made.arrow().to_pydict() == ORDERS.to_pydict() and made.tables == ("orders",)


def test_the_result_of_a_query_becomes_a_data_set(project):
    engine = duckdb.connect()
    made = weft.publish_dataset("n", engine.sql("SELECT range AS n FROM range(300000)"), project=project)
    assert made.duckdb().sql("SELECT count(*), sum(n) FROM n").fetchall() == [(300000, 44999850000)]


def test_several_tables_are_one_data_set(project):
    made = weft.publish_dataset("shop", {"orders": ORDERS, "users": USERS}, project=project)
    assert made.tables == ("orders", "users") and made.arrow("users").equals(USERS)
    joined = "SELECT name, sum(price) FROM orders o JOIN users u ON o.user = u.id GROUP BY name ORDER BY name"
    assert made.duckdb().sql(joined).fetchall() == [("ann", 4.0), ("bea", None)]
    for table, words in ((None, "2 tables"), ("other", "no table 'other'")):
        with pytest.raises(UserError, match=rf"HUB010.*{words}(.|\n)*orders, users"):
            made.arrow(table)


def test_files_are_kept_byte_by_byte_and_text_is_read_as_a_query_reads_it(project, folder):
    made = weft.publish_dataset("shop", folder, project=project)
    assert sorted(p.name for p in made.path.iterdir()) == ["orders.parquet", "users.csv"]
    for path in made.path.iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()
    assert made.arrow("users").to_pydict() == {"id": [7, 8], "name": ["ann", "bea"]}
    assert made.duckdb().sql("SELECT sum(id) FROM users").fetchall() == [(15,)]
    assert pa.types.is_integer(made.arrow("users").schema.field("id").type)


def test_a_database_file_is_kept_whole(project, tmp_path):
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as engine:
        engine.execute("CREATE TABLE users (id INT PRIMARY KEY, name TEXT)")
        engine.execute("INSERT INTO users VALUES (7, 'ann')")
    made = weft.publish_dataset("shop", path, project=project)
    assert made.path.name == "shop.duckdb" and made.arrow().to_pydict() == {"id": [7], "name": ["ann"]}
    assert weft.connect("dataset:shop", project=project).graph().schema.table("users").primary_key == ("id",)


def test_a_database_that_is_being_written_is_refused(project, tmp_path):
    path = tmp_path / "shop.sqlite"
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE users (id INT)")
    writer.commit()
    with pytest.raises(UserError, match=r"HUB011.*being written"):
        weft.publish_dataset("shop", path, project=project)
    writer.close()
    assert weft.publish_dataset("shop", path, project=project).tables == ("users",)


@pytest.mark.parametrize(
    "tables", [{}, {"t": pa.table({"m": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})}]
)
def test_what_cannot_be_a_data_set_is_refused_and_leaves_none(project, tables):
    with pytest.raises(UserError, match="HUB011"):
        weft.publish_dataset("x", tables, project=project)
    assert project.hub.search() == () and project.store.num_blobs() == 0


def test_the_same_content_keeps_its_version_and_other_content_gets_the_next(project):
    versions = [weft.publish_dataset("o", t, project=project).version for t in (ORDERS, ORDERS, USERS)]
    assert versions == [1, 1, 2]
    assert weft.dataset("o@latest", project=project).version == 2
    project.hub.set_alias("o@1", "checked", kind="dataset")
    assert weft.dataset("o@checked", project=project).arrow().equals(ORDERS)
    with pytest.raises(UserError, match=r"HUB003.*o@3"):
        weft.dataset("o@3", project=project)


def test_the_same_tables_have_the_same_digest_in_every_project(tmp_path, folder):
    made = [weft.publish_dataset("shop", folder, project=tmp_path / n) for n in "ab"]
    assert made[0].digest == made[1].digest


def test_a_task_opens_the_data_set_by_the_environment(project, folder, tmp_path):
    weft.publish_dataset("shop", folder, project=project)
    code = "import weft; print(weft.dataset('shop@1').arrow('orders').num_rows)"
    environment = os.environ | {"WEFT_PROJECT": str(project.folder)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "3"


def test_a_damaged_file_is_not_read(project, folder):
    made = weft.publish_dataset("shop", folder, project=project)
    blob = (made.path / "orders.parquet").resolve()
    blob.chmod(0o644)
    blob.write_bytes(b"x" * blob.stat().st_size)
    with pytest.raises(UserError, match="FLOW011"):
        assert weft.dataset("shop", project=project).path


def test_a_project_that_was_moved_opens_its_data_sets(project, folder, tmp_path):
    weft.publish_dataset("shop", folder, project=project).arrow("users")
    shutil.move(project.folder, tmp_path / "moved")
    found = weft.dataset("shop", project=tmp_path / "moved")
    assert found.arrow("orders").equals(ORDERS) and found.path.is_relative_to(tmp_path / "moved")


def test_a_list_of_files_that_leads_out_of_its_folder_is_refused(project, tmp_path):
    store: Store = project.store
    digest = store.put_tree({"../../escaped.parquet": store.put_bytes(b"x")})
    project.hub.publish("dataset", "evil", digest=digest, store=store)
    with pytest.raises(UserError, match="HUB012"):
        assert weft.dataset("evil", project=project).path
    assert not list(tmp_path.rglob("escaped.parquet"))


def test_a_query_over_a_data_set_finds_what_the_files_made(shop, tmp_path):
    project = ProjectFolder(tmp_path)
    weft.publish_dataset("shop", shop / "shop", project=project)
    files = weft.connect(str(shop / "shop"), project=project).graph()
    snapshot = files.outputs["snapshot"]
    told = []
    project = ProjectFolder(tmp_path, on_event=told.append)
    asked = weft.connect("dataset:shop@latest", project=project).graph()
    assert asked.outputs["snapshot"].digest == snapshot.digest and asked.place == "dataset:shop@1"
    assert {e.state for e in told} == {NodeState.CACHED} and len(told) == 3
    assert asked.schema == files.schema


def test_weft_yaml_names_a_data_set_as_its_source(shop, tmp_path):
    weft.publish_dataset("shop", shop / "shop", project=tmp_path)
    (tmp_path / "weft.yaml").write_text("source: dataset:shop@1\n")
    graph = weft.open_project(tmp_path)
    assert "orders" in [t.name for t in graph.tables] and graph.place == str(tmp_path)


def test_a_relbench_folder_keeps_what_it_declares(real_data, tmp_path):
    weft.publish_dataset("f1", real_data / "rel_f1", project=tmp_path)
    made = weft.connect("dataset:f1", project=tmp_path)._source
    files = weft.connect(str(real_data / "rel_f1"), project=tmp_path)._source
    limits = ProjectFolder(tmp_path).resources
    assert made.declared == files.declared and made.fingerprints(limits) == files.fingerprints(limits)


def test_tables_in_postgresql_become_a_data_set(project, postgres, database):
    database.execute("CREATE TABLE users (id int PRIMARY KEY, name text)")
    database.execute("INSERT INTO users VALUES (7, 'ann')")
    made = weft.publish_dataset("shop", postgres, project=project)
    assert made.arrow("users").to_pydict() == {"id": [7], "name": ["ann"]}


BIG = """
import resource, sys
import pyarrow as pa
import weft
weft.publish_dataset("warm", pa.table({"x": [1]}), project=sys.argv[1])
schema = pa.schema([("x", pa.int64()), ("y", pa.float64())])
batch = pa.RecordBatch.from_arrays([pa.array(range(50_000)), pa.array([0.5] * 50_000)], schema=schema)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reader = pa.RecordBatchReader.from_batches(schema, (batch for _ in range(400)))
made = weft.publish_dataset("big", reader, project=sys.argv[1])
assert sum(b.num_rows for b in made.batches()) == 20_000_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_rows_are_streamed_in_bounded_memory(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", BIG, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 150_000, "KiB more than before, for 320 MB of rows"
