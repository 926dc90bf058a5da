"""Numbers and words of calls."""

import numpy as np
import pytest

from weft.core import MOST_UINT64, Toward, UserError, check_integer, check_word


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_integers_of_any_width_are_integers(value):
    assert check_integer("GRAPH042", "threads", value, least=1) == 3
    assert type(check_integer("GRAPH042", "threads", value)) is int


@pytest.mark.parametrize("value", [True, np.True_, 1.0, np.float64(2), "2", None, -1, 9, [1]])
def test_what_is_no_integer_within_the_bounds_is_named(value):
    with pytest.raises(UserError) as caught:
        check_integer("GRAPH042", "workers", value, least=0, most=8)
    assert caught.value.code == "GRAPH042"
    assert caught.value.message == f"workers is {value!r}."
    assert "from 0 to 8" in caught.value.hint


def test_bounds_are_said_shortly():
    with pytest.raises(UserError, match="of 1 or more"):
        check_integer("GRAPH042", "threads", 0, least=1)
    with pytest.raises(UserError, match=r"from 0 to 2\*\*64 - 1"):
        check_integer("GRAPH042", "seed", -1, most=MOST_UINT64)


def test_words_are_taken_by_name_and_others_refused_with_the_choice():
    assert check_word("GRAPH042", "toward", "parent", Toward) is Toward.PARENT
    assert check_word("GRAPH042", "toward", Toward.PARENT, Toward) is Toward.PARENT
    for wrong in ("CHILD", None, 3, ["parent"]):
        with pytest.raises(
            UserError, match=r"GRAPH042: toward is .*\nHint: choose one of 'parent', 'children'"
        ):
            check_word("GRAPH042", "toward", wrong, Toward)
