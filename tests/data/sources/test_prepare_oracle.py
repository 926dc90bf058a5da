"""Prepared tables agree with plain Python on random databases."""

import datetime as dt
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.core import Column, Dtype, Link, Resources, Schema, Stype, Table, UserError
from weft.data.prepare import TableCounts, prepare_tables

NAMES = ("a", "b", "c", "d")
DAY0 = dt.datetime(2020, 1, 1)
STORED = {
    "int": (pa.int64(), lambda k: k),
    "float": (pa.float64(), lambda k: float(k)),
    "text": (pa.string(), lambda k: str(k)),
    "padded": (pa.string(), lambda k: f"{k:03}"),
}


def random_database(seed):
    """Tables with nullable, repeated keys, optional times, and links in any direction; half of them tidy."""
    rng = random.Random(seed)
    is_tidy = rng.random() < 0.5
    tables, links = {}, []
    names = NAMES[: rng.randint(1, 4)]

    def some(make, num_rows, shares=(0.03,)):
        share = rng.choice(shares if is_tidy else [0, 0.04, 0.1, 0.4])
        return [None if rng.random() < share else make() for _ in range(num_rows)]

    for name in names:
        num_rows = 30 if is_tidy else rng.choice([0, 3, 9, 30])
        highest = 29 if is_tidy else 9
        ids = iter(range(30)) if is_tidy else iter(lambda: rng.randint(0, 9), None)
        columns = {"id": some(lambda ids=ids: next(ids), num_rows, [0])}
        if rng.random() < 0.4:
            columns["at"] = some(lambda: DAY0 + dt.timedelta(days=rng.randint(0, 9)), num_rows)
        for i, parent in enumerate(rng.choices(names, k=rng.randint(0, 3))):
            columns[f"fk{i}"] = some(lambda highest=highest: rng.randint(0, highest), num_rows, [0, 0.04])
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


def reachable(start, tables, links):
    """Timeless tables that ``start`` reaches by way of timeless tables, itself included."""
    found, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name not in found and "at" not in tables[name]:
            found.add(name)
            waiting += [p for t, _, p in links if t == name]
    return found


def dated_links(name, tables, links):
    """Links that give times: to tables that have some, and in no circle of tables without."""
    if "at" in tables[name]:
        return []
    outside = [k for k in links if k[0] == name and name not in reachable(k[2], tables, links)]
    return [k for k in outside if "at" in tables[k[2]] or dated_links(k[2], tables, links)]


def classify(name, i, tables, links, kept):
    """The row's time, and why it may have to go: a missing parent, or none while it points elsewhere."""
    if "at" in tables[name]:
        return tables[name]["at"][i], None
    dated = dated_links(name, tables, links)
    keyed = [k for k in links if k[0] == name and tables[name][k[1]][i] is not None]
    times, is_missing = [], False
    for _, column, parent in (k for k in keyed if k in dated):
        found = [t for j, t in kept[parent] if tables[parent]["id"][j] == tables[name][column][i]]
        times += [t for t in found if t is not None]
        is_missing |= not found
    if times:
        return max(times), None
    if is_missing:
        return None, "missing_parent"
    return None, "no_parent" if dated and keyed and not set(keyed) & set(dated) else None


def prepare_table(name, tables, links, kept):
    """Positions and times of the rows kept, and how many are dropped for each reason."""
    dropped = dict.fromkeys(("null_time", "null_key", "missing_parent", "no_parent", "duplicate_key"), 0)
    found, seen, rows = [], set(), []
    for i, key in enumerate(tables[name]["id"]):
        time, reason = classify(name, i, tables, links, kept)
        if "at" in tables[name] and time is None:
            dropped["null_time"] += 1
        elif key is None:
            dropped["null_key"] += 1
        elif reason == "missing_parent":
            dropped[reason] += 1
        else:
            found.append((i, key, time, reason))
    num_known = sum(time is not None for _, _, time, _ in found)
    are_gaps = num_known > 0 and num_known / len(found) >= 0.9
    for i, key, time, reason in found:
        if reason and are_gaps:
            dropped[reason] += 1
        elif key in seen:
            dropped["duplicate_key"] += 1
        else:
            seen.add(key)
            rows.append((i, time))
    return rows, dropped


def expected(tables, links):
    """Rows kept with their times, rows dropped for each reason, and dangling keys per link."""
    kept, dropped, dangling = {}, {}, {}

    def prepare(name):
        if name not in kept:
            for link in dated_links(name, tables, links):
                prepare(link[2])
            kept[name], dropped[name] = prepare_table(name, tables, links, kept)

    for name in tables:
        prepare(name)
    for table, column, parent in links:
        ids = {tables[parent]["id"][j] for j, _ in kept[parent]}
        values = [tables[table][column][i] for i, _ in kept[table]]
        dangling[table, column, parent] = sum(v is not None and v not in ids for v in values)
    return kept, dropped, dangling


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


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_prepared_tables_agree_with_plain_python(seed, tmp_path_factory):
    tables, links, stored = random_database(seed)
    folder = tmp_path_factory.mktemp("prepare")
    paths = write_database(folder, tables, stored)
    schema = make_schema(tables, links, stored)
    kept, dropped, dangling = expected(tables, links)
    try:
        info = prepare_tables(paths, schema, folder / "out", resources=Resources(10**8, 2))
    except UserError as error:
        assert error.code == "SCH010"
        assert refusal_is_right(tables, links, stored)
        return
    for name, path in info.paths(folder / "out").items():
        found = pq.read_table(path)
        assert found["__row"].to_pylist() == list(range(len(kept[name])))
        assert found["__time"].to_pylist() == [t for _, t in kept[name]]
        ids = [tables[name]["id"][i] for i, _ in kept[name]]
        assert [int(v) for v in found["id"].to_pylist()] == ids
        num_read = len(tables[name]["id"])
        assert info.counts[name] == TableCounts(num_read, len(ids), **dropped[name])
        reasons = {f.rule for f in info.findings if f.table == name}
        assert reasons >= {reason for reason, number in dropped[name].items() if number}
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
