"""Whatever the text, the answer is a query or an error that explains itself."""

import re

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pql_trees import statements
from test_printer import QUERIES

from weft.core import UserError, from_json, to_json
from weft.pql import compile_query, describe, format_statement
from weft.pql.query import Query

TOKENS = sorted(set(re.findall(r"\w+\.\w+|\w+|[^\w\s]", " ".join(QUERIES))))
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
ERROR = re.compile(r"PQL\d{3}: .*\n(?:  .*)?\n *\^+\nHint: .+[.?]", re.DOTALL)


def check(text, schema):
    try:
        query = compile_query(text, schema)
    except UserError as error:
        assert ERROR.fullmatch(str(error)), str(error)
        return
    assert from_json(Query, to_json(query)) == query
    assert compile_query(query.canonical, schema).canonical == query.canonical
    assert describe(query)


@settings(max_examples=300, deadline=None)
@example(text="PREDICT")
@example(text="'")
@example(text="\\")
@example(text="--")
@example(text="PREDICT a.b FOR EACH a.b WHERE a.b = 1 \x00")
@given(text=st.text())
def test_random_text_gives_only_coded_errors(text, schema):
    check(text, schema)


@settings(max_examples=300, deadline=None)
@given(words=st.lists(st.sampled_from(TOKENS), max_size=30))
def test_random_words_give_only_coded_errors(words, schema):
    check(" ".join(words), schema)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_mutated_queries_give_only_coded_errors(data, schema):
    text = data.draw(st.sampled_from(QUERIES))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, min(len(text), start + 12)))
        put = data.draw(st.sampled_from([*TOKENS, "", " ", "\n"]) | st.text(max_size=2))
        text = text[:start] + put + text[stop:]
    check(text, schema)


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(statement=statements)
def test_random_trees_give_only_coded_errors(statement, schema):
    check(format_statement(statement), schema)


PARTS = {
    "target": [
        "COUNT(orders.*, 0, 30)",
        "SUM(items.price, 0, 2, weeks)",
        "LAST(orders.status, 0, 30)",
        "users.age",
        "users.is_member",
        "LIST_DISTINCT(items.product_id, 0, 7)",
        "MAX(orders.order_date, 0, 7)",
        "users.tags",
        "EXISTS(orders.*, 0, 7)",
        "3",
    ],
    "more": [
        "",
        " > 3",
        " + 1",
        " IN (1, 2)",
        " = 'paid'",
        " IS NULL",
        " CONTAINS 'x'",
        " BETWEEN 1 AND 2",
        " / users.age",
    ],
    "answer": ["", " CLASSIFY", " RANK TOP 3", " FORECAST 3 TIMEFRAMES"],
    "entity": [" FOR EACH users.user_id", " FOR users.user_id = 3", " FOR EACH stores.store_id IN ('a')"],
    "where": ["", " WHERE users.age > 3", " WHERE COUNT(orders.*, -INF, 0) > 2 AND users.is_member"],
    "assuming": ["", " ASSUMING EXISTS(orders.*, 0, 7)", " ASSUMING stores.region = 'x'"],
}


@settings(max_examples=400, deadline=None)
@given(parts=st.tuples(*(st.sampled_from(options) for options in PARTS.values())))
def test_combined_clauses_give_only_coded_errors(parts, schema):
    check("PREDICT " + "".join(parts), schema)
