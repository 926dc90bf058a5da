"""Keys of entities as people give them."""

from types import SimpleNamespace

import numpy as np
import pytest

from weft.core import UserError
from weft.project.keys import convert_keys

TASK = SimpleNamespace(entity_table="users", entity_column="user_id")


def convert(given, dtype="int64"):
    column = SimpleNamespace(dtype=SimpleNamespace(value=dtype))
    table = SimpleNamespace(column=lambda name: column)
    return convert_keys(SimpleNamespace(table=lambda name: table), TASK, given)


def test_keys_take_the_type_of_the_column():
    assert convert(["42", 7, 3.0, np.int64(5)]) == [42, 7, 3, 5]
    assert convert(["1.5"], "float64") == [1.5] and convert(["a", 1], "string") == ["a", 1]


@pytest.mark.parametrize("key", ["nobody", 1.7, float("inf"), float("nan"), None])
def test_what_is_no_whole_number_names_no_entity_of_whole_keys(key):
    with pytest.raises(UserError, match=r"DATA126: users\.user_id holds numbers"):
        convert([key])
