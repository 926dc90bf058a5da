"""Text files of any delimiter, encoding and shape."""

import csv
import gzip
import io

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.core import UserError
from weft.data.sources import connect, delimited
from weft.data.sources.dialect import find_dialect

words = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\"';,|\t"), max_size=12
).map(lambda w: w.replace("\\", "/"))


def read(snap, folder, **options):
    tables, info = snap(folder, **options)
    return tables["t"], info


def write(folder, text, encoding="utf-8", name="t.csv"):
    folder.mkdir(exist_ok=True)
    data = text if isinstance(text, bytes) else text.encode(encoding)
    (folder / name).write_bytes(data)
    return folder


@st.composite
def text_tables(draw):
    num_columns = draw(st.integers(2, 5))
    rows = draw(
        st.lists(st.lists(words, min_size=num_columns, max_size=num_columns), min_size=4, max_size=12)
    )
    return [[f"name{i}" for i in range(num_columns)], *rows]


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    table=text_tables(),
    delimiter=st.sampled_from(",;\t|^~"),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    is_named=st.booleans(),
)
def test_what_a_csv_writer_writes_is_read_back(
    table, delimiter, quoting, end, encoding, is_named, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("csv")
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(table)
    write(folder, buffer.getvalue(), encoding)
    source = connect(folder, delimiter=delimiter if is_named else None)
    rows = pa.Table.from_batches(list(source.batches("t", None)))
    assert rows.column_names == table[0]
    expected = [[v or None for v in row] for row in table[1:]]
    found = [[v or None for v in row.values()] for row in rows.to_pylist()]
    assert found == expected


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~", ":", "\x01"])
def test_the_delimiter_is_found(delimiter):
    text = "\n".join(
        delimiter.join(row) for row in (["a", "b", "c"], ["1", "x, y; z", "2.5"], ["2", "", "3"])
    )
    if delimiter in (",", ";"):
        text = text.replace("x, y; z", "x")
    assert find_dialect(text).delimiter == delimiter


def test_a_comma_in_a_single_column_is_no_delimiter(tmp_path, snap):
    table, _ = read(snap, write(tmp_path / "s", "name\nDoe, John\nRoe\n\nPoe, E, A\n"))
    assert table.to_pydict() == {"name": ["Doe, John", "Roe", None, "Poe, E, A"]}


def test_backslashes_before_quotes_escape_them(tmp_path, snap):
    table, _ = read(snap, write(tmp_path / "s", 'a,b\n1,"say \\"hi, you\\""\n2,"x"\n'))
    assert table["b"].to_pylist() == ['say "hi, you"', "x"]


def test_single_quotes_quote_when_the_header_does(tmp_path, snap):
    table, _ = read(snap, write(tmp_path / "s", "'a','b'\n'1, 2','x'\n"))
    assert table.to_pylist() == [{"a": "1, 2", "b": "x"}]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["1", "-2", "0"], pa.int64(), [1, -2, 0]),
        (["1", "", "NA"], pa.int64(), [1, None, None]),
        ([" 1", "2 ", "  "], pa.int64(), [1, 2, None]),
        ([" x", "2 ", "  "], pa.string(), [" x", "2 ", "  "]),
        (["007", "12", "3"], pa.string(), ["007", "12", "3"]),
        (["1.5", "2", "-1e3"], pa.float64(), [1.5, 2.0, -1000.0]),
        (["+1", ".5", "2."], pa.float64(), [1.0, 0.5, 2.0]),
        (["99999999999999999999", "1", "2"], pa.string(), ["99999999999999999999", "1", "2"]),
        (["true", "FALSE", ""], pa.bool_(), [True, False, None]),
        (["NA", "US", "DE"], pa.string(), ["NA", "US", "DE"]),
        (["", "", ""], pa.string(), [None, None, None]),
        (["2020-01-01", "2020-01-02 10:00:00", ""], pa.timestamp("us"), None),
        (["2020-01-01T00:00:00Z", "2020-01-01T02:00:00+02:00", ""], pa.timestamp("us"), None),
        (["2020-01-01T00:00:00Z", "2020-01-01T02:00:00", ""], pa.string(), None),
        (["2020-13-01", "2020-01-01", ""], pa.string(), None),
        (["1", "2", "x"], pa.string(), ["1", "2", "x"]),
        (["1", "2", "true"], pa.string(), ["1", "2", "true"]),
        (["nan", "1.5", "inf"], pa.float64(), [None, 1.5, float("inf")]),
    ],
)
def test_words_become_values_only_when_nothing_is_lost(values, kind, expected, tmp_path, snap):
    table, _ = read(
        snap, write(tmp_path / "s", "k,v\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values)))
    )
    assert table["v"].type == kind
    if expected is not None:
        assert table["v"].to_pylist() == expected


@pytest.mark.parametrize(
    ("usual", "odd", "kind"),
    [
        ("1", "x", pa.string()),
        ("1", "2.5", pa.float64()),
        ("", "2.5", pa.float64()),
        ("7", "007", pa.string()),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00", pa.string()),
        ("true", "1", pa.string()),
    ],
)
def test_a_value_late_in_a_long_file_decides_the_type(usual, odd, kind, tmp_path, snap, monkeypatch):
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 4096)
    lines = [f"{i},{usual}" for i in range(20_000)] + [f"0,{odd}"]
    table, _ = read(snap, write(tmp_path / "s", "k,v\n" + "\n".join(lines)))
    assert table.num_rows == 20_001 and table["v"].type == kind
    assert table["v"].to_pylist()[-1] == (2.5 if odd == "2.5" else odd)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_are_found(encoding, tmp_path, snap):
    table, info = read(snap, write(tmp_path / "s", "näme,zahl\nJosé,1\nŁódź,2\n", encoding))
    assert table.to_pydict() == {"näme": ["José", "Łódź"], "zahl": [1, 2]}
    assert info.findings == ()


