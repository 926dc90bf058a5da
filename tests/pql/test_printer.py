"""Parsing what was printed gives the tree that was printed."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pql_trees import statements
from test_golden import FOLDER, read_cases

from weft.core import UserError
from weft.pql import format_statement, parse

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
QUERIES = sorted({query for path in FOLDER.glob("*.txt") for _, query, _ in read_cases(path)})
WORD = re.compile(
    r"\b(?:predict|for|each|where|assuming|and|or|not|in|is|null|like|between|count|sum|days)\b", re.I
)


def parsed(text):
    try:
        return parse(text)
    except UserError:
        return None


PARSED = [q for q in QUERIES if parsed(q)]
PLAIN = [q for q in PARSED if not re.search(r"['\"`#:]|--", q)]


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(statements)
def test_print_then_parse_is_the_identity(statement):
    text = format_statement(statement)
    assert parse(text) == statement
    assert format_statement(parse(text)) == text


@pytest.mark.parametrize("query", PARSED)
def test_the_canonical_form_is_a_fixed_point(query):
    canonical = format_statement(parse(query))
    assert format_statement(parse(canonical)) == canonical
    assert parse(canonical) == parse(query)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_case_spacing_and_comments_do_not_change_the_meaning(data):
    query = data.draw(st.sampled_from(PLAIN))
    change = data.draw(st.sampled_from([str.lower, str.upper, str.title]))
    space = data.draw(st.sampled_from(["  ", "\n", "\t", " # note\n", " -- it's\n "]))
    cased = re.sub(
        r"(?<![.\w])(\w+)(?!\s*\.|\w)", lambda m: change(m[0]) if WORD.fullmatch(m[0]) else m[0], query
    )
    spaced = re.sub(r" (?!-)", lambda _: space, cased)
    assert format_statement(parse(spaced)) == format_statement(parse(query))


@pytest.mark.parametrize("between", ["", " ", "\n", " # note\n ", " -- it's\n", "# a\n\t# b\n"])
def test_a_comment_may_stand_between_a_minus_and_infinity(between):
    query = "PREDICT COUNT(orders.*, 0, 30) > 0 FOR EACH users.user_id WHERE COUNT(orders.*, {}INF, 0) > 3"
    assert parse(query.format(f"-{between}")) == parse(query.format("-"))


def test_spans_point_at_the_words():
    text = "PREDICT SUM(orders.amount WHERE orders.rank > 3, 0, 30) FOR EACH users.user_id"
    target = parse(text).target
    assert text[target.span.start : target.span.stop] == "SUM(orders.amount WHERE orders.rank > 3, 0, 30)"
    assert text[target.where.span.start : target.where.span.stop] == "orders.rank > 3"
    assert text[target.window.span.start : target.window.span.stop] == "0, 30"
    assert text[target.argument.span.start : target.argument.span.stop] == "orders.amount"
