"""Rolling origins: earlier splits among the train anchors, whose windows never reach into a later one."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core import History, UserError, parse_offset
from weft.data import plan_origins
from weft.data.labels import Layout

DAY = 86_400_000_000


def layout(num_train, *, step=7, window=30, num_val=1, history=History.SEED_TIME, method="fractions"):
    train = tuple(i * step * DAY for i in range(num_train))
    first = (train[-1] if train else 0) + max(step, window) * DAY
    val = tuple(first + i * step * DAY for i in range(num_val))
    test = (val[-1] + max(step, window) * DAY,)
    return Layout(method, history, train, val, test, ends=(parse_offset(f"{window} days"),))


@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 90), st.integers(1, 4), st.integers(1, 6))
def test_no_label_of_train_reaches_past_the_first_anchor_of_its_val(num, step, window, num_val, count):
    laid = layout(num, step=step, window=window, num_val=num_val)
    try:
        origins = plan_origins(laid, count)
    except UserError as error:
        assert error.code == "DATA135"
        return
    assert 1 <= len(origins) <= count
    later = laid.val
    for origin in origins:
        assert origin.train and 1 <= len(origin.val) <= num_val
        assert set(origin.train) | set(origin.val) <= set(laid.train)
        assert all(laid.window_end_us(anchor) <= origin.val[0] for anchor in origin.train)
        assert all(laid.window_end_us(anchor) <= later[0] for anchor in origin.val)
        later = origin.val


def test_origins_step_back_by_as_many_anchors_as_val_has():
    found = plan_origins(layout(10, step=30, window=30, num_val=2), 3)
    assert [[a // DAY for a in o.val] for o in found] == [[240, 270], [180, 210], [120, 150]]
    assert found[0].train[-1] // DAY == 210 and found[2].train == tuple(i * 30 * DAY for i in range(4))


def test_labels_without_a_window_leave_no_anchor_on_both_sides():
    # As a label table of a question without a window is laid out.
    found = plan_origins(dataclasses.replace(layout(10, num_val=2), ends=()), 3)
    assert [(o.train[-1] // (7 * DAY), [a // (7 * DAY) for a in o.val]) for o in found] == [
        (7, [8, 9]), (5, [6, 7]), (3, [4, 5]),
    ]  # fmt: skip


def test_under_frozen_history_a_val_is_one_anchor_that_sees_what_it_would():
    found = plan_origins(layout(10, step=30, num_val=3, history=History.FROZEN), 2)
    assert [len(o.val) for o in found] == [1, 1]


def test_fewer_origins_are_told_apart_from_none():
    assert len(plan_origins(layout(3, step=30), 5)) == 2
    with pytest.raises(UserError, match=r"DATA135.*there are 1 for train"):
        plan_origins(layout(1), 2)
    with pytest.raises(UserError, match=r"DATA135.*divided by split column"):
        plan_origins(dataclasses.replace(layout(9), method="split_column"), 2)
