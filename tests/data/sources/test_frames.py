"""Frames come in as Arrow and go back as what they were."""

import duckdb
import ibis
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from weft.core import UserError
from weft.data.frames import is_frame, like_input, to_arrow

TABLE = pa.table({"id": [1, 2], "score": [0.5, None], "name": ["a", None]})


def frames():
    return {
        "pandas": TABLE.to_pandas(),
        "polars": pl.from_arrow(TABLE),
        "lazy": pl.from_arrow(TABLE).lazy(),
        "arrow": TABLE,
        "duckdb": duckdb.connect().from_arrow(TABLE),
        "ibis": ibis.memtable(TABLE),
    }


@pytest.mark.parametrize("kind", list(frames()))
def test_a_frame_comes_back_as_its_own_kind(kind):
    frame = frames()[kind]
    assert is_frame(frame)
    arrow = to_arrow(frame)
    assert arrow.column_names == TABLE.column_names
    assert arrow.to_pylist() == TABLE.to_pylist()
    result = like_input(TABLE, frame)
    assert type(result) is type(frame)
    assert to_arrow(result).to_pylist() == TABLE.to_pylist()


def test_batches_and_readers_are_frames():
    batch = TABLE.to_batches()[0]
    assert to_arrow(batch).equals(TABLE)
    assert to_arrow(pa.RecordBatchReader.from_batches(batch.schema, [batch])).equals(TABLE)


def test_the_key_keeps_its_type():
    frame = pd.DataFrame({"id": pd.array([1, 2], dtype="Int64"), "s": ["x", "y"]})
    assert to_arrow(frame).schema.field("id").type == pa.int64()
    assert like_input(to_arrow(frame), frame)["id"].tolist() == [1, 2]


def test_a_frame_whose_query_fails_is_refused():
    broken = pl.LazyFrame({"a": [1]}).select(pl.col("nope"))
    with pytest.raises(UserError, match=r"DATA032.*nope"):
        to_arrow(broken)


def test_anything_else_is_refused():
    assert not is_frame({"a": [1]})
    with pytest.raises(UserError, match=r"DATA032.*dict"):
        to_arrow({"a": [1]})
