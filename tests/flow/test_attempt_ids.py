"""The ids of attempts: unique, readable, and names that every backend takes."""

import re

from hypothesis import given
from hypothesis import strategies as st

from weft.flow.backends import AttemptState, attempt_id

KEY = "ab" * 32


@given(st.text(), st.text(), st.integers(1, 999))
def test_any_names_give_a_name_that_kubernetes_takes(run, node, number):
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?", attempt_id(run, node, KEY, number))


def test_names_that_look_alike_have_ids_of_their_own():
    ids = {attempt_id("run", node, KEY, 1) for node in ("a[1]", "a-1", "A 1", "a.1", "é1")}
    assert len(ids) == 5


def test_another_run_key_or_try_is_another_attempt():
    one = attempt_id("run-1", "train", KEY, 1)
    others = {
        attempt_id("run-2", "train", KEY, 1),
        attempt_id("run-1", "train", "cd" * 32, 1),
        attempt_id("run-1", "train", KEY, 2),
    }
    assert one not in others and len(others) == 3
    assert one == attempt_id("run-1", "train", KEY, 1)


def test_only_three_states_are_ends():
    assert [s.value for s in AttemptState if s.is_ended] == ["succeeded", "failed", "stopped"]
