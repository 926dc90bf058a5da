"""What no graph can hold is refused by its code, and nothing is left behind."""

import numpy as np
import pyarrow as pa
import pytest
from build_kit import MemoryReader

from weft.core import TIME, Column, Dtype, InvariantError, Link, Resources, Schema, Stype, Table, UserError
from weft.graph import materialize

RESOURCES = Resources(1 << 28, 2)
KEY = Column("id", Dtype.INT, Stype.ID)


def build(folder, schema, rows, **changes):
    reader = MemoryReader(schema, rows)
    for name, value in changes.items():
        setattr(reader, name, value)
    return materialize(reader, folder / "g", resources=RESOURCES)


def refused(folder, code, schema, rows, **changes):
    with pytest.raises((UserError, InvariantError)) as caught:
        build(folder, schema, rows, **changes)
    assert caught.value.code == code
    assert list(folder.iterdir()) == []
    return str(caught.value)


def one_table(*columns, key=("id",)):
    return Schema((Table("t", (KEY, *columns), key),))


def test_more_rows_than_a_graph_can_number(tmp_path):
    text = refused(tmp_path, "GRAPH020", one_table(), {"t": []}, num_rows=lambda table: 2**32 - 1)
    assert "4,294,967,295" in text
    assert "4,294,967,294" in text


@pytest.mark.parametrize("keys", [[1, 2, 1], [10**15, 5, 10**15], [-(2**62), 3, 4, 3]])
def test_a_repeated_integer_key(tmp_path, keys):
    refused(tmp_path, "GRAPH021", one_table(), {"t": [{"id": k, TIME: None} for k in keys]})


@pytest.mark.parametrize("is_linked", [True, False])
@pytest.mark.parametrize("keys", [["a", "b", "a"], ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"] * 2])
def test_a_repeated_text_key(tmp_path, keys, is_linked):
    columns = (Column("id", Dtype.STRING, Stype.ID), Column("to", Dtype.STRING, Stype.ID))
    links = (Link("t", ("to",), "t", ("id",)),) if is_linked else ()
    schema = Schema((Table("t", columns, ("id",)),), links)
    text = refused(tmp_path, "GRAPH021", schema, {"t": [{"id": k, "to": None, TIME: None} for k in keys]})
    assert keys[0] in text


def test_a_missing_key(tmp_path):
    refused(tmp_path, "GRAPH021", one_table(), {"t": [{"id": k, TIME: None} for k in (1, None)]})


def test_a_link_to_repeated_values_that_are_no_key(tmp_path):
    columns = (KEY, Column("code", Dtype.INT, Stype.ID), Column("to", Dtype.INT, Stype.ID))
    schema = Schema((Table("t", columns, ("id",)),), (Link("t", ("to",), "t", ("code",)),))
    rows = [{"id": i, "code": i // 2, "to": 1, TIME: None} for i in range(4)]
    refused(tmp_path, "GRAPH021", schema, {"t": rows})


def test_vectors_of_differing_length(tmp_path):
    schema = one_table(Column("v", Dtype.VECTOR, Stype.EMBEDDING))
    rows = [{"id": i, "v": v, TIME: None} for i, v in enumerate([None, [1.0, 2.0], [1.0]])]
    assert "2 and 1" in refused(tmp_path, "GRAPH022", schema, {"t": rows})


def test_the_integer_that_stands_for_null(tmp_path):
    schema = one_table(Column("n", Dtype.INT, Stype.NUMERICAL))
    rows = [{"id": i, "n": n, TIME: None} for i, n in enumerate([2**62 + 1, -(2**63)])]
    assert "t.n" in refused(tmp_path, "GRAPH023", schema, {"t": rows})


def test_a_folder_of_other_files_is_not_replaced(tmp_path):
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="GRAPH024"):
        build(tmp_path, one_table(), {"t": []})
    assert (tmp_path / "g" / "mine.txt").read_text() == "keep"
    (tmp_path / "file").write_text("keep")
    with pytest.raises(UserError, match="GRAPH024"):
        materialize(MemoryReader(one_table(), {"t": []}), tmp_path / "file", resources=RESOURCES)


def test_a_reader_that_gives_another_type(tmp_path):
    table = pa.table({"id": pa.array([1, 2], pa.int32()), TIME: pa.nulls(2, pa.timestamp("us"))})
    rows = {"t": [{"id": i, TIME: None} for i in range(2)]}
    assert "'id'" in refused(tmp_path, "GRAPH025", one_table(), rows, data={"t": table})


def test_a_reader_that_gives_fewer_rows_than_it_says(tmp_path):
    rows = {"t": [{"id": i, TIME: None} for i in range(5)]}
    refused(tmp_path, "GRAPH030", one_table(), rows, num_rows=lambda table: 9)


def test_a_link_of_vectors(tmp_path):
    columns = (Column("v", Dtype.VECTOR, Stype.EMBEDDING), Column("w", Dtype.VECTOR, Stype.EMBEDDING))
    schema = Schema((Table("t", columns),), (Link("t", ("v",), "t", ("w",)),))
    refused(tmp_path, "GRAPH027", schema, {"t": []})
    schema = Schema((Table("t", columns[:1], ("v",)),))
    refused(tmp_path, "GRAPH027", schema, {"t": [{"v": [1.0], TIME: None}]})


def test_a_link_of_two_types(tmp_path):
    columns = (KEY, Column("to", Dtype.STRING, Stype.ID))
    schema = Schema((Table("t", columns, ("id",)),), (Link("t", ("to",), "t", ("id",)),))
    text = refused(tmp_path, "GRAPH028", schema, {"t": []})
    assert "t.to (string)" in text
    assert "t.id (int64)" in text


def test_whole_numbers_are_kept_whole(tmp_path):
    schema = one_table(Column("n", Dtype.INT, Stype.NUMERICAL))
    numbers = [2**53 + 1, 2**62 + 1, None, -(2**63) + 1]
    rows = {"t": [{"id": i, "n": n, TIME: None} for i, n in enumerate(numbers)]}
    layout = build(tmp_path, schema, rows)
    column = layout.table("t").column("n")
    assert column.storage == "int64"
    data = np.fromfile(tmp_path / "g" / layout.table("t").segments[0].rows.path, "<i8", offset=4096)
    assert data[:4].tolist() == [-(2**63) if n is None else n for n in numbers]
