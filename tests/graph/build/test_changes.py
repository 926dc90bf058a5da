"""A graph built in steps holds what one built at once holds."""

import os
import tempfile
from pathlib import Path

import pytest
from build_kit import Decoded, MemoryReader, Rows, check_graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_databases import databases
from shop_kit import SCHEMA, shop

from weft.core import TIME, Resources, Schema
from weft.graph import materialize

RESOURCES = Resources(1 << 28, 2)


def build(folder: Path, schema: Schema, rows: Rows, base: Path | None = None):
    return materialize(MemoryReader(schema, rows, 64), folder, resources=RESOURCES, base=base)


def by_source(graph: Decoded) -> dict[str, object]:
    """Times, values and edges by prepared numbers: what a sample rests on."""
    found: dict[str, object] = {}
    for name, sources in graph.sources.items():
        rows = sorted(zip(sources, graph.times[name], graph.values[name], strict=True), key=lambda r: r[0])
        found[name] = rows
    for link in graph.layout.links:
        child, parent = graph.sources[link.child], graph.sources[link.parent]
        times = graph.times[link.child]
        found[link.name] = {
            parent[p]: sorted(
                (child[r] for part in parts for r in part),
                key=lambda s: (times[child.index(s)] is not None, times[child.index(s)] or 0, s),
            )
            for p, parts in graph.children[link.name].items()
        }
    return found


@settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
@given(databases(), st.randoms(use_true_random=False))
def test_a_graph_built_in_steps_is_that_built_at_once(quick_place, database, random):
    schema, rows = database
    place = Path(tempfile.mkdtemp(dir=quick_place))
    shares = sorted(random.random() ** 0.3 for _ in range(2))
    before = None
    for number, share in enumerate([*shares, 1.0]):
        part = {n: r[: int(len(r) * share + 0.5)] for n, r in rows.items()}
        layout = build(place / str(number), schema, part, before)
        check_graph(place / str(number), layout, schema, part, is_whole=before is None)
        before = place / str(number)
    whole = build(place / "whole", schema, rows)
    assert by_source(Decoded(before, layout)) == by_source(Decoded(place / "whole", whole))


def inodes(folder: Path, under: str) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_ino for p in (folder / under).rglob("*.bin")}


def test_what_did_not_change_is_linked_and_not_copied(tmp_path):
    build(tmp_path / "a", SCHEMA, shop())
    layout = build(tmp_path / "b", SCHEMA, shop(), tmp_path / "a")
    assert inodes(tmp_path / "a", ".") == inodes(tmp_path / "b", ".")
    check_graph(tmp_path / "b", layout, SCHEMA, shop())


def test_appended_rows_become_a_segment_and_the_others_stay(tmp_path):
    build(tmp_path / "a", SCHEMA, shop(num_events=400))
    layout = build(tmp_path / "b", SCHEMA, shop(num_events=440), tmp_path / "a")
    assert [s.num_rows for s in layout.table("events").segments] == [400, 40]
    assert [len(k.segments) for k in layout.links] == [2, 2]
    before, after = inodes(tmp_path / "a", "."), inodes(tmp_path / "b", ".")
    assert {p: after[p] for p in before if "dangling" not in p} == {
        p: n for p, n in before.items() if "dangling" not in p
    }
    check_graph(tmp_path / "b", layout, SCHEMA, shop(num_events=440), is_whole=False)


def test_files_are_copied_where_links_are_refused(tmp_path, monkeypatch):
    build(tmp_path / "a", SCHEMA, shop())

    def refuse(source, target):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    layout = build(tmp_path / "b", SCHEMA, shop(), tmp_path / "a")
    assert not set(inodes(tmp_path / "a", ".").values()) & set(inodes(tmp_path / "b", ".").values())
    check_graph(tmp_path / "b", layout, SCHEMA, shop())


def test_a_parent_that_comes_later_is_found(tmp_path):
    build(tmp_path / "a", SCHEMA, shop(num_users=50))
    layout = build(tmp_path / "b", SCHEMA, shop(num_users=58), tmp_path / "a")
    assert [s.num_rows for s in layout.table("users").segments] == [50, 8]
    check_graph(tmp_path / "b", layout, SCHEMA, shop(num_users=58), is_whole=False)


