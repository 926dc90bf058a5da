"""Random columns for the fuzz test of the whole job: every Arrow type, and values at the ends of each."""

import datetime as dt
import decimal
import math
import random

import pyarrow as pa

FIRST = dt.datetime(2020, 1, 1)
DAY = dt.timedelta(days=1)
WORDS = [
    "a",
    "b",
    "ab",
    "",
    " ",
    "it's",
    'say "x"',
    "ü",
    "表",
    "a,b",
    "NULL",
    "nan",
    "-inf",
    "1",
    "0x1",
    "\n",
    "%_",
]
LAST_YEAR = dt.datetime(9999, 12, 31, 23, 59, 59, 999999)


def _draw(make, kind, nulls=0.1):
    """A column of ``kind`` whose values ``make`` draws."""

    def column(rng, n):
        return pa.array([None if rng.random() < nulls else make(rng) for _ in range(n)], kind)

    return column


def _instant(rng, days=600):
    return FIRST + rng.random() * days * DAY


def _edge_instant(rng):
    return rng.choice([dt.datetime(1, 1, 1), LAST_YEAR, dt.datetime(1970, 1, 1), _instant(rng)])


def _number(rng):
    ends = [math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1.7e308, -1.7e308]
    return rng.choice(ends) if rng.random() < 0.2 else rng.gauss(0, 10)


def _mixed_text(rng):
    return rng.choice([rng.choice(WORDS), str(rng.randint(0, 9)), str(_instant(rng).date()), "1.5", "true"])


COLUMNS = {
    "amount": _draw(lambda r: round(r.random() * 100, 2), pa.float64()),
    "n": _draw(lambda r: r.randint(-2, 9), pa.int64()),
    "flag": _draw(lambda r: r.random() < 0.5, pa.bool_()),
    "text": _draw(lambda r: r.choice("abc"), pa.string()),
    "when": _draw(_instant, pa.timestamp("us")),
    "tags": _draw(lambda r: ",".join(r.choice("abc") for _ in range(r.randint(0, 3))), pa.string()),
    "x y": _draw(_number, pa.float64()),
    "edge_time": _draw(_edge_instant, pa.timestamp("us")),
    "huge": _draw(lambda r: r.choice([2**63 - 1, -(2**63), 0, 2**53 + 1]), pa.int64()),
    "unsigned": _draw(lambda r: r.choice([2**64 - 1, 0, 2**63]), pa.uint64()),
    "tiny": _draw(lambda r: r.randint(-128, 127), pa.int8()),
    "half": _draw(lambda r: r.random(), pa.float32()),
    "word": _draw(lambda r: r.choice(WORDS), pa.string()),
    "mixed": _draw(_mixed_text, pa.string()),
    "long text": _draw(lambda r: " ".join(r.choice(WORDS) for _ in range(40)), pa.large_string()),
    "date": _draw(lambda r: _instant(r).date(), pa.date32()),
    "far date": _draw(lambda r: r.choice([dt.date(1, 1, 1), dt.date(9999, 12, 31)]), pa.date32()),
    "nanos": _draw(lambda r: r.randint(1_577_836_800, 1_609_459_200) * 10**9 + 1, pa.timestamp("ns")),
    "zoned": _draw(_instant, pa.timestamp("us", "Europe/Berlin")),
    "clock": _draw(lambda r: dt.time(r.randint(0, 23), 59), pa.time64("us")),
    "lapse": _draw(lambda r: dt.timedelta(days=r.randint(-9, 9)), pa.duration("us")),
    "money": _draw(lambda r: decimal.Decimal(r.randint(-9, 9)).scaleb(27), pa.decimal128(38, 10)),
    "nothing": _draw(lambda r: None, pa.null(), 1.0),
    "no words": _draw(lambda r: None, pa.string(), 1.0),
    "no times": _draw(lambda r: None, pa.timestamp("us"), 1.0),
    "same": _draw(lambda r: 7, pa.int64(), 0.0),
    "bytes": _draw(lambda r: bytes([r.randint(0, 255)]) * 3, pa.binary()),
    "list": _draw(lambda r: [r.choice(WORDS) for _ in range(r.randint(0, 3))], pa.list_(pa.string())),
    "numbers": _draw(lambda r: [r.randint(0, 3)] * r.randint(0, 3), pa.list_(pa.int64())),
    "vector": _draw(lambda r: [r.random() for _ in range(4)], pa.list_(pa.float32(), 4)),
    "pair": _draw(
        lambda r: {"p": r.randint(0, 3), "q": "x"}, pa.struct([("p", pa.int64()), ("q", pa.string())])
    ),
    "map": _draw(lambda r: [("k", r.randint(0, 3))], pa.map_(pa.string(), pa.int64())),
    "level": _draw(lambda r: r.choice(["low", "high"]), pa.dictionary(pa.int32(), pa.string())),
    "json": _draw(lambda r: '{"a": [1, "x"]}', pa.string()),
    "unix": _draw(lambda r: 1_577_836_800 + r.randint(0, 10**7), pa.int64()),
    "day text": _draw(lambda r: _instant(r).strftime(r.choice(["%d/%m/%Y", "%Y-%m-%d"])), pa.string()),
}
USUAL = ["amount", "n", "flag", "text", "when", "tags", "x y"]
ODD_NAMES = [
    "select", "Größe", "a b", 'quo"te', "it's", "back`tick", "表", "NULL", "1st", "PREDICT", "for", "😀",
    "per%cent", "semi;colon", "dot.name", "__row", "__time", "entity", "label", "anchor_time", "split",
    "cutoff", "Text", "{x}", "line\nbreak", "[square]", "x" * 80, "-", "*", "\u202eabc",
]  # fmt: skip


def times(rng, n):
    """The time column of a table: mostly usual, sometimes with nulls, ties or the ends of the calendar."""
    kind = rng.choice(["usual"] * 6 + ["nulls", "ties", "ends", "future", "one"])
    if kind == "ends":
        return pa.array([_edge_instant(rng) for _ in range(n)], pa.timestamp("us"))
    if kind == "one":
        return pa.array([FIRST] * n, pa.timestamp("us"))
    values = [_instant(rng) + (365 * 60 * DAY if kind == "future" else 0 * DAY) for _ in range(n)]
    if kind == "ties":
        values = [v.replace(day=1, hour=0, minute=0, second=0, microsecond=0) for v in values]
    if kind == "nulls":
        values = [None if rng.random() < 0.5 else v for v in values]
    return pa.array(values, pa.timestamp("us"))


def keys(rng, n, kind):
    """A primary key of ``n`` values, now and then with repeated or null ones."""
    numbers = list(range(1, n + 1))
    if rng.random() < 0.15:
        numbers = [rng.randint(1, max(1, n)) for _ in range(n)]
    made = {"int": int, "text": lambda i: f"k{i}", "float": float, "odd": lambda i: f"ключ '{i}' \"`"}[kind]
    missing = 0.1 if rng.random() < 0.1 else 0.0
    return [None if rng.random() < missing else made(i) for i in numbers]


def seeded(seed):
    """The generator of a case: its seed is all that is needed to run it again."""
    return random.Random(seed)
