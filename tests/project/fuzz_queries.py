"""Random query text for the fuzz test of the whole job: correct queries, damaged ones, and noise."""

import warnings

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisException

from weft.core import Dtype, Schema, Stype
from weft.testing.queries import paths_to, queries, quoted

NUMBERS = (Dtype.INT, Dtype.FLOAT)
TOKENS = [
    "PREDICT", "FOR EACH", "WHERE", "ASSUMING", "COUNT(", ")", "*", ".", ",", "`", "'", '"', "0", "30",
    "-INF", "days", "AND", "OR", "NOT", "IN (", "NULL", "=", ">", "/ 0", "RANK TOP 3", "CLASSIFY", "VIA",
    "--", "FORECAST 2 TIMEFRAMES", "1e309", "99999999999999999999", "2020-02-30", "\x00", "😀", "LIKE '%'",
    "CONTAINS", "EXISTS(", "BETWEEN",
]  # fmt: skip


def random_query(rng, schema: Schema) -> str:
    """Draw a text: mostly a correct query over ``schema``, sometimes a damaged one, sometimes noise."""
    kind = rng.random()
    if kind < 0.05:
        return " ".join(rng.choice(TOKENS) for _ in range(rng.randint(0, 20)))
    text = _from_grammar(rng, schema) if kind < 0.35 else _over_any_column(rng, schema)
    return _damage(rng, text) if kind > 0.9 else text


def _damage(rng, text):
    for _ in range(rng.randint(1, 3)):
        start = rng.randint(0, len(text))
        text = text[:start] + rng.choice([*TOKENS, "", " "]) + text[start + rng.randint(0, 9) :]
    return text


def _from_grammar(rng, schema):
    """A query of the public strategy, whose columns have the names it knows."""
    entities = [t for t in schema.tables if len(t.primary_key) == 1]
    if not entities:
        return _over_any_column(rng, schema)
    first = rng.choice(entities)
    ordered = Schema((first, *(t for t in schema.tables if t != first)), schema.links)
    drawn = []

    @seed(rng.randint(0, 2**32))
    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(query=queries(ordered) | queries(ordered, is_static=True))
    def collect(query):
        drawn.append(query.canonical)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            collect()
    except (HypothesisException, IndexError):
        # The tables lack the columns that the strategy draws.
        return _over_any_column(rng, schema)
    return rng.choice(drawn) if drawn else _over_any_column(rng, schema)


def _over_any_column(rng, schema):
    """A query of one aggregate or plain column, over columns of any type and name."""
    entities = [t for t in schema.tables if len(t.primary_key) == 1] or list(schema.tables)
    linked = [(e, t) for e in entities for t in schema.tables if paths_to(schema, t.name, e.name)]
    if linked and rng.random() < 0.9:
        entity, table = rng.choice(linked)
        target = _aggregate(rng, schema, table, entity, future=True)
    else:
        entity = table = rng.choice(entities)
        target = quoted(table.name, rng.choice(table.columns).name) + rng.choice(
            ["", "", " IS NULL", " > 1", " = 'a'"]
        )
    key = entity.primary_key[0] if entity.primary_key else entity.columns[0].name
    text = f"PREDICT {target} FOR EACH {quoted(entity.name, key)}"
    if linked and rng.random() < 0.3:
        past = _aggregate(rng, schema, table, entity, future=False) if entity != table else "1"
        text += f" WHERE {past} > 0"
    if rng.random() < 0.1:
        text += f" WHERE {quoted(entity.name, rng.choice(entity.columns).name)} IS NOT NULL"
    return text


def _aggregate(rng, schema, table, entity, *, future):
    paths = paths_to(schema, table.name, entity.name)
    via = ""
    if paths and rng.random() < 0.8:
        path = rng.choice(paths)
        via = " VIA " + ", ".join(quoted(k.table, k.columns[0]) for k in path)
    days = rng.choice([1, 7, 30, 30, 30, 90, 365, 4000])
    window = f"0, {days}, days" if future else f"-{days}, 0, days"
    column = rng.choice(table.columns)
    names = ["COUNT", "COUNT_DISTINCT", "FIRST", "LAST", "MIN", "MAX"]
    if column.dtype in NUMBERS and column.stype is not Stype.ID:
        names += ["SUM", "AVG", "STDDEV", "MEDIAN"] * 2
    if not future:
        return f"COUNT({quoted(table.name, '*')}{via}, {window})"
    kind = rng.random()
    if kind < 0.35:
        call = f"COUNT({quoted(table.name, '*')}{via}, {window})"
        return call + rng.choice(["", " = 0", " > 1", " FORECAST 2 TIMEFRAMES"])
    if kind < 0.5:
        call = f"LIST_DISTINCT({quoted(table.name, column.name)}{via}, {window})"
        return call + rng.choice([" CLASSIFY", " RANK TOP 3"])
    return f"{rng.choice(names)}({quoted(table.name, column.name)}{via}, {window})"
