"""Where anchors lie and which split each belongs to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shops import open_shop, order, user

from weft.core import (
    History,
    Offset,
    Split,
    SplitOptions,
    Unit,
    UserError,
    format_time,
    from_json,
    parse_time,
    to_json,
    to_micros,
)
from weft.data.labels import Layout, build_labels, explain_layout, plan_layout
from weft.data.labels.layout import divide_anchors
from weft.pql import compile_query
from weft.testing.tiny import day

COUNT = "PREDICT COUNT(orders.*, 0, 7) > 3 FOR EACH users.user_id"


def at(number):
    return to_micros(day(number))


def days_of(anchors):
    return [(a - at(0)) / 86_400_000_000 for a in anchors]


def planned(tables, text=COUNT, history=History.SEED_TIME, **options):
    return plan_layout(tables, compile_query(text, tables.schema), SplitOptions(**options), history)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Orders on the days 0 to 99."""
    with open_shop(tmp_path_factory.mktemp("shop")) as tables:
        yield tables


def test_anchors_step_back_from_the_last_fact_by_the_window(shop):
    layout = planned(shop)
    assert layout.last_fact_us == at(99)
    assert days_of(layout.test) == [92]
    assert days_of(layout.val) == [85]
    assert days_of(layout.train) == [8, 15, 22, 29, 36, 43, 50, 57, 64, 71, 78]
    assert layout.straddling == ()


def test_the_longest_window_is_the_step_and_the_largest_end_the_horizon(shop):
    text = "PREDICT COUNT(orders.*, 3, 10) > COUNT(orders.*, 0, 4) FOR EACH users.user_id"
    layout = planned(shop, text)
    assert layout.step == Offset(7)
    assert days_of(layout.test) == [89]
    assert days_of(layout.straddling) == [68, 82]
    assert days_of(layout.val) == [75]


def test_assuming_counts_for_horizon_and_last_fact(shop):
    layout = planned(shop, COUNT + " ASSUMING COUNT(orders.*, 0, 20) > 0")
    assert layout.step == Offset(7)
    assert days_of(layout.test) == [79]


def test_a_window_of_where_is_demanded_before_the_first_anchor(shop):
    layout = planned(shop, COUNT + " WHERE COUNT(orders.*, -30, 0) > 0")
    assert days_of(layout.train)[0] == 36


def test_the_whole_past_demands_nothing_more(shop):
    layout = planned(shop, COUNT + " WHERE COUNT(orders.*, -INF, 0) > 0")
    assert days_of(layout.train)[0] == 8


def test_months_follow_the_calendar(tmp_path):
    text = "PREDICT SUM(orders.amount, 0, 1, months) FOR EACH users.user_id"
    with open_shop(tmp_path, orders=[order(0, 1, 0), order(1, 1, 151)]) as tables:
        layout = planned(tables, text)
    assert format_time(layout.last_fact_us) == "2020-05-31"
    anchors = [format_time(a) for a in (*layout.train, *layout.val, *layout.test)]
    assert anchors == ["2020-02-29", "2020-03-30", "2020-04-30"]
    assert layout.straddling == ()


def test_forecasts_keep_all_frames_before_the_last_fact(shop):
    text = "PREDICT SUM(orders.amount, 0, 7) FORECAST 3 TIMEFRAMES FOR EACH users.user_id"
    layout = planned(shop, text)
    assert days_of(layout.test) == [78]
    assert layout.step == Offset(7) and layout.num_frames == 3
    assert days_of(layout.val) == [57]
    assert len(layout.straddling) == 4


def test_a_step_shorter_than_the_window_leaves_out_what_straddles(shop):
    layout = planned(shop, step=Offset(1))
    count = len(layout.train) + len(layout.val) + len(layout.test) + len(layout.straddling)
    assert count == 86
    assert len(layout.test) == len(layout.val) == 8
    assert len(layout.straddling) == 12


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_fractions_are_of_all_anchors(shop, fraction):
    layout = planned(shop, step=Offset(7), test_fraction=fraction, val_fraction=0.2)
    assert len(layout.test) == max(1, int(13 * fraction))
    assert len(layout.val) == 2


@given(
    step=st.integers(1, 40),
    window=st.integers(1, 40),
    count=st.integers(3, 60),
    fractions=st.tuples(st.floats(0.01, 0.45), st.floats(0.01, 0.45)),
)
@settings(max_examples=200)
def test_no_window_reaches_past_the_first_anchor_of_the_next_split(step, window, count, fractions):
    anchors = [at(-k * step) for k in range(count)]
    options = SplitOptions(val_fraction=fractions[0], test_fraction=fractions[1])
    divided = divide_anchors(anchors, options, lambda a: a + window * 86_400_000_000)
    train, val, test, straddling = divided
    assert sorted(a for part in divided for a in part) == sorted(anchors)
    for earlier, later in ((train, val), (val, test), (train, test)):
        assert not (earlier and later) or max(earlier) + window * 86_400_000_000 <= min(later)
    assert not straddling or window > step


def test_given_times_lay_anchors_as_relbench_does(shop):
    layout = planned(shop, val_start_us=at(50), test_start_us=at(75), num_eval_anchors=40)
    assert days_of(layout.test) == [75, 82, 89]
    assert days_of(layout.val) == [50, 57, 64]
    assert days_of(layout.train) == [1, 8, 15, 22, 29, 36, 43]


def test_given_times_have_one_anchor_each_unless_told(shop):
    layout = planned(shop, val_start_us=at(50), test_start_us=at(75))
    assert days_of(layout.test) == [75] and days_of(layout.val) == [50]


def test_given_times_with_a_short_step_leave_out_train_windows_that_reach_into_val(shop):
    layout = planned(shop, val_start_us=at(50), test_start_us=at(75), step=Offset(3))
    assert days_of(layout.straddling) == [44, 47]
    assert days_of(layout.train)[-1] == 41


