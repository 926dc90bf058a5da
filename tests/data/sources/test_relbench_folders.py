"""RelBench folders are read, written, and loaded by RelBench itself."""

import datetime as dt
import warnings

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from weft.core import (
    Column,
    Dtype,
    Link,
    Offset,
    Resources,
    Schema,
    Stype,
    Table,
    Task,
    TaskType,
    UserError,
    parse_time,
)
from weft.data.prepare import prepare_tables
from weft.data.relbench import RelbenchLabels, read_relbench, write_relbench
from weft.data.snapshot import take_snapshot
from weft.data.sources import connect

RESOURCES = Resources(2 * 10**8, 2)


def days(*numbers):
    return [dt.datetime(2020, 1, 1) + dt.timedelta(days=n) for n in numbers]


FRAMES = {
    "users": pa.table({"id": ["u9", "u3", "u5"], "name": ["a", "b", "c"]}),
    "shops": pa.table({"city": ["x", "x", "y"], "number": [1, 2, 1]}),
    "orders": pa.table(
        {
            "order": [30, 10, 20],
            "user": ["u3", "u9", "gone"],
            "city": ["x", "y", "x"],
            "number": [2, 1, None],
            "at": days(3, 1, 2),
        }
    ),
}


def ids(*names):
    return tuple(Column(n, Dtype.STRING, Stype.ID) for n in names)


SCHEMA = Schema(
    (
        Table("users", (*ids("id"), Column("name", Dtype.STRING, Stype.TEXT)), ("id",)),
        Table("shops", (*ids("city"), Column("number", Dtype.INT, Stype.ID)), ("city", "number")),
        Table(
            "orders",
            (
                Column("order", Dtype.INT, Stype.ID),
                *ids("user", "city"),
                Column("number", Dtype.INT, Stype.ID),
                Column("at", Dtype.TIMESTAMP, Stype.TIMESTAMP),
            ),
            ("order",),
            "at",
        ),
    ),
    (
        Link("orders", ("user",), "users", ("id",)),
        Link("orders", ("city", "number"), "shops", ("city", "number")),
    ),
)


@pytest.fixture
def prepared(tmp_path):
    def run(source, schema):
        info = take_snapshot(source, tmp_path / "s", resources=RESOURCES)
        made = prepare_tables(info.paths(tmp_path / "s"), schema, tmp_path / "p", resources=RESOURCES)
        return made.paths(tmp_path / "p")

    return run


def write(folder, paths, schema=SCHEMA, **options):
    times = {"val_start_us": parse_time("2020-01-02"), "test_start_us": parse_time("2020-01-03")}
    write_relbench(folder, paths, schema, name="shop", resources=RESOURCES, **times, **options)


LABELS = pa.table(
    {
        "id": ["u3", "u9", "u5"],
        "anchor_time": days(0, 1, 2),
        "label": [True, False, True],
        "split": ["train", "val", "test"],
    }
)
BINARY = Task(TaskType.BINARY, "users", "id", horizon=Offset(1))
RANKING = Task(TaskType.LINK_PREDICTION, "users", "id", item_table="orders", item_column="order", top_k=2)


def test_keys_are_numbered_in_the_order_of_time(prepared, tmp_path):
    write(tmp_path / "out", prepared(connect(FRAMES), SCHEMA))
    orders = pq.read_table(tmp_path / "out" / "db" / "orders.parquet")
    assert orders.to_pydict() == {
        "order": [0, 1, 2],
        "city": ["y", "x", "x"],
        "number": [1, None, 2],
        "at": days(1, 2, 3),
        "order_value": [10, 20, 30],
        "city_number_shops": [2, None, 1],
        "user": [0, None, 1],
    }
    users = pq.read_table(tmp_path / "out" / "db" / "users.parquet")
    assert users.to_pydict() == {"id": [0, 1, 2], "name": ["a", "b", "c"], "id_value": ["u9", "u3", "u5"]}


def test_what_is_written_is_declared_when_read(prepared, tmp_path):
    write(tmp_path / "out", prepared(connect(FRAMES), SCHEMA), tasks={"t": RelbenchLabels(BINARY, LABELS)})
    source = connect(tmp_path / "out")
    assert source.kind == "relbench" and source.names() == ("orders", "shops", "users")
    assert source.declared.primary_keys == {"users": ("id",), "shops": ("shops_key",), "orders": ("order",)}
    assert source.declared.time_columns == {"orders": "at"}
    assert [k.name for k in source.declared.links] == [
        "orders.city_number_shops -> shops",
        "orders.user -> users",
    ]
    assert connect(tmp_path / "out", use_manifest=False).declared.links == ()
    (tmp_path / "out" / "manifest.yaml").rename(tmp_path / "manifest.yaml")
    assert connect(tmp_path / "out").names() == ("orders", "shops", "users")
    (tmp_path / "manifest.yaml").rename(tmp_path / "out" / "manifest.yaml")
    folder = read_relbench(tmp_path / "out")
    assert folder.val_start_us == parse_time("2020-01-02")
    labels = folder.tasks["t"].labels()
    assert labels.to_pydict() == {
        "id": [1, 0, 2],
        "anchor_time": days(0, 1, 2),
        "label": [True, False, True],
        "split": ["train", "val", "test"],
    }


