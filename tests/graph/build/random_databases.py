"""Random databases: every kind of key and column, links of every shape, times that are hard."""

from __future__ import annotations

import uuid
from random import Random

from build_kit import Rows
from hypothesis import strategies as st

from weft.core import TIME, Column, Dtype, Link, Schema, Stype, Table

NAMES = ("a", "b", "c", "d")
KEY_KINDS = ("dense", "sparse", "text", "uuid", "composite", "number", "moment", "flag", "none")


def make_key(kind: str, number: int) -> tuple[object, ...]:
    """The ``number``-th key of a kind; different numbers give different keys."""
    if kind == "dense":
        return (number - 3,)
    if kind == "sparse":
        return ((number * 2_654_435_761_987) % (2**61) - 2**60,)
    if kind == "text":
        return ("" if number == 0 else f"käse {number * 7}",)
    if kind == "uuid":
        return (str(uuid.UUID(int=number * 0x1234567890ABCDEF1234567890ABCDEF % 2**128)),)
    if kind == "composite":
        return (number // 3, f"{number % 3}")
    if kind == "number":
        return (number / 4 - 1,)
    if kind == "moment":
        return (number * 1_000_003,)
    return (number % 2 == 1,)


KEY_COLUMNS = {
    "dense": (Dtype.INT,),
    "sparse": (Dtype.INT,),
    "text": (Dtype.STRING,),
    "uuid": (Dtype.STRING,),
    "composite": (Dtype.INT, Dtype.STRING),
    "number": (Dtype.FLOAT,),
    "moment": (Dtype.TIMESTAMP,),
    "flag": (Dtype.BOOL,),
    "none": (),
}
INTS = st.one_of(st.integers(-9, 9), st.integers(-(2**24), 2**24), st.integers(-(2**63) + 1, 2**63 - 1))
FLOATS = st.one_of(st.integers(-9, 9).map(float), st.floats(allow_nan=False))
TEXTS = st.one_of(st.sampled_from(["x", "y", ""]), st.text(max_size=6))
TIMES = {
    "none": st.none(),
    "seconds": st.integers(-5, 5).map(lambda s: s * 1_000_000),
    "fine": st.one_of(st.none(), st.integers(0, 10**15), st.sampled_from([0, 10**15, 5 * 10**14])),
    "close": st.one_of(st.none(), st.integers(0, 40_000).map(lambda d: d + 10**15), st.just(-(10**17))),
}
FEATURES = {
    "f_int": (Dtype.INT, Stype.NUMERICAL, INTS),
    "f_small": (Dtype.INT, Stype.NUMERICAL, st.integers(-99, 99)),
    "f_float": (Dtype.FLOAT, Stype.NUMERICAL, FLOATS),
    "f_code": (Dtype.INT, Stype.CATEGORICAL, st.integers(-3, 3)),
    "f_fcode": (Dtype.FLOAT, Stype.CATEGORICAL, st.sampled_from([0.0, 1.5, -1.0])),
    "f_text": (Dtype.STRING, Stype.TEXT, TEXTS),
    "f_many": (Dtype.STRING, Stype.MULTICATEGORICAL, TEXTS),
    "f_bool": (Dtype.BOOL, Stype.CATEGORICAL, st.booleans()),
    "f_time": (Dtype.TIMESTAMP, Stype.TIMESTAMP, st.integers(0, 10**15)),
    "f_vector": (
        Dtype.VECTOR,
        Stype.EMBEDDING,
        st.lists(st.one_of(st.none(), st.floats(width=32, allow_nan=False)), min_size=3, max_size=3),
    ),
    "f_id": (Dtype.INT, Stype.ID, INTS),
}


@st.composite
def databases(draw: st.DrawFn) -> tuple[Schema, Rows]:
    """A schema of one to four tables, and rows of their prepared tables."""
    names = NAMES[: draw(st.integers(1, 4))]
    kinds = {n: draw(st.sampled_from(KEY_KINDS)) for n in names}
    sizes = {n: draw(st.sampled_from([0, 1, 2, 9, 40, 130])) for n in names}
    for name in names:
        sizes[name] = min(sizes[name], 2) if kinds[name] == "flag" else sizes[name]
    links = draw_links(draw, names, kinds)
    features = {n: draw(st.lists(st.sampled_from(sorted(FEATURES)), unique=True, max_size=4)) for n in names}
    tables = tuple(make_table(n, kinds, features[n], links[n]) for n in names)
    found = tuple(k for n in names for k in links[n])
    rows = {n: draw_rows(draw, n, kinds, sizes, links[n], features[n]) for n in names}
    return Schema(tables, found), rows


def key_names(kind: str) -> tuple[str, ...]:
    return tuple(f"k{i}" for i in range(len(KEY_COLUMNS[kind])))


OTHER_KEY = "other"


def draw_links(draw: st.DrawFn, names: tuple[str, ...], kinds: dict[str, str]) -> dict[str, list[Link]]:
    links: dict[str, list[Link]] = {n: [] for n in names}
    keyed = [n for n in names if kinds[n] != "none"]
    for name in names:
        if keyed and draw(st.integers(0, 3)) == 0:
            parent = draw(st.sampled_from(names))
            links[name].append(Link(name, ("to_other",), parent, (OTHER_KEY,)))
        parents = draw(st.lists(st.sampled_from(keyed), max_size=3)) if keyed else []
        for number, parent in enumerate(parents):
            key = key_names(kinds[parent])
            columns = tuple(f"to{number}_{c}" for c in key)
            if len(key) > 1 and draw(st.booleans()):
                key, columns = key[::-1], columns[::-1]
            links[name].append(Link(name, columns, parent, key))
    return links


def make_table(name: str, kinds: dict[str, str], features: list[str], links: list[Link]) -> Table:
    own = key_names(kinds[name])
    columns = [Column(c, d, Stype.ID) for c, d in zip(own, KEY_COLUMNS[kinds[name]], strict=True)]
    columns += [Column(f, FEATURES[f][0], FEATURES[f][1]) for f in features]
    columns.append(Column(OTHER_KEY, Dtype.INT, Stype.ID))
    for link in links:
        if link.parent_columns == (OTHER_KEY,):
            columns.append(Column(link.columns[0], Dtype.INT, Stype.ID))
            continue
        dtypes = dict(zip(key_names(kinds[link.parent]), KEY_COLUMNS[kinds[link.parent]], strict=True))
        pairs = zip(link.columns, link.parent_columns, strict=True)
        columns += [Column(c, dtypes[p], Stype.CATEGORICAL) for c, p in pairs]
    return Table(name, tuple(columns), own)


def draw_rows(
    draw: st.DrawFn,
    name: str,
    kinds: dict[str, str],
    sizes: dict[str, int],
    links: list[Link],
    features: list[str],
) -> list[dict[str, object]]:
    times = TIMES[draw(st.sampled_from(sorted(TIMES)))]
    random = draw(st.randoms(use_true_random=False))
    pools = {f: draw(st.lists(FEATURES[f][2], min_size=1, max_size=12)) for f in features}
    moments = draw(st.lists(times, min_size=1, max_size=12))
    order = list(range(sizes[name]))
    random.shuffle(order)
    rows = []
    for number in order:
        row: dict[str, object] = {TIME: random.choice(moments)}
        row[OTHER_KEY] = number * 5 if number % 4 else None
        row |= zip(
            key_names(kinds[name]),
            make_key(kinds[name], number) if kinds[name] != "none" else (),
            strict=True,
        )
        for feature in features:
            row[feature] = None if random.random() < 0.2 else random.choice(pools[feature])
        for link in links:
            row |= draw_foreign_key(random, link, kinds, sizes)
        rows.append(row)
    return rows


def draw_foreign_key(
    random: Random, link: Link, kinds: dict[str, str], sizes: dict[str, int]
) -> dict[str, object]:
    """A key of the parent, skewed to the first ones; sometimes missing in part, sometimes of nobody."""
    size = sizes[link.parent]
    if link.parent_columns == (OTHER_KEY,):
        return {link.columns[0]: random.choice([None, 5 * int((size + 2) * random.random() ** 2)])}
    kind = kinds[link.parent]
    number = int(size * random.random() ** 3)
    if size == 0 or (kind != "flag" and random.random() < 0.1):
        number = size + random.randrange(5)
    key = dict(zip(key_names(kind), make_key(kind, number), strict=True))
    found = {c: key[p] for c, p in zip(link.columns, link.parent_columns, strict=True)}
    if random.random() < 0.15:
        found[random.choice(sorted(found))] = None
    return found