def test_a_parent_that_comes_later_leaves_rows_of_another_order_in_place(tmp_path):
    rows = shop()
    later = {**rows, "kinds": [*rows["kinds"], {"id": "kind 4", TIME: None}]}
    rows["users"] = rows["users"][:2]
    later["users"] = rows["users"]
    one = build(tmp_path / "a", SCHEMA, rows)
    assert one.table("events").order_by == "events.kind -> kinds" or one.table("events").order_by
    layout = build(tmp_path / "b", SCHEMA, later, tmp_path / "a")
    check_graph(tmp_path / "b", layout, SCHEMA, later, is_whole=False)


def test_changed_parents_keep_the_packed_rows_of_children_ordered_otherwise(tmp_path):
    rows = shop()
    build(tmp_path / "a", SCHEMA, rows)
    order = "events.kind -> kinds"
    changed = {**rows, "users": [{**r, "age": 1} for r in rows["users"]]}
    layout = build(tmp_path / "b", SCHEMA, changed, tmp_path / "a")
    assert layout.table("events").order_by == order
    assert inodes(tmp_path / "a", "nodes/events") == inodes(tmp_path / "b", "nodes/events")
    check_graph(tmp_path / "b", layout, SCHEMA, changed)


@pytest.mark.parametrize("row", [0, 200, 399])
def test_a_changed_row_is_seen(tmp_path, row):
    rows = shop()
    build(tmp_path / "a", SCHEMA, rows)
    rows["events"][row] = {**rows["events"][row], "note": "changed"}
    layout = build(tmp_path / "b", SCHEMA, rows, tmp_path / "a")
    check_graph(tmp_path / "b", layout, SCHEMA, rows)


def test_a_changed_row_below_appended_ones_is_seen(tmp_path):
    build(tmp_path / "a", SCHEMA, shop(num_events=400))
    rows = shop(num_events=410)
    rows["events"][399] = {**rows["events"][399], TIME: 5}
    layout = build(tmp_path / "b", SCHEMA, rows, tmp_path / "a")
    assert len(layout.table("events").segments) == 1
    check_graph(tmp_path / "b", layout, SCHEMA, rows)


def test_segments_that_are_no_longer_than_what_follows_are_merged(tmp_path):
    before, counts = None, []
    for step in range(10):
        rows = shop(num_events=400 + step)
        layout = build(tmp_path / str(step), SCHEMA, rows, before)
        before = tmp_path / str(step)
        counts.append(len(layout.table("events").segments))
        check_graph(before, layout, SCHEMA, rows, is_whole=counts[-1] == 1)
    assert counts == [1, 2, 2, 3, 2, 3, 3, 4, 2, 3]


def test_rows_appended_to_more_than_half_become_one_segment(tmp_path):
    build(tmp_path / "a", SCHEMA, shop(num_events=400))
    layout = build(tmp_path / "b", SCHEMA, shop(num_events=601), tmp_path / "a")
    assert len(layout.table("events").segments) == 1


def test_a_number_that_needs_more_room_packs_its_table_anew(tmp_path):
    build(tmp_path / "a", SCHEMA, shop())
    rows = shop(num_events=401)
    rows["events"][400]["amount"] = 0.1
    layout = build(tmp_path / "b", SCHEMA, rows, tmp_path / "a")
    assert layout.table("events").column("amount").storage == "float64"
    assert [s.num_rows for s in layout.table("events").segments] == [400, 1]
    check_graph(tmp_path / "b", layout, SCHEMA, rows, is_whole=False)


def test_a_graph_is_updated_in_its_own_place(tmp_path):
    build(tmp_path / "a", SCHEMA, shop(num_events=400))
    layout = build(tmp_path / "a", SCHEMA, shop(num_events=420), tmp_path / "a")
    check_graph(tmp_path / "a", layout, SCHEMA, shop(num_events=420), is_whole=False)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_another_schema_builds_what_it_touches(tmp_path):
    build(tmp_path / "a", SCHEMA, shop())
    fewer = Schema(SCHEMA.tables, SCHEMA.links[:1])
    for number, schema in enumerate((fewer, SCHEMA)):
        layout = build(tmp_path / str(number), schema, shop(), tmp_path / ("a" if number == 0 else "0"))
        check_graph(tmp_path / str(number), layout, schema, shop(), is_whole=False)
