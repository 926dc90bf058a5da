"""What a task returns comes back equal in the next."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core import UserError
from weft.project.sdk.values import read_value, write_value

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part, max_size=3),
    max_leaves=8,
)


def there_and_back(value, folder: Path):
    """Write, pass through JSON as a job does, read."""
    return read_value(json.loads(json.dumps(write_value(value, folder, "made")))["value"], folder)


@given(PLAIN)
def test_plain_values(tmp_path_factory, value):
    assert there_and_back(value, tmp_path_factory.mktemp("values")) == value


def test_tables_arrays_and_objects_lie_in_files_beside_plain_values(tmp_path):
    value = {
        "rate": 0.5,
        "arrow": pa.table({"a": [1, 2]}),
        "frames": [pd.DataFrame({"b": [1.5]}), pl.DataFrame({"c": ["x"]})],
        "array": np.arange(6.0).reshape(2, 3),
        "odd": {1, 2},
        "pair": (1, [2, (3,)]),
        "inf": float("inf"),
    }
    back = there_and_back(value, tmp_path)
    assert back["rate"] == 0.5 and back["odd"] == {1, 2} and back["inf"] == float("inf")
    assert back["pair"] == (1, [2, (3,)])
    assert back["arrow"].equals(value["arrow"])
    assert back["frames"][0].equals(value["frames"][0]) and back["frames"][1].equals(value["frames"][1])
    assert np.array_equal(back["array"], value["array"])
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [
        "value-array.npy",
        "value-arrow.parquet",
        "value-frames-0.parquet",
        "value-frames-1.parquet",
        "value-inf.pickle",
        "value-odd.pickle",
    ]


def test_names_that_look_alike_do_not_overwrite_each_other(tmp_path):
    value = {"a/b": np.zeros(1), "a?b": np.ones(1)}
    back = there_and_back(value, tmp_path)
    assert back["a/b"][0] == 0 and back["a?b"][0] == 1


def test_files_are_copied_unless_they_are_there(tmp_path):
    elsewhere, output = tmp_path / "elsewhere", tmp_path / "output"
    elsewhere.mkdir()
    (output / "made").mkdir(parents=True)
    (elsewhere / "model.txt").write_text("outside")
    (output / "made" / "model.txt").write_text("inside")
    outside, inside = there_and_back([elsewhere / "model.txt", output / "made" / "model.txt"], output)
    assert outside == output / "model.txt" and outside.read_text() == "outside"
    assert inside == output / "made" / "model.txt"


def test_a_dict_that_looks_like_a_file_is_kept_as_it_is(tmp_path):
    for value in ({"$file": "/etc/passwd", "$kind": "path"}, {"$tuple": [1]}, {1: "a"}):
        assert there_and_back(value, tmp_path) == value


@pytest.mark.parametrize(
    ("value", "said"), [(lambda: None, "cannot be kept"), (Path("/nowhere/at/all"), "where nothing is")]
)
def test_what_cannot_be_kept_is_told_APP066(tmp_path, value, said):
    with pytest.raises(UserError, match=said) as caught:
        write_value(value, tmp_path, "made")
    assert caught.value.code == "APP066"
