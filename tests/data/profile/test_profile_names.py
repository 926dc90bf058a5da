"""Names are split, brought to the singular, and matched with tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.data.profile.names import TableNames, is_same_noun, is_strong_key, key_stem, split_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("order_id", ("order", "id")),
        ("orderID", ("order", "id")),
        ("ORDER ID", ("order", "id")),
        ("HTMLBody", ("html", "body")),
        ("KundenNr", ("kunden", "nr")),
        ("Größe", ("größe",)),
        ("a1", ("a", "1")),
        ("", ()),
    ],
)
def test_names_are_split_into_words(name, words):
    assert split_words(name) == words


@pytest.mark.parametrize("word", ["grid", "paid", "valid", "bid", "position", "number_of_rooms"])
def test_words_that_only_look_like_keys_are_none(word):
    assert key_stem(word) is None


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("user", "users", True),
        ("category", "categories", True),
        ("address", "addresses", True),
        ("box", "boxes", True),
        ("person", "people", True),
        ("child", "children", True),
        ("status", "statuses", True),
        ("kunde", "kunden", True),
        ("ad", "ads", True),
        ("post", "poster", False),
        ("review", "reviewer", False),
        ("order", "border", False),
    ],
)
def test_nouns_are_compared_without_their_number(left, right, same):
    assert is_same_noun(left, right) is same
    assert is_same_noun(right, left) is same


def test_the_longest_table_name_wins():
    names = TableNames(["orders", "items", "order_items"])
    assert set(names.best(("order", "item"))) == {"order_items"}
    assert set(names.best(("order",))) == {"orders"}


def test_a_prefix_that_all_tables_share_is_ignored():
    names = TableNames(["shop_orders_dataset", "shop_users_dataset", "shop_items_dataset"])
    assert names.words("shop_orders_dataset") == ("orders",)
    assert names.named_by(("user",), "shop_users_dataset") == 1.0


def test_numbers_in_key_names_tell_columns_apart_only():
    assert key_stem("user1_id") == ("user",)
    assert is_strong_key("user_id_2")


@given(st.text(max_size=30))
def test_any_name_can_be_read(name):
    assert all(w == w.lower() and w for w in split_words(name))
    key_stem(name)
    is_strong_key(name)
    TableNames([name or "t", "users", "orders"]).best(split_words(name))