def test_western_text_is_found_and_noted(tmp_path, snap):
    table, info = read(snap, write(tmp_path / "s", "name,n\nJosé,1\nMünchen – “x”,2\n", "cp1252"))
    assert table["name"].to_pylist() == ["José", "München – “x”"]
    assert [f.rule for f in info.findings] == ["encoding"]


def test_a_named_encoding_is_used(tmp_path, snap):
    table, _ = read(snap, write(tmp_path / "s", "a,b\nпривет,1\n", "koi8-r"), encoding="koi8-r")
    assert table["a"].to_pylist() == ["привет"]


def test_mixed_encodings_are_refused_with_line_and_byte(tmp_path, snap):
    data = "a,b\nJosé,1\n".encode() + "Müller,2\n".encode("latin-1")
    with pytest.raises(UserError, match=r"DATA023.*line 3 \(byte 13\)"):
        snap(write(tmp_path / "s", data))


def test_a_multibyte_character_across_chunks_is_whole(tmp_path, monkeypatch):
    from weft.data.sources import encoding

    monkeypatch.setattr(encoding, "_CHUNK_BYTES", 3)
    data = "a,b\né€𝄞ł,1\n".encode()
    assert encoding.find_encoding(lambda: pa.BufferReader(data), "x") == "utf-8"
    with pytest.raises(UserError, match=r"DATA023.*line 3 \(byte 18\)"):
        encoding.find_encoding(lambda: pa.BufferReader(data + b"\xfc,2\n"), "x")


def test_zero_bytes_in_text_are_refused(tmp_path, snap):
    with pytest.raises(UserError, match=r"DATA023.*line 2"):
        snap(write(tmp_path / "s", b"a,b\nx\0,1\n"))


def test_a_ragged_record_is_refused_by_number(tmp_path, snap):
    with pytest.raises(UserError, match=r"DATA024.*t\.csv.*2 columns.*#4.*got 3"):
        snap(write(tmp_path / "s", "a,b\n1,2\n3,4\n5,6,7\n8,9\n"))


def test_an_unknown_encoding_or_delimiter_is_refused(tmp_path, snap):
    folder = write(tmp_path / "s", "a,b\n1,2\n")
    with pytest.raises(UserError, match="DATA048"):
        snap(folder, encoding="no-such")
    with pytest.raises(UserError, match="DATA048"):
        snap(folder, delimiter="::")


def test_a_blank_file_is_refused(tmp_path, snap):
    with pytest.raises(UserError, match="DATA049"):
        snap(write(tmp_path / "s", "\n \n"))


def test_a_header_alone_is_an_empty_table(tmp_path, snap):
    table, _ = read(snap, write(tmp_path / "s", "a,b\n"))
    assert table.num_rows == 0 and table.column_names == ["a", "b"]


def test_a_cut_off_archive_is_refused(tmp_path, snap):
    data = gzip.compress(("a,b\n" + "1,2\n" * 100_000).encode())
    with pytest.raises(UserError, match=r"DATA022.*t\.csv\.gz"):
        snap(write(tmp_path / "s", data[: len(data) // 2], name="t.csv.gz"))


def test_a_record_longer_than_a_block_is_read(tmp_path, snap):
    long = "x" * 9_000_000
    table, _ = read(snap, write(tmp_path / "s", f"a,b\n1,x\n2,{long}\n3,y\n"))
    assert [len(v) for v in table["b"].to_pylist()] == [1, 9_000_000, 1]


def test_line_breaks_inside_quotes_are_kept_in_header_and_rows(tmp_path, snap):
    table, _ = read(snap, write(tmp_path / "s", '"a\nb",c\n"1\n2",3\n'))
    assert table.to_pydict() == {"a\nb": ["1\n2"], "c": [3]}


def test_names_are_made_unique_without_regard_to_case(tmp_path, snap):
    table, info = read(snap, write(tmp_path / "s", "id,ID,,__time,x\n1,2,3,4,5\n"))
    assert table.column_names == ["id", "ID_2", "column_3", "__time_2", "x"]
    assert {f.rule for f in info.findings} == {"renamed_column"}


def test_text_that_is_no_table_is_left_out(tmp_path, snap):
    folder = write(tmp_path / "s", "a,b\n1,2\n")
    write(folder, "Just some notes.\nNothing to see.\n", name="notes.txt")
    write(folder, "a|b\n1|2\n", name="README.txt")
    write(folder, "x y\n1 2\n", name="spaced.txt")
    write(folder, "x|y\n1|2\n", name="more.txt")
    tables, info = snap(folder)
    assert set(tables) == {"t", "more", "spaced"}
    assert [(f.rule, f.table) for f in info.findings] == [("no_table", "notes")]
