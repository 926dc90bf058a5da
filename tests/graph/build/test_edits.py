"""A table that was edited is written anew; what names its rows by number stays where they keep it."""

import os
import tempfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
from build_kit import Decoded, MemoryReader, Rows, check_graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_databases import OTHER_KEY, databases
from test_changes import by_source

from weft.core import TIME, Choice, Column, Dtype, Link, Resources, Schema, Stype, Table, UserError
from weft.graph import SampleOptions, Sampler, Store, Strategy, materialize

RESOURCES = Resources(1 << 28, 2)
INT, TEXT = Dtype.INT, Dtype.STRING
SCHEMA = Schema(
    (
        Table("towns", (Column("id", INT, Stype.ID), Column("name", TEXT, Stype.TEXT)), ("id",)),
        Table(
            "users",
            (
                Column("id", INT, Stype.ID),
                Column("town", INT, Stype.ID),
                Column("guide", INT, Stype.ID),
                Column("age", INT, Stype.NUMERICAL),
                Column("word", TEXT, Stype.CATEGORICAL),
            ),
            ("id",),
        ),
        Table(
            "events",
            (
                Column("id", INT, Stype.ID),
                Column("user", INT, Stype.ID),
                Column("item", INT, Stype.ID),
                Column("note", TEXT, Stype.TEXT),
            ),
            ("id",),
        ),
        Table("items", (Column("id", INT, Stype.ID), Column("price", INT, Stype.NUMERICAL)), ("id",)),
    ),
    (
        Link("users", ("town",), "towns", ("id",)),
        Link("users", ("guide",), "users", ("id",)),
        Link("events", ("user",), "users", ("id",)),
        Link("events", ("item",), "items", ("id",)),
    ),
)
SECOND = 1_000_000


def tables(num_events: int = 400, num_users: int = 50, num_items: int = 80) -> Rows:
    """Towns over users over events, which follow their users; items beside them, in their own order."""
    return {
        "towns": [{"id": i, "name": f"town {i}", TIME: None} for i in range(5)],
        "users": [
            {
                "id": i,
                "town": i * i % 6,
                "guide": i // 2 if i % 3 else None,
                "age": i % 70,
                "word": f"word {i % 7}",
                TIME: (i * 13 % 50) * SECOND,
            }
            for i in range(num_users)
        ],
        "events": [
            {
                "id": i,
                # The last two of fifty users have no event before they are appended.
                "user": None if i < 380 and i * 7 % 60 in (48, 49) else i * 7 % 60,
                "item": i * i % 90 * 10**12,
                "note": f"note {i % 30}",
                TIME: (i * 37 % 100) * SECOND,
            }
            for i in range(num_events)
        ],
        "items": [{"id": i * 10**12, "price": i, TIME: i % 3 * SECOND} for i in range(num_items)],
    }


def edited(rows: Rows, table: str, column: str, change) -> Rows:
    """The rows with one column of a table changed, by a function of the value and the number of the row."""
    changed = [{**r, column: change(r[column], i)} for i, r in enumerate(rows[table])]
    return {**rows, table: changed}


def build(folder: Path, schema: Schema, rows: Rows, base: Path | None = None):
    return materialize(MemoryReader(schema, rows, 64), folder, resources=RESOURCES, base=base)


def new_files(folder: Path) -> set[str]:
    """Folders of which files were written, and not linked."""
    files = [p for p in folder.rglob("*.*") if p.is_file() and p.name != "manifest.json"]
    return {p.relative_to(folder).as_posix() for p in files if p.stat().st_nlink == 1}


def places(folder: Path) -> set[str]:
    return {"/".join(f.split("/")[:2]).replace("%3E", ">") for f in new_files(folder)}


def is_dictionary(name: str) -> bool:
    return "/dictionary/" in name or name.endswith("/rows.bin")


