"""Prepared tables agree with plain Python on random databases."""

import datetime as dt
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.core import Column, Dtype, Link, Resources, Schema, Stype, Table, UserError
from weft.data.prepare import prepare_tables

NAMES = ("a", "b", "c", "d")
DAY0 = dt.datetime(2020, 1, 1)
STORED = {
    "int": (pa.int64(), lambda k: k),
    "float": (pa.float64(), lambda k: float(k)),
    "text": (pa.string(), lambda k: str(k)),
    "padded": (pa.string(), lambda k: f"{k:03}"),
}


def random_database(seed):
    """Tables with nullable, repeated keys, optional times, and links in any direction."""
    rng = random.Random(seed)
    tables, links = {}, []
    names = NAMES[: rng.randint(1, 4)]

    def some(make, num_rows):
        return [None if rng.random() < 0.1 else make() for _ in range(num_rows)]

    for name in names:
        num_rows = rng.choice([0, 3, 6, 9, 9])
        columns = {"id": some(lambda: rng.randint(0, 9), num_rows)}
        if rng.random() < 0.4:
            columns["at"] = some(lambda: DAY0 + dt.timedelta(days=rng.randint(0, 9)), num_rows)
        for i, parent in enumerate(rng.choices(names, k=rng.randint(0, 3))):
            columns[f"fk{i}"] = some(lambda: rng.randint(0, 9), num_rows)
            links.append((name, f"fk{i}", parent))
        tables[name] = columns
    usual = rng.choice(list(STORED))
    stored = {
        (t, c): usual if rng.random() < 0.8 else rng.choice(list(STORED))
        for t in names
        for c in tables[t]
        if c != "at"
    }
    return tables, links, stored


def kept_rows(columns):
    """Positions of the rows with a time, a key, and a key not seen before."""
    seen, kept = set(), []
    for i, key in enumerate(columns["id"]):
        if columns.get("at", columns["id"])[i] is None or key is None or key in seen:
            continue
        seen.add(key)
        kept.append(i)
    return kept


def reachable(start, tables, links):
    """Timeless tables that ``start`` reaches by way of timeless tables, itself included."""
    found, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name not in found and "at" not in tables[name]:
            found.add(name)
            waiting += [p for t, _, p in links if t == name]
    return found


def time_of(name, i, tables, links, kept):
    """The row's own time, or the newest of its parents' that are in no circle with its table."""
    if "at" in tables[name]:
        return tables[name]["at"][i]
    found = []
    for table, column, parent in links:
        if table != name or name in reachable(parent, tables, links):
            continue
        rows = [j for j in kept[parent] if tables[parent]["id"][j] == tables[name][column][i]]
        found += [time_of(parent, j, tables, links, kept) for j in rows]
    return max((t for t in found if t is not None), default=None)


def expected(tables, links):
    """Rows kept, their times, and dangling keys per link."""
    kept = {n: kept_rows(c) for n, c in tables.items()}
    times = {n: [time_of(n, i, tables, links, kept) for i in rows] for n, rows in kept.items()}
    dangling = {}
    for table, column, parent in links:
        ids = {tables[parent]["id"][j] for j in kept[parent]}
        values = [tables[table][column][i] for i in kept[table]]
        dangling[table, column, parent] = sum(v is not None and v not in ids for v in values)
    return kept, times, dangling


def write_database(folder, tables, stored):
    paths = {}
    for name, columns in tables.items():
        arrays = {}
        for column, values in columns.items():
            if column == "at":
                arrays[column] = pa.array(values, pa.timestamp("us"))
            else:
                kind, spell = STORED[stored[name, column]]
                arrays[column] = pa.array([None if v is None else spell(v) for v in values], kind)
        paths[name] = folder / f"raw-{name}.parquet"
        pq.write_table(pa.table(arrays), paths[name], row_group_size=3)
    return paths


def make_schema(tables, links, stored):
    natural = {"int": Dtype.INT, "float": Dtype.FLOAT, "text": Dtype.INT, "padded": Dtype.STRING}
    made = []
    for name, columns in tables.items():
        cols = [
            Column(c, Dtype.TIMESTAMP, Stype.TIMESTAMP)
            if c == "at"
            else Column(c, natural[stored[name, c]], Stype.ID)
            for c in columns
        ]
        made.append(Table(name, tuple(cols), ("id",), "at" if "at" in columns else None))
    return Schema(tuple(made), tuple(Link(t, (c,), p, ("id",)) for t, c, p in links))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_prepared_tables_agree_with_plain_python(seed, tmp_path_factory):
    tables, links, stored = random_database(seed)
    folder = tmp_path_factory.mktemp("prepare")
    paths = write_database(folder, tables, stored)
    schema = make_schema(tables, links, stored)
    kept, times, dangling = expected(tables, links)
    try:
        info = prepare_tables(paths, schema, folder / "out", resources=Resources(10**8, 2))
    except UserError as error:
        assert error.code == "SCH010"
        assert refusal_is_right(tables, links, stored)
        return
    for name, path in info.paths(folder / "out").items():
        found = pq.read_table(path)
        assert found["__row"].to_pylist() == list(range(len(kept[name])))
        assert found["__time"].to_pylist() == times[name]
        ids = [tables[name]["id"][i] for i in kept[name]]
        assert [int(v) for v in found["id"].to_pylist()] == ids
        counts = info.counts[name]
        assert counts.rows_kept == len(ids)
        assert counts.rows_read == len(tables[name]["id"])
    for table, column, parent in links:
        counts = info.links[f"{table}.{column} -> {parent}"]
        assert counts.dangling == dangling[table, column, parent]


def refusal_is_right(tables, links, stored):
    """Some link's two sides are stored differently and have not one key in common."""
    for table, column, parent in links:
        child = {v for v in tables[table][column] if v is not None}
        ids = {v for v in tables[parent]["id"] if v is not None}
        if child and tables[parent]["id"] and not child & ids:
            return True
    return False


@pytest.mark.parametrize("seed", range(5))
def test_the_same_snapshot_gives_the_same_bytes_whatever_the_threads(seed, tmp_path_factory):
    tables, links, stored = random_database(seed)
    stored = dict.fromkeys(stored, "int")
    folder = tmp_path_factory.mktemp("prepare")
    paths = write_database(folder, tables, stored)
    schema = make_schema(tables, links, stored)
    for threads in (1, 4):
        prepare_tables(paths, schema, folder / str(threads), resources=Resources(10**8, threads))
    for path in (folder / "1").iterdir():
        assert path.read_bytes() == (folder / "4" / path.name).read_bytes()
