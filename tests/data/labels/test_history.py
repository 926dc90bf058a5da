"""Which entities had history: rows that link to them by the cutoff, and labels that were given."""

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shops import LINKS, ORDERS, PRODUCTS, USERS, open_shop, order, user

from weft.core import History, Schema, Table, to_micros
from weft.data import build_labels, find_history
from weft.pql import compile_query
from weft.testing.tiny import day, open_rows, prepare_rows

COUNT = "PREDICT COUNT(orders.*, 0, 7) FOR EACH users.user_id"


def seeds_of(*rows):
    """Seeds of (user, cutoff, anchor) in days; the anchor is the cutoff where it is left out."""
    return pa.table(
        {
            "entity": pa.array([r[0] for r in rows], pa.int64()),
            "anchor_time": pa.array([day(r[-1]) for r in rows], pa.timestamp("us")),
            "cutoff": pa.array([day(r[1]) for r in rows], pa.timestamp("us")),
        }
    )


def has_history(tables, seeds, query=COUNT, **rest):
    found = find_history(tables, compile_query(query, tables.schema), seeds, **rest)
    return None if found is None else found.tolist()


def test_a_row_that_links_to_the_entity_counts_from_its_own_instant_on(tmp_path):
    orders = [order(1, 1, 10), order(2, 1, 30), order(3, 2, 20)]
    with open_shop(tmp_path, users=[user(1), user(2), user(3)], orders=orders) as tables:
        asked = seeds_of((1, 9), (1, 10), (1, 40), (2, 19), (2, 20), (3, 99))
        assert has_history(tables, asked) == [False, True, True, False, True, False]


def test_what_a_frozen_row_may_not_see_is_no_history(tmp_path):
    with open_shop(tmp_path, users=[user(1)], orders=[order(1, 1, 10)]) as tables:
        assert has_history(tables, seeds_of((1, 5, 20), (1, 15, 20))) == [False, True]


def test_rows_are_seen_once_their_entity_is_there_as_features_see_them(tmp_path):
    users = [user(1, joined=day(20))]
    with open_shop(tmp_path, users=users, orders=[order(1, 1, 10)], has_time=True) as tables:
        assert has_history(tables, seeds_of((1, 15), (1, 20))) == [False, True]


def test_rows_without_a_time_are_history_always(tmp_path):
    timeless = Table("orders", ORDERS.columns, ORDERS.primary_key)
    schema = Schema((USERS, timeless, PRODUCTS), LINKS)
    rows = {"users": [user(1), user(2)], "orders": [order(1, 1, 50)], "products": [{"product_id": "p1"}]}
    with open_rows(schema, prepare_rows(schema, rows), tmp_path) as tables:
        asked = seeds_of((1, 0), (2, 99))
        assert has_history(tables, asked, "PREDICT users.age FOR EACH users.user_id") == [True, False]


def test_links_over_excluded_columns_are_not_walked(tmp_path):
    with open_shop(tmp_path, users=[user(1)], orders=[order(1, 1, 10)]) as tables:
        link = ("orders", "user_id")
        assert has_history(tables, seeds_of((1, 20)), excluded=frozenset([link])) is None
        known = {link: to_micros(day(30))}
        assert has_history(tables, seeds_of((1, 20), (1, 30)), as_of=known) == [False, True]


def test_where_nothing_links_to_the_entity_there_is_nothing_to_tell_apart(tmp_path):
    query = "PREDICT orders.amount FOR EACH orders.order_id"
    with open_shop(tmp_path, users=[user(1)], orders=[order(1, 1, 10)]) as tables:
        assert has_history(tables, seeds_of((1, 20)), query) is None


def test_a_label_that_was_given_is_history_once_its_window_has_ended(tmp_path):
    given_labels = seeds_of((2, 10), (3, 10))
    with open_shop(tmp_path, users=[user(1), user(2), user(3)], orders=[order(1, 1, 5)]) as tables:
        asked = seeds_of((1, 16), (2, 16), (2, 17), (3, 10))
        assert has_history(tables, asked, past_labels=given_labels) == [True, False, True, False]
        assert has_history(tables, asked) == [True, False, False, False]


def test_labels_that_are_computed_add_nothing_to_the_rows_they_are_made_of(tmp_path):
    users = [user(1), user(2)]
    with open_shop(tmp_path, users=users, orders=[order(i, 1, i) for i in range(99)]) as tables:
        query = compile_query(COUNT, tables.schema)
        labels = build_labels(tables, query, history=History.SEED_TIME).table
        found = find_history(tables, query, labels).tolist()
        assert found == [entity == 1 for entity in labels["entity"].to_pylist()]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    ordered=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30)), max_size=12),
    joined=st.lists(st.integers(0, 30), min_size=4, max_size=4),
    asked=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 31)), min_size=1, max_size=12),
)
def test_it_is_what_three_plain_lines_say(tmp_path_factory, ordered, joined, asked):
    users = [user(i, joined=day(at)) for i, at in enumerate(joined, 1)]
    orders = [order(n, of, at) for n, (of, at) in enumerate(ordered)]
    with open_shop(tmp_path_factory.mktemp("any"), users=users, orders=orders, has_time=True) as tables:
        found = has_history(tables, seeds_of(*asked))
    expected = [any(of == u and max(at, joined[u - 1]) <= cut for of, at in ordered) for u, cut in asked]
    assert found == expected


def test_a_seed_of_an_unknown_entity_has_no_history(tmp_path):
    with open_shop(tmp_path, users=[user(1)], orders=[order(1, 1, 10)]) as tables:
        assert has_history(tables, seeds_of(*[(77, 20)] * 3)) == [False] * 3