def test_a_time_range_bounds_anchors_and_windows(shop):
    layout = planned(shop, start_us=at(20), end_us=at(60))
    assert days_of(layout.test) == [53]
    assert days_of(layout.train)[0] == 25


def test_the_newest_anchors_are_kept_when_there_may_be_fewer(shop):
    assert days_of(planned(shop, max_anchors=4).train) == [71, 78]


def test_frozen_history_ends_at_the_first_anchor_of_the_split(shop):
    layout = planned(shop, history=History.FROZEN, test_fraction=0.3)
    assert len(layout.test) == 3
    assert {layout.cutoff_us(Split.TEST, a) for a in layout.test} == {layout.test[0]}
    assert [layout.cutoff_us(Split.TRAIN, a) for a in layout.train] == list(layout.train)


def test_a_layout_travels_as_json(shop):
    layout = planned(shop, step=Offset(1))
    assert from_json(Layout, to_json(layout)) == layout


def test_a_layout_is_explained_in_words(shop):
    assert explain_layout(planned(shop, step=Offset(5))) == (
        "splits: the newest anchors are test, those before them val",
        "history: seed_time",
        "label window: 7 days; step: 5 days",
        "train: 14 anchors, 2020-01-08 to 2020-03-13",
        "val: 1 anchor, 2020-03-23",
        "test: 1 anchor, 2020-04-02",
        "left out: 2 anchors whose window reaches into the next split",
        "last fact: 2020-04-09",
    )


def test_too_little_data_says_how_much_is_missing(tmp_path):
    with (
        open_shop(tmp_path, orders=[order(0, 1, 0), order(1, 1, 25)]) as tables,
        pytest.raises(UserError) as e,
    ):
        planned(tables)
    assert str(e.value) == (
        "DATA070: the data is too short for three splits: anchors may lie between 2020-01-08 and "
        "2020-01-19, 11 days, and train, val and test with windows that do not overlap need 14 days; "
        "3 days are missing.\n"
        "Hint: shorten the target's window (7 days), give val and test times of your own, or add older or "
        "newer rows."
    )


def test_data_shorter_than_one_window_is_refused(tmp_path):
    with open_shop(tmp_path, orders=[order(0, 1, 0), order(1, 1, 3)]) as tables:
        with pytest.raises(UserError, match=r"DATA070.* 25 days are missing") as told:
            planned(tables)
        assert "the first anchor may be 2020-01-08, and 2019-12-28 is the last whose window" in str(
            told.value
        )
        with pytest.raises(UserError, match=r"DATA070.*one anchor"):
            planned(tables, split_column="part")


def test_an_aggregated_table_without_rows_is_named(tmp_path):
    with open_shop(tmp_path, orders=[]) as tables, pytest.raises(UserError, match=r"DATA072.*'orders'"):
        planned(tables)


@pytest.mark.parametrize(
    ("val", "test", "said"),
    [
        (50, 95, "the test split has no anchor: .* ends 2020-04-12, after the last fact at 2020-04-09"),
        (50, 55, "the val split has no anchor: .* ends 2020-02-27, after the test split's start 2020-02-25"),
        (5, 55, "the train split has no anchor: no window ends by 2020-01-06 and starts on or after"),
    ],
)
def test_given_times_outside_the_data_are_refused(shop, val, test, said):
    with pytest.raises(UserError, match=f"DATA073: {said}"):
        planned(shop, val_start_us=at(val), test_start_us=at(test))


@pytest.mark.parametrize("step", [Offset(0), Offset(-1), Offset(1, Unit.SECONDS)])
def test_a_step_that_gives_no_sensible_anchors_is_refused(shop, step):
    with pytest.raises(UserError, match="DATA074"):
        planned(shop, step=step)


def test_a_window_past_the_end_of_time_is_too_long(shop):
    with pytest.raises(UserError, match="DATA070"):
        planned(shop, "PREDICT COUNT(orders.*, 0, 999, years) > 0 FOR EACH users.user_id")


def test_a_split_column_divides_by_entity(tmp_path):
    users = [user(i, part=p) for i, p in enumerate(["train", "val", "test", None], start=1)]
    orders = [order(i, 1 + i % 4, i / 4) for i in range(200)]
    with open_shop(tmp_path, users=users, orders=orders) as tables:
        query = compile_query("PREDICT COUNT(orders.*, 0, 7) FOR EACH users.user_id", tables.schema)
        labels = build_labels(tables, query, SplitOptions(split_column="part"), History.FROZEN)
    rows = labels.table.to_pylist()
    assert {(r["entity"], r["split"]) for r in rows} == {(1, "train"), (2, "val"), (3, "test")}
    first = min(r["anchor_time"] for r in rows)
    assert all(r["cutoff"] == (r["anchor_time"] if r["split"] == "train" else first) for r in rows)
    assert labels.layout.method == "split_column"


def test_a_split_column_with_other_values_is_refused(tmp_path):
    with open_shop(tmp_path, users=[user(1, part="holdout"), user(2)]) as tables:
        query = compile_query(COUNT, tables.schema)
        with pytest.raises(UserError, match=r"DATA075: the split column users.part holds 'holdout'"):
            build_labels(tables, query, SplitOptions(split_column="part"))


def test_the_first_time_of_given_splits_is_that_of_any_time_column(tmp_path):
    users = [user(1, joined=day(-30)), user(2, joined=day(0))]
    with open_shop(tmp_path, users=users, has_time=True) as tables:
        layout = planned(tables, val_start_us=parse_time("2020-02-20"), test_start_us=at(75))
    assert days_of(layout.train)[0] == 50 - 7 * 11
