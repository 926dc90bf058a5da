"""Lists of categories mean the same however they are written, from the raw table to the label."""

import datetime as dt
import json
import random
from dataclasses import replace

import pyarrow as pa
import pytest
from label_checks import assert_same, layout_of, rows_of

from weft.core import Resources, Stype
from weft.data.items import items_of
from weft.data.labels import compute_labels
from weft.data.prepare import prepare_tables
from weft.data.profile import profile_snapshot
from weft.data.snapshot import take_snapshot
from weft.data.sources import connect
from weft.data.tables import Tables, open_engine
from weft.pql import compile_query
from weft.testing.oracle import expected_labels, split_items

RESOURCES = Resources(10**9, 2)
WORDS = ["visas", "air-travel", "schengen", "usa", "Zürich", "köln", "it's", "東京"]
WRITE = {
    ",": ", ".join,
    ";": ";".join,
    "|": " | ".join,
    "<>": lambda items: "".join(f"<{item}>" for item in items),
    "json": json.dumps,
}
DAY_US = 86_400_000_000
ANCHORS = [
    (dt.datetime(2021, 1, 1) + dt.timedelta(days=d) - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    for d in (30, 60)
]
QUERIES = {
    "COUNT(posts.* WHERE posts.tags CONTAINS 'Zürich', 0, 30)": float,
    "COUNT(posts.* WHERE posts.tags NOT CONTAINS 'usa', 0, 30)": float,
    "COUNT_DISTINCT(posts.tags, 0, 30)": float,
    "LAST(posts.tags, 0, 30) CONTAINS 'it''s'": bool,
    "FIRST(posts.tags, 0, 30) CONTAINS 'visas'": bool,
    "LIST_DISTINCT(posts.tags, 0, 30) CONTAINS '東京'": bool,
    "LIST_DISTINCT(posts.tags, 0, 30) CLASSIFY": list,
    "LIST_DISTINCT(posts.tags WHERE posts.tags CONTAINS 'usa', 0, 30) RANK TOP 3": list,
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return open_engine(RESOURCES, tmp_path_factory.mktemp("engine"))


def make_frames(separator: str) -> dict[str, pa.Table]:
    rng = random.Random(4)
    lists = [[rng.choice(WORDS) for _ in range(rng.choice([1, 1, 2, 3, 4]))] for _ in range(400)]
    texts = [None if rng.random() < 0.1 else WRITE[separator](items) for items in lists]
    start = dt.datetime(2021, 1, 1)
    at = [start + dt.timedelta(hours=6 * i) for i in range(400)]
    users = [rng.randint(1, 12) for _ in range(400)]
    return {
        "users": pa.table({"id": list(range(1, 13)), "joined": [start] * 12}),
        "posts": pa.table({"id": list(range(400)), "user_id": users, "created": at, "tags": texts}),
    }


@pytest.fixture(scope="module", params=list(WRITE))
def tables(request, tmp_path_factory):
    """Profiled, prepared and opened as any raw table is; nothing is said about the column."""
    folder = tmp_path_factory.mktemp("items")
    snapshot = take_snapshot(connect(make_frames(request.param)), folder / "snapshot", resources=RESOURCES)
    paths = snapshot.paths(folder / "snapshot")
    schema = profile_snapshot(paths, resources=RESOURCES).schema
    tags = schema.table("posts").column("tags")
    assert (tags.stype, tags.separator) == (Stype.MULTICATEGORICAL, request.param)
    prepared = prepare_tables(paths, schema, folder / "out", resources=RESOURCES)
    with Tables(prepared.schema, prepared.paths(folder / "out"), RESOURCES, folder / "scratch") as opened:
        yield opened


@pytest.fixture(scope="module")
def plain_rows():
    """The rows with their lists separated by commas, for the loops."""
    frames = make_frames(",")
    users = [{**r, "__row": i, "__time": r["joined"]} for i, r in enumerate(frames["users"].to_pylist())]
    posts = [{**r, "__row": i, "__time": r["created"]} for i, r in enumerate(frames["posts"].to_pylist())]
    return {"users": users, "posts": posts}


@pytest.mark.parametrize("target", list(QUERIES))
def test_every_separator_gives_the_labels_of_plain_loops_over_commas(target, tables, plain_rows):
    query = compile_query(f"PREDICT {target} FOR EACH users.id", tables.schema)
    found = rows_of(compute_labels(tables, query, layout_of(query, ANCHORS)))
    with_commas = _with_separator(tables.schema, ",")
    query = compile_query(f"PREDICT {target} FOR EACH users.id", with_commas)
    wanted = expected_labels(with_commas, plain_rows, query, ANCHORS)
    assert len({str(label.label) for label in wanted}) > 1 and type(wanted[0].label) is QUERIES[target]
    assert_same(found, wanted)


def test_the_text_itself_is_still_there(tables):
    """Comparisons and LIKE read what the source holds."""
    separator = tables.schema.table("posts").column("tags").separator
    found = tables.fetch(tables.table("posts").select("id", "tags").order_by("id"))["tags"].to_pylist()
    assert found == make_frames(separator)["posts"]["tags"].to_pylist()


@pytest.mark.parametrize(
    ("separator", "text", "items"),
    [
        ("<>", "<a><b c><a>", {"a", "b c"}),
        ("<>", "< a >\n<>", {"a"}),
        ("json", ' ["a", " b ", "a", null, 1, 2.5, true, ""] ', {"a", "b", "1", "2.5", "true"}),
        ("json", '["\\u00fc", "it\'s"]', {"ü", "it's"}),
        ("json", "", set()),
        ("json", "[]", set()),
        ("json", "[a", None),
        (",", ",a,, b\u00a0,\u3000c\t,a", {"a", "b", "c"}),
        (None, "a,b", {"a", "b"}),
        ("|", "a|b", {"a", "b"}),
        (".", "a.b", {"a", "b"}),
        (";", "", set()),
        (";", None, None),
    ],
)
def test_items_are_trimmed_different_and_not_empty(separator, text, items, engine):
    engine.con.execute("CREATE OR REPLACE TABLE texts AS SELECT ?::VARCHAR AS text", [text])
    texts = engine.table("texts")
    expression = texts.select(items=items_of(texts["text"], separator))
    found = engine.con.sql(engine.compile(expression)).fetchall()[0][0]
    plain = split_items(text, separator)
    assert (None if found is None else sorted(found)) == (None if items is None else sorted(items))
    assert (None if plain is None else set(plain)) == items


def _with_separator(schema, separator):
    def alter(table):
        columns = [replace(c, separator=separator) if c.separator else c for c in table.columns]
        return replace(table, columns=tuple(columns))

    return replace(schema, tables=tuple(alter(t) for t in schema.tables))