def test_relbench_itself_loads_what_is_written(prepared, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import relbench

    ranked = LABELS.set_column(2, "label", pa.array([[30, 10], [20], [10, 99]]))
    tasks = {"churn": RelbenchLabels(BINARY, LABELS), "next": RelbenchLabels(RANKING, ranked)}
    write(tmp_path / "out", prepared(connect(FRAMES), SCHEMA), tasks=tasks)
    dataset = relbench.load_dataset(str(tmp_path / "out"))
    database = dataset.get_db(upto_test_timestamp=False)
    assert database.table_dict["orders"].fkey_col_to_pkey_table == {
        "city_number_shops": "shops",
        "user": "users",
    }
    assert sorted(dataset.get_task_names()) == ["churn", "next"]
    train = dataset.load_task("churn").get_table("train")
    assert train.df["id"].tolist() == [1] and train.df["label"].tolist() == [True]
    test = dataset.load_task("next").get_table("test", mask_input_cols=False)
    assert [list(v) for v in test.df["order"]] == [[0]]


def test_a_real_folder_is_read_and_written_without_loss(real_data, prepared, tmp_path):
    source = connect(real_data / "rel_f1")
    assert len(source.names()) == 9 and len(source.declared.links) == 13
    folder = read_relbench(real_data / "rel_f1")
    assert set(folder.tasks) == {"driver-dnf", "driver-top3", "driver-position"}
    assert folder.tasks["driver-dnf"].labels().num_rows == 11411 + 566 + 702
    manifest = yaml.safe_load((real_data / "rel_f1" / "manifest.yaml").read_text())
    tables = []
    for name, entry in manifest["tables"].items():
        fields = pq.read_schema(real_data / "rel_f1" / "db" / f"{name}.parquet")
        columns = tuple(Column(f.name, _dtype(f.type), Stype.NUMERICAL) for f in fields)
        tables.append(Table(name, columns, (entry["pkey"],), entry["time_col"]))
    schema = Schema(tuple(tables), source.declared.links)
    paths = prepared(source, schema)
    write(tmp_path / "out", paths, schema)
    again = connect(tmp_path / "out")
    assert again.declared == source.declared
    for name in source.names():
        found = pq.read_table(tmp_path / "out" / "db" / f"{name}.parquet")
        there = pq.read_table(paths[name]).drop_columns(["__row", "__time"])
        assert found.select(there.column_names).to_pylist() == there.to_pylist()


def _dtype(kind):
    if pa.types.is_temporal(kind):
        return Dtype.TIMESTAMP
    if pa.types.is_integer(kind):
        return Dtype.INT
    return Dtype.FLOAT if pa.types.is_floating(kind) else Dtype.STRING


def test_a_folder_with_content_is_not_overwritten(prepared, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(UserError, match=r"DATA044.*not empty"):
        write(tmp_path / "out", prepared(connect(FRAMES), SCHEMA))
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2]",
        "tables: 7",
        "tables: {orders: 7}",
        "a: [",
        "tables: {orders: {fkeys: {user: users}}, users: {}}",
    ],
)
def test_a_damaged_manifest_is_refused(text, prepared, tmp_path):
    write(tmp_path / "out", prepared(connect(FRAMES), SCHEMA))
    (tmp_path / "out" / "manifest.yaml").write_text(text)
    with pytest.raises(UserError, match=r"DATA045.*manifest\.yaml"):
        connect(tmp_path / "out")
    assert connect(tmp_path / "out", use_manifest=False).names() == ("orders", "shops", "users")


def test_a_damaged_task_is_refused(prepared, tmp_path):
    write(tmp_path / "out", prepared(connect(FRAMES), SCHEMA), tasks={"t": RelbenchLabels(BINARY, LABELS)})
    path = tmp_path / "out" / "tasks" / "t" / "manifest.yaml"
    for text in ("name: t", "task_type: regression", "a: ["):
        path.write_text(text)
        with pytest.raises(UserError, match="DATA045"):
            read_relbench(tmp_path / "out")