EDITS = {
    "a number of a parent": ("users", "age", lambda v, i: v + 1, {"nodes/users"}),
    "a number that needs more room": ("users", "age", lambda v, i: 2**60 + i, {"nodes/users"}),
    "one row": ("users", "age", lambda v, i: 99 if i == 20 else v, {"nodes/users"}),
    "words of a parent": ("users", "word", lambda v, i: f"{v} {i}", {"nodes/users"}),
    "words of the topmost": ("towns", "name", lambda v, i: v[::-1], {"nodes/towns"}),
    "a value of an item": ("items", "price", lambda v, i: None if i else v, {"nodes/items"}),
    "words of the last": ("events", "note", lambda v, i: v.upper(), {"nodes/events"}),
    "times of what follows no link": ("items", TIME, lambda v, i: i % 5 * SECOND, {"nodes/items"}),
    "no times any more": ("items", TIME, lambda v, i: None, {"nodes/items"}),
    "a link that rows do not follow": (
        "events", "item", lambda v, i: i % 70 * 10**12, {"nodes/events", "edges/events.item -> items"},
    ),
    "a link to the table itself": (
        "users", "guide", lambda v, i: i // 3, {"nodes/users", "edges/users.guide -> users"},
    ),
    "times that rows follow": (
        "events", TIME, lambda v, i: i * SECOND,
        {"nodes/events", "edges/events.user -> users", "edges/events.item -> items"},
    ),
    "the link that rows follow": (
        "events", "user", lambda v, i: i % 40,
        {"nodes/events", "edges/events.user -> users", "edges/events.item -> items"},
    ),
    "an order in the middle": (
        "users", "town", lambda v, i: i % 5,
        {"nodes/users", "nodes/events", "edges/users.town -> towns", "edges/users.guide -> users",
         "edges/events.user -> users", "edges/events.item -> items"},
    ),
    "keys of what is not followed": (
        "items", "id", lambda v, i: v + 1, {"nodes/items", "edges/events.item -> items"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("in_steps", [False, True])
def test_an_edit_writes_what_it_touches_and_holds_what_one_build_holds(quick_path, name, in_steps):
    table, column, change, touched = EDITS[name]
    base = None
    if in_steps:
        build(quick_path / "first", SCHEMA, tables(380, 48, 75))
        base = quick_path / "first"
    layout = build(quick_path / "a", SCHEMA, tables(), base)
    assert layout.table("events").order_by == "events.user -> users"
    assert {len(t.segments) for t in layout.tables if t.name != "towns"} == {2 if in_steps else 1}
    rows = edited(tables(), table, column, change)
    layout = build(quick_path / "b", SCHEMA, rows, quick_path / "a")
    assert places(quick_path / "b") == touched
    graph = check_graph(quick_path / "b", layout, SCHEMA, rows, is_whole=not in_steps)
    whole = Decoded(quick_path / "whole", build(quick_path / "whole", SCHEMA, rows))
    assert by_source(graph) == by_source(whole)
    if not in_steps:
        files = {p.relative_to(quick_path / "b") for p in (quick_path / "b").rglob("*")}
        assert files == {p.relative_to(quick_path / "whole") for p in (quick_path / "whole").rglob("*")}
        assert all(
            (quick_path / "b" / f).read_bytes() == (quick_path / "whole" / f).read_bytes()
            for f in files
            if (quick_path / "b" / f).is_file()
        )


def test_times_of_children_that_follow_no_link_sort_them_anew(quick_path):
    columns = (Column("id", INT, Stype.ID), Column("guide", INT, Stype.ID))
    schema = Schema((Table("people", columns, ("id",)),), (Link("people", ("guide",), "people", ("id",)),))
    people = [{"id": i, "guide": i // 5, TIME: i * SECOND} for i in range(60)]
    build(quick_path / "first", schema, {"people": people[:50]})
    build(quick_path / "a", schema, {"people": people}, quick_path / "first")
    rows = edited({"people": people}, "people", TIME, lambda v, i: (100 - i) * SECOND)
    layout = build(quick_path / "b", schema, rows, quick_path / "a")
    assert layout.table("people").order_by is None
    assert places(quick_path / "b") == {"nodes/people", "edges/people.guide -> people"}
    check_graph(quick_path / "b", layout, schema, rows, is_whole=False)


@pytest.mark.parametrize("more", ["users", "items"])
def test_rows_that_are_appended_to_an_edited_table_leave_the_others_in_place(quick_path, more):
    build(quick_path / "a", SCHEMA, tables())
    counts = {"num_users": 55} if more == "users" else {"num_items": 88}
    column = {"users": "age", "items": "price"}[more]
    rows = edited(tables(**counts), more, column, lambda v, i: 3 * v)
    layout = build(quick_path / "b", SCHEMA, rows, quick_path / "a")
    assert [len(t.segments) for t in layout.tables] == [1, 1 + (more == "users"), 1, 1 + (more == "items")]
    assert "nodes/events" not in places(quick_path / "b") or more == "users", "keys that had no user have one"
    check_graph(quick_path / "b", layout, SCHEMA, rows, is_whole=False)


def test_a_number_that_needs_more_room_in_an_appended_row_packs_its_table_anew(quick_path):
    build(quick_path / "a", SCHEMA, tables())
    rows = tables(num_items=81)
    rows["items"][80]["price"] = 2**60 + 1
    layout = build(quick_path / "b", SCHEMA, rows, quick_path / "a")
    assert layout.table("items").column("price").storage == "int64"
    assert not any(p.endswith(("nodes/events", "nodes/users")) for p in places(quick_path / "b"))
    check_graph(quick_path / "b", layout, SCHEMA, rows, is_whole=False)


def test_a_column_that_comes_or_goes_leaves_edges_in_place(quick_path):
    rows = tables()
    fewer = Schema(
        tuple(
            Table(t.name, tuple(c for c in t.columns if c.name != "age"), t.primary_key)
            for t in SCHEMA.tables
        ),
        SCHEMA.links,
    )
    build(quick_path / "a", SCHEMA, rows)
    for name, base, schema in (("b", "a", fewer), ("c", "b", SCHEMA)):
        layout = build(quick_path / name, schema, rows, quick_path / base)
        assert places(quick_path / name) == {"nodes/users"}
        check_graph(quick_path / name, layout, schema, rows)


@pytest.mark.parametrize("table", ["users", "towns", "items"])
def test_a_sample_after_an_edit_is_that_of_one_build(quick_path, table):
    column = {"users": "age", "towns": "name", "items": TIME}[table]
    value = {"users": 7, "towns": "home", "items": 55 * SECOND}[table]
    build(quick_path / "first", SCHEMA, tables(380, 48, 75))
    build(quick_path / "a", SCHEMA, tables(), quick_path / "first")
    rows = edited(tables(), table, column, lambda v, i: value if i % 3 else v)
    build(quick_path / "b", SCHEMA, rows, quick_path / "a")
    build(quick_path / "whole", SCHEMA, rows)
    keys = list(range(50)) * 2
    anchors = np.array([i * SECOND for i in range(100)])
    for choice in Choice:
        strategy = Strategy(choice, window_us=20 * SECOND, half_life_us=10 * SECOND)
        found = []
        for name in ("b", "whole"):
            store = Store(quick_path / name)
            options = SampleOptions((3, 2), strategy=strategy, seed=5)
            batch = Sampler(store, options).sample("users", store.rows("users", keys), anchors)
            found.append(named(store, batch))
        assert found[0] == found[1]


def named(store: Store, batch) -> dict[str, object]:
    """A batch with keys in place of row numbers."""
    found: dict[str, object] = {}
    for name, rows in batch.tables.items():
        blocks = {n: b.tobytes() for n, b in rows.blocks.items()}
        found[name] = (store.keys(name, rows.rows), rows.scope.tolist(), rows.age_us.tolist(), blocks)
    found["edges"] = [
        (e.link, e.toward, e.source.tolist(), e.target.tolist(), e.per_hop) for e in batch.edges
    ]
    return found


def changed_value(random: Random, dtype: Dtype, value: object, others: list[object]) -> object:
    new = {Dtype.INT: 7 * 10**12 + 1, Dtype.FLOAT: 0.1, Dtype.STRING: f"{value} ä", Dtype.BOOL: not value}
    return random.choice([None, random.choice(others), new.get(dtype, random.choice(others))])


def random_edit(random: Random, schema: Schema, rows: Rows) -> Rows:
    """One column of one table, some rows of it: other values; keys change places with each other."""
    table = random.choice([t for t in schema.tables if rows[t.name]] or [schema.tables[0]])
    mine = [dict(r) for r in rows[table.name]]
    column = random.choice([*(c.name for c in table.columns), TIME])
    names = list(table.primary_key) if column in table.primary_key else [column]
    some = [i for i in range(len(mine)) if random.random() < random.choice([0.1, 1.0])]
    old = {i: [mine[i][n] for n in names] for i in some}
    if column in table.primary_key or column == OTHER_KEY:
        moved = random.sample(some, len(some))
        for here, there in zip(some, moved, strict=True):
            mine[here] |= zip(names, old[there], strict=True)
        return {**rows, table.name: mine}
    others = [r[column] for r in mine]
    dtype = Dtype.TIMESTAMP if column == TIME else table.column(column).dtype
    for i in some:
        mine[i][column] = changed_value(random, dtype, mine[i][column], others)
    return {**rows, table.name: mine}


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(databases(), st.randoms(use_true_random=False))
def test_any_history_of_edits_and_appends_holds_what_one_build_holds(quick_place, database, random):
    schema, rows = database
    place = Path(tempfile.mkdtemp(dir=quick_place))
    share = {n: random.choice([0.0, 0.7, 0.9, 1.0]) for n in rows}
    before = None
    for number in range(5):
        part = {n: r[: int(len(r) * share[n] + 0.5)] for n, r in rows.items()}
        layout = build(place / str(number), schema, part, before)
        before = place / str(number)
        graph = check_graph(before, layout, schema, part, is_whole=number == 0)
        whole = build(place / f"whole {number}", schema, part)
        assert by_source(graph) == by_source(Decoded(place / f"whole {number}", whole))
        rows = random_edit(random, schema, rows)
        if random.random() < 0.5:
            share = {n: min(1.0, s + random.choice([0.0, 0.05, 0.2])) for n, s in share.items()}


class CountingReader(MemoryReader):
    """Counts the rows that a build reads of each table."""

    def __init__(self, schema: Schema, rows: Rows) -> None:
        super().__init__(schema, rows, 64)
        self.num_read = dict.fromkeys(rows, 0)
        self.digests = {t.name: super(CountingReader, self).fingerprints(t.name) for t in schema.tables}
        self.num_read = dict.fromkeys(rows, 0)

    def fingerprints(self, table):
        return self.digests[table]

    def batches(self, table, columns, *, start=0):
        for batch in super().batches(table, columns, start=start):
            self.num_read[table] += len(batch)
            yield batch


@pytest.mark.parametrize("column", ["age", "word"])
def test_an_edit_of_a_parent_neither_reads_nor_writes_its_children(quick_path, column):
    value = {"age": lambda v, i: v + 1, "word": lambda v, i: f"{v}!"}[column]
    found = []
    for num_events in (400, 8000):
        folder = quick_path / str(num_events)
        build(folder / "a", SCHEMA, tables(num_events))
        for path in [p for p in (folder / "a").rglob("*.bin") if "events" in str(p.relative_to(folder))]:
            # Whoever reads this finds that it is damaged.
            path.write_bytes(os.urandom(path.stat().st_size))
        reader = CountingReader(SCHEMA, edited(tables(num_events), "users", column, value))
        materialize(reader, folder / "b", resources=RESOURCES, base=folder / "a")
        written = new_files(folder / "b")
        assert all(is_dictionary(f) for f in written)
        sizes = {f: (folder / "b" / f).stat().st_size for f in written}
        found.append((sizes, reader.num_read))
    assert found[0] == found[1]
    assert found[0][1]["events"] == found[0][1]["items"] == 0


@pytest.mark.parametrize("file", ["source.bin", "rows.bin"])
def test_damage_in_what_an_edit_reads_is_refused(quick_path, file):
    build(quick_path / "a", SCHEMA, tables())
    path = quick_path / "a" / "nodes" / "users" / "0" / file
    raw = bytearray(path.read_bytes())
    raw[4100] ^= 1
    path.write_bytes(raw)
    rows = edited(tables(), "users", "age", lambda v, i: v + 1)
    if file == "rows.bin":
        layout = build(quick_path / "b", SCHEMA, rows, quick_path / "a")
        check_graph(quick_path / "b", layout, SCHEMA, rows)
        return
    with pytest.raises(UserError, match=r"GRAPH004.*source\.bin"):
        build(quick_path / "b", SCHEMA, rows, quick_path / "a")
    assert [p.name for p in quick_path.iterdir()] == ["a"]


def test_an_edit_gives_the_same_bytes_for_any_threads_and_limit(quick_path):
    build(quick_path / "first", SCHEMA, tables(380, 48, 75))
    build(quick_path / "a", SCHEMA, tables(), quick_path / "first")
    rows = edited(
        edited(tables(), "users", "word", lambda v, i: f"{v} {i}"), "users", "guide", lambda v, i: i
    )
    found = []
    for name, resources in (("b", RESOURCES), ("c", Resources(20_000, 3))):
        materialize(MemoryReader(SCHEMA, rows), quick_path / name, resources=resources, base=quick_path / "a")
        files = sorted(p for p in (quick_path / name).rglob("*") if p.is_file())
        found.append({p.relative_to(quick_path / name): p.read_bytes() for p in files})
    assert found[0] == found[1]
