"""Random databases on disk for the fuzz test of the whole job."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
import yaml
from fuzz_values import COLUMNS, ODD_NAMES, USUAL, keys, times

SIZES = [0, 1, 2, 15, 60, 150, 150, 300]
SANE_SIZES = [60, 150, 300]


@dataclass
class World:
    """Tables in memory, with the columns that were meant as keys and references."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    key: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refers: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)


def make_world(rng, *, sizes=SIZES) -> World:
    """Draw one to five tables whose references may form circles and point to their own table."""
    world = World()
    names = _names(rng, rng.choice([1, 2, 2, 3, 3, 4, 5]))
    rows = {name: rng.choice(sizes) for name in names}
    kinds = {name: rng.choice(["int", "int", "int", "text", "float", "odd"]) for name in names}
    values = {name: keys(rng, rows[name], kinds[name]) for name in names}
    for name in names:
        world.tables[name] = _table(rng, world, name, rows, values)
    return world


def _names(rng, count):
    usual = ["users", "orders", "items", "visits", "stores"]
    names = [rng.choice(ODD_NAMES) if rng.random() < 0.15 else usual[i] for i in range(count)]
    seen = set()
    return [n for n in names if not (n.casefold() in seen or seen.add(n.casefold()))]


def _table(rng, world, name, rows, values):
    n = rows[name]
    columns = {}
    if rng.random() < 0.85:
        own = f"{name.rstrip('s')}_id" if rng.random() < 0.8 else "id"
        columns[own] = pa.array(values[name])
        world.key[name] = (own,)
    if own_part := (rng.random() < 0.1 and name in world.key):
        columns["part"] = pa.array([i % 3 for i in range(n)], pa.int64())
        world.key[name] = (*world.key[name], "part")
    for parent in rows:
        chance = 0.12 if parent == name else 0.45
        if rng.random() < chance and not own_part:
            column = "parent_id" if parent == name else f"{parent.rstrip('s')}_id"
            if column not in columns:
                columns[column] = _references(rng, n, values[parent])
                world.refers.append((name, (column,), parent))
    if rng.random() < 0.75:
        columns[rng.choice(["created_at", "time", "date"])] = times(rng, n)
    for kind in _kinds(rng):
        label = rng.choice(ODD_NAMES) if rng.random() < 0.1 else kind
        if label.casefold() not in {c.casefold() for c in columns}:
            columns[label] = COLUMNS[kind](rng, n)
    if not columns:
        columns["n"] = COLUMNS["n"](rng, n)
    return pa.table(columns)


def _kinds(rng):
    kinds = rng.sample(USUAL, rng.randint(0, 5))
    return kinds + rng.sample(sorted(COLUMNS), rng.choice([0, 0, 1, 3, 8]))


def _references(rng, n, parents):
    dangling = rng.choice([0, 0, 0.05, 0.9])
    known = [p for p in parents if p is not None] or [1]
    kind = type(known[0])
    drawn = [
        None
        if rng.random() < 0.05
        else (kind(10**6) if kind is not str else "gone")
        if rng.random() < dangling
        else known[int(len(known) * rng.random() ** 2)]
        for _ in range(n)
    ]
    return pa.array(drawn, pa.array(known).type)


def write_world(rng, world: World, folder: Path) -> str:
    """Write the tables in a random format; return what the command line is given."""
    folder.mkdir()
    kind = rng.choice(["parquet", "parquet", "csv", "mixed", "sqlite", "duckdb"])
    if kind in ("sqlite", "duckdb"):
        return _write_database(world, folder / f"data.{kind}", kind)
    for name, table in world.tables.items():
        path = folder / (name.replace("/", "_") + (".csv" if kind == "csv" else ".parquet"))
        if kind == "csv" or (kind == "mixed" and rng.random() < 0.5):
            _write_csv(
                rng, table, path.with_name(path.name.removesuffix(".parquet").removesuffix(".csv") + ".csv")
            )
        else:
            pq.write_table(table, path)
    return str(folder)


def _write_csv(rng, table, path):
    plain = _plain(table)
    pv.write_csv(plain, path)
    if rng.random() < 0.2:
        encoding = rng.choice(["utf-16", "latin-1", "cp1252"])
        path.write_bytes(path.read_text("utf-8").encode(encoding, errors="replace"))
    if rng.random() < 0.05:
        raw = path.read_bytes()
        path.write_bytes(
            raw[: rng.randint(0, len(raw))] + rng.choice([b"\xff\xfe", b'"', b"\0", b"\xe4,,,\n"])
        )


def _plain(table):
    """Turn types that text cannot hold into text."""
    made = {}
    for name in table.column_names:
        column = table[name]
        try:
            made[name] = column.cast(pa.string())
        except pa.ArrowException:
            made[name] = pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    return pa.table(made)


def _write_database(world, path, kind):
    connection = sqlite3.connect(path) if kind == "sqlite" else duckdb.connect(str(path))
    for name, table in world.tables.items():
        columns = ", ".join(_quoted(c) for c in table.column_names)
        if kind == "duckdb":
            connection.register("given", table)
            connection.execute(f"CREATE TABLE {_quoted(name)} AS SELECT {columns} FROM given")
            continue
        connection.execute(f"CREATE TABLE {_quoted(name)} ({columns})")
        holes = ", ".join("?" for _ in table.column_names)
        rows = [[_cell(v) for v in r.values()] for r in table.to_pylist()]
        connection.executemany(f"INSERT INTO {_quoted(name)} VALUES ({holes})", rows)
    connection.commit()
    connection.close()
    return str(path)


def _cell(value):
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value if value is None or isinstance(value, (int, float, str, bytes)) else str(value)


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def write_settings(rng, world: World, folder: Path, source: str) -> None:
    """Write a ``weft.yaml`` that states keys, times and references, some of them wrong."""
    tables = {}
    for name, table in world.tables.items():
        said = {}
        if rng.random() < 0.6:
            said["primary_key"] = list(world.key.get(name, ())) or None
        if rng.random() < 0.4:
            said["time_column"] = rng.choice([None, *table.column_names])
        if rng.random() < 0.3:
            stype = rng.choice(
                ["numerical", "categorical", "multicategorical", "text", "timestamp", "embedding", "id"]
            )
            said["columns"] = {rng.choice(table.column_names): stype}
        if said:
            tables[name] = said
    links = [f"{t}.{c[0]} -> {p}" for t, c, p in world.refers if len(world.key.get(p, ())) == 1]
    content = {"source": source, "tables": tables, "links": {"add": [k for k in links if rng.random() < 0.7]}}
    (folder / "weft.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
