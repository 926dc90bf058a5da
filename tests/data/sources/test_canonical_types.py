"""What a snapshot makes of every type, of odd names and of wide, long and empty tables."""

import datetime as dt
import time

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.data.sources.writer import write_table

DAY = dt.datetime(2020, 1, 2)


@pytest.mark.parametrize(
    ("array", "kind", "expected"),
    [
        (pa.array([1, None], pa.int8()), pa.int64(), [1, None]),
        (pa.array([2**64 - 1, 1], pa.uint64()), pa.string(), ["18446744073709551615", "1"]),
        (pa.array([2**63 - 1, 1], pa.uint64()), pa.int64(), [2**63 - 1, 1]),
        (pa.array([1.5, float("nan")], pa.float32()), pa.float64(), [1.5, None]),
        (pa.array([None, None], pa.null()), pa.string(), [None, None]),
        (pa.array([None, None], pa.int32()), pa.int64(), [None, None]),
        (pa.array(["a", None]).dictionary_encode(), pa.string(), ["a", None]),
        (pa.array(["a", None], pa.large_string()), pa.string(), ["a", None]),
        (pa.array(["a", None], pa.string_view()), pa.string(), ["a", None]),
        (pa.array([DAY.date(), None]), pa.timestamp("us"), [DAY, None]),
        (pa.array([DAY, None], pa.timestamp("ns")), pa.timestamp("us"), [DAY, None]),
        (pa.array([DAY, None], pa.timestamp("s", "Europe/Berlin")), pa.timestamp("us"), [DAY, None]),
        (pa.array([253402300800, 0], pa.timestamp("s")), pa.timestamp("us"), [None, dt.datetime(1970, 1, 1)]),
        (pa.array([dt.time(1, 0, 0, 500_000), None]), pa.float64(), [3600.5, None]),
        (pa.array([dt.timedelta(minutes=1), None]), pa.float64(), [60.0, None]),
        (pa.array([[1, 2], None, [3, 4]]), pa.list_(pa.float32()), [[1, 2], None, [3, 4]]),
        (pa.array([[1, 2], None, [3]]), pa.string(), ["1|2", None, "3"]),
        (pa.array([[1.5, 2]], pa.list_(pa.float64(), 2)), pa.list_(pa.float32()), [[1.5, 2]]),
        (pa.array([["a", "b|c"], [], None]), pa.string(), ["a|b/c", "", None]),
        (pa.array([[{"a": 1}], None]), pa.string(), ['[{"a": 1}]', None]),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())), pa.string(), ['[["k", 1]]']),
    ],
    ids=lambda v: str(v.type) if isinstance(v, pa.Array) else None,
)
def test_every_type_becomes_one_of_a_few(array, kind, expected, snap):
    tables, _ = snap({"t": pa.table({"k": list(range(len(array))), "v": array})})
    assert tables["t"]["v"].type == kind
    assert tables["t"]["v"].to_pylist() == expected


WORDS = ["a", "b", None, "a"]
LAYOUTS = [pa.string(), pa.large_string(), pa.string_view()]


def text_layouts(kind):
    """``WORDS`` plain, as a dictionary and as runs, over one layout of text."""
    words = pa.array(WORDS, kind)
    dictionary = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0], pa.uint8()), words[:2])
    ends = pa.array([1, 2, 3, 4], pa.int32())
    runs = [pa.RunEndEncodedArray.from_arrays(ends, v) for v in (words, dictionary)]
    return [words, dictionary, *runs]


@pytest.mark.parametrize("kind", LAYOUTS, ids=str)
def test_text_is_read_from_every_layout_also_from_a_slice(kind, snap):
    for array in text_layouts(kind):
        for start in (0, 1):
            table = pa.table({"k": list(range(4 - start)), "v": array[start:]})
            tables, _ = snap({"t": table})
            assert tables["t"]["v"].to_pylist() == WORDS[start:], array.type


@pytest.mark.parametrize("inner", LAYOUTS, ids=str)
@pytest.mark.parametrize(
    "outer", [pa.list_, pa.large_list, pa.list_view, pa.large_list_view], ids=lambda f: f.__name__
)
def test_lists_of_text_are_read_from_every_layout_also_from_a_slice(inner, outer, snap):
    array = pa.array([["a", "b"], ["c"], None, []], outer(inner))
    for start in (0, 1):
        tables, _ = snap({"t": pa.table({"k": list(range(4 - start)), "v": array[start:]})})
        assert tables["t"]["v"].to_pylist() == ["a|b", "c", None, ""][start:]


