"""Which rows are predicted."""

import pyarrow as pa
import pytest
from shops import open_shop, order, user

from weft.core import UserError, parse_time, to_micros
from weft.data.labels import build_seeds
from weft.pql import compile_query
from weft.testing.tiny import day

COUNT = "PREDICT COUNT(orders.*, 0, 7) FOR EACH users.user_id"


def at(number):
    return to_micros(day(number))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """User 1 leaves on day 50, user 3 comes on day 60; the last order is on day 99."""
    users = [user(1, joined=day(0), left=day(50)), user(2, joined=day(0)), user(3, joined=day(60))]
    directory = tmp_path_factory.mktemp("shop")
    with open_shop(directory, users=users, has_time=True, has_end=True) as tables:
        yield tables


def seeds(tables, text=COUNT, **choice):
    return build_seeds(tables, compile_query(text, tables.schema), **choice)


def keys(tables, text=COUNT, **choice):
    return seeds(tables, text, **choice)["entity"].to_pylist()


def test_all_who_are_there_at_the_last_fact_are_predicted(shop):
    found = seeds(shop)
    assert found.schema == pa.schema(
        {"entity": pa.int64(), "anchor_time": pa.timestamp("us"), "cutoff": pa.timestamp("us")}
    )
    assert found.to_pylist() == [
        {"entity": 2, "anchor_time": day(99), "cutoff": day(99)},
        {"entity": 3, "anchor_time": day(99), "cutoff": day(99)},
    ]


def test_any_later_or_earlier_instant_of_the_data_may_be_chosen(shop):
    assert keys(shop, at_us=at(10)) == [1, 2]
    assert keys(shop, at_us=at(500)) == [2, 3]


def test_an_instant_before_the_data_is_refused(shop):
    with pytest.raises(
        UserError, match=r"DATA076: .* 2019-06-01, is before the data, which starts 2020-01-01"
    ):
        seeds(shop, at_us=parse_time("2019-06-01"))


def test_where_applies_to_prediction(shop):
    text = COUNT + " WHERE COUNT(orders.*, -7, 0) > 3"
    assert keys(shop, text, at_us=at(10)) == [1, 2]
    assert keys(shop, text, at_us=at(9)) == [1]


def test_assuming_does_not_apply_to_prediction(shop):
    assert keys(shop, COUNT + " ASSUMING COUNT(orders.*, 0, 7) > 100") == [2, 3]


def test_the_keys_after_for_are_predicted(shop):
    assert keys(shop, COUNT.replace("users.user_id", "users.user_id IN (3, 2, 3)")) == [2, 3]
    assert keys(shop, COUNT.replace("users.user_id", "users.user_id = 2")) == [2]


def test_a_prediction_past_the_end_of_the_calendar_is_refused(shop):
    with pytest.raises(UserError, match="DATA098: what is predicted at 9999-12-30 lies past"):
        seeds(shop, at_us=parse_time("9999-12-30"))


def test_given_keys_come_before_those_of_the_query(shop):
    assert keys(shop, COUNT.replace("users.user_id", "users.user_id = 2"), entities=[3]) == [3]


def test_a_long_list_of_keys_is_not_written_into_the_query(tmp_path):
    users = [user(i) for i in range(1500)]
    with open_shop(tmp_path, users=users) as tables:
        assert keys(tables, entities=list(range(1, 1400))) == list(range(1, 1400))


def test_unknown_keys_are_named(shop):
    with pytest.raises(UserError, match=r"DATA077: users.user_id does not hold 7, 8, 9, 10, 11 and 2 more"):
        seeds(shop, entities=[2, *range(7, 14)])
    with pytest.raises(UserError, match=r"DATA077: users.user_id does not hold 'x'"):
        seeds(shop, entities=[2, "x"])
    with pytest.raises(UserError, match=r"DATA077: users.user_id does not hold 99999999999999999999"):
        seeds(shop, entities=[10**20 - 1])


def test_keys_that_are_not_there_are_named(shop):
    with pytest.raises(UserError, match=r"DATA078: users 1 does not exist at 2020-04-09"):
        seeds(shop, entities=[1, 2])
    with pytest.raises(UserError, match=r"DATA078: users 3 does not exist at 2020-01-11"):
        seeds(shop, entities=[3], at_us=at(10))


def test_nobody_left_to_predict_is_an_error(shop):
    with pytest.raises(UserError, match="DATA079"):
        seeds(shop, COUNT + " WHERE users.age > 1000")
    with pytest.raises(UserError, match="DATA079"):
        seeds(shop, entities=[])


def test_static_queries_predict_what_has_no_label(tmp_path):
    users = [user(1, age=None, joined=day(3)), user(2, joined=day(1)), user(3, age=None, joined=day(0))]
    with open_shop(tmp_path, users=users, has_time=True, orders=[order(0, 1, 5)]) as tables:
        text = "PREDICT users.age FOR EACH users.user_id"
        assert seeds(tables, text).to_pylist() == [
            {"entity": 3, "anchor_time": day(0), "cutoff": day(0)},
            {"entity": 1, "anchor_time": day(3), "cutoff": day(3)},
        ]
        assert keys(tables, text, entities=[2, 3]) == [3, 2]
        with pytest.raises(UserError, match="DATA087"):
            seeds(tables, text, at_us=at(4))