def test_categories_of_pandas_and_polars_are_text(snap):
    frames = {
        "pandas": pd.DataFrame({"c": pd.Categorical(WORDS), "s": pd.array(WORDS, "string")}),
        "categorical": pl.DataFrame({"c": pl.Series(WORDS, dtype=pl.Categorical)}),
        "enum": pl.DataFrame({"c": pl.Series(WORDS, dtype=pl.Enum(["b", "a"]))}),
        "lists": pl.DataFrame({"c": pl.Series([["a"], ["b"], None, ["a"]], dtype=pl.List(pl.Categorical))}),
        "structs": pl.DataFrame(
            {"x": pl.Series([{"c": w} for w in WORDS]).cast(pl.Struct({"c": pl.Categorical}))}
        ),
    }
    tables, _ = snap(frames)
    assert tables["structs"]["x_c"].to_pylist() == WORDS
    for name in ("pandas", "categorical", "enum", "lists"):
        assert tables[name]["c"].to_pylist() == WORDS, name


def test_structs_become_columns(snap):
    table = pa.table({"a": [{"b": 1, "c": {"d": "x"}}, {"b": None, "c": None}, None], "a_b": [7, 8, 9]})
    tables, info = snap({"t": table})
    assert tables["t"].to_pydict() == {
        "a_b": [1, None, None],
        "a_c_d": ["x", None, None],
        "a_b_2": [7, 8, 9],
    }
    assert {f.rule for f in info.findings} == {"flattened_struct", "renamed_column"}


def test_binary_columns_are_dropped_with_a_note(snap):
    tables, info = snap({"t": pa.table({"a": [1], "photo": [b"x"]})})
    assert tables["t"].column_names == ["a"]
    assert [(f.rule, f.columns) for f in info.findings] == [("dropped_binary", ("photo",))]


def test_pandas_frames_with_mixed_values_and_named_index(snap):
    frame = pd.DataFrame({"v": [1, "x", None]}, index=pd.Index([5, 6, 7], name="id"))
    frame["p"] = pd.period_range("2020-01", periods=3, freq="M")
    tables, _ = snap({"t": frame})
    assert tables["t"].to_pydict() == {
        "id": [5, 6, 7],
        "v": ["1", "x", None],
        "p": [dt.datetime(2020, m, 1) for m in (1, 2, 3)],
    }


def test_odd_names_of_tables_and_columns_are_kept(snap):
    names = ['say "hi"', "näme", "a/b", "..", "x" * 300, "名前", "with space", "semi;colon", "q'uote"]
    frames = {n: pa.table({n: [1]}) for n in names}
    tables, info = snap(frames)
    assert {n: t.column_names for n, t in tables.items()} == {n: [n] for n in names}
    assert len({t.file for t in info.tables}) == len(names)


def test_repeated_names_in_a_frame_are_told_apart(snap):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "a", "A"])
    tables, _ = snap({"t": table})
    assert tables["t"].to_pydict() == {"a": [1], "a_2": [2], "A_3": [3]}


def test_parts_with_other_types_and_columns_are_joined(tmp_path, snap):
    (tmp_path / "t").mkdir()
    pq.write_table(pa.table({"a": [1], "b": [1], "c": [None]}), tmp_path / "t" / "1.parquet")
    pq.write_table(pa.table({"a": [2.5], "b": ["x"], "d": [DAY]}), tmp_path / "t" / "2.parquet")
    (tmp_path / "t" / "10.csv").write_text("a,b,c\n3,7,y\n")
    tables, _ = snap(tmp_path)
    assert tables["t"].to_pydict() == {
        "a": [1.0, 2.5, 3.0],
        "b": ["1", "x", "7"],
        "c": [None, None, "y"],
        "d": [None, DAY, None],
    }


def test_empty_tables_keep_their_columns(snap):
    schema = pa.schema([("a", pa.int32()), ("b", pa.dictionary(pa.int8(), pa.string()))])
    tables, _ = snap({"t": schema.empty_table()})
    assert tables["t"].num_rows == 0
    assert tables["t"].schema.types == [pa.int64(), pa.string()]


def test_ten_thousand_columns(tmp_path, snap):
    wide = pa.table({f"c{i}": pa.array(np.arange(200) % 7) for i in range(10_000)})
    started = time.process_time()
    tables, _ = snap({"t": wide})
    assert tables["t"].num_columns == 10_000
    assert tables["t"]["c9999"].to_pylist() == wide["c9999"].to_pylist()
    header = ",".join(f"c{i}" for i in range(10_000))
    (tmp_path / "w.csv").write_text(header + "\n" + ",".join(["7"] * 10_000) + "\n")
    tables, _ = snap(tmp_path, tables={"w": "w"})
    assert set(tables["w"].schema.types) == {pa.int64()}
    assert time.process_time() - started < 60


def test_row_groups_have_one_size_whatever_the_batches(tmp_path):
    rng = np.random.default_rng(0)
    table = pa.table({"a": np.arange(300_000), "b": rng.random(300_000)})
    digests = set()
    for size in (1_000, 77_777, 300_000):
        path = tmp_path / f"{size}.parquet"
        write_table(lambda s=size: iter(table.to_batches(s)), path, table="t")
        digests.add(path.read_bytes())
        metadata = pq.read_metadata(path)
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        assert sizes == [122_880, 122_880, 54_240]
    assert len(digests) == 1
