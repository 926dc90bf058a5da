"""Casts, times, keys and refusals of the prepared tables."""

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.core import Column, Dtype, Link, Resources, Schema, Severity, Stype, Table, UserError
from weft.data.prepare import prepare_tables
from weft.data.snapshot import take_snapshot
from weft.data.sources import connect

STYPES = {
    Dtype.INT: Stype.ID,
    Dtype.FLOAT: Stype.NUMERICAL,
    Dtype.BOOL: Stype.CATEGORICAL,
    Dtype.STRING: Stype.CATEGORICAL,
    Dtype.TIMESTAMP: Stype.TIMESTAMP,
    Dtype.VECTOR: Stype.EMBEDDING,
}


def column(name, dtype, **options):
    return Column(name, dtype, STYPES[dtype], **options)


@pytest.fixture
def prepare(tmp_path):
    def run(frames, schema, **stated):
        resources = Resources(10**8, 2)
        snapshot = take_snapshot(connect(frames), tmp_path / "snapshot", resources=resources)
        info = prepare_tables(
            snapshot.paths(tmp_path / "snapshot"), schema, tmp_path / "out", resources=resources, **stated
        )
        return {n: pq.read_table(p) for n, p in info.paths(tmp_path / "out").items()}, info

    return run


def one(values, kind=None, **options):
    """A table of one column and its schema."""
    dtype = options.pop("dtype", Dtype.TIMESTAMP)
    table = pa.table({"v": pa.array(values, kind)})
    return {"t": table}, Schema((Table("t", (column("v", dtype, **options),)),))


def at(*parts):
    return dt.datetime(*parts)


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        (
            ["2020-01-02", " 2020-1-2 03:04 ", None, ""],
            {},
            [at(2020, 1, 2), at(2020, 1, 2, 3, 4), None, None],
        ),
        (["2020-01-02T03:04:05,5"], {"time_format": "iso"}, [at(2020, 1, 2, 3, 4, 5, 500_000)]),
        (
            ["2020-01-02 03:00:00+02:00", "2020-01-02T03:00:00 -0100", "2020-01-02T03:00:00Z", "2020-01-02"],
            {},
            [at(2020, 1, 2, 1), at(2020, 1, 2, 4), at(2020, 1, 2, 3), at(2020, 1, 2)],
        ),
        (
            ["2020-07-01 12:00:00", "2020-01-01 12:00:00", "2020-01-01 12:00:00Z"],
            {"time_zone": "Europe/Berlin"},
            [at(2020, 7, 1, 10), at(2020, 1, 1, 11), at(2020, 1, 1, 12)],
        ),
        (
            [0, 1, -1],
            {"time_format": "epoch_s"},
            [at(1970, 1, 1), at(1970, 1, 1, 0, 0, 1), at(1969, 12, 31, 23, 59, 59)],
        ),
        ([1.5, None], {"time_format": "epoch_s"}, [at(1970, 1, 1, 0, 0, 1, 500_000), None]),
        ([1500], {"time_format": "epoch_ms"}, [at(1970, 1, 1, 0, 0, 1, 500_000)]),
        ([1500], {"time_format": "epoch_us"}, [at(1970, 1, 1, 0, 0, 0, 1500)]),
        ([1_500_000], {"time_format": "epoch_ns"}, [at(1970, 1, 1, 0, 0, 0, 1500)]),
        (["1577836800"], {"time_format": "epoch_s"}, [at(2020, 1, 1)]),
        ([20200131, None], {"time_format": "%Y%m%d"}, [at(2020, 1, 31), None]),
        (["31.01.2020 10:30"], {"time_format": "%d.%m.%Y %H:%M"}, [at(2020, 1, 31, 10, 30)]),
        (["31/Jan/2020:10:30:00 +0200"], {"time_format": "%d/%b/%Y:%H:%M:%S %z"}, [at(2020, 1, 31, 8, 30)]),
        (
            ["01/31/2020 10:30 PM"],
            {"time_format": "%m/%d/%Y %I:%M %p", "time_zone": "America/New_York"},
            [at(2020, 2, 1, 3, 30)],
        ),
    ],
)
def test_times_of_every_form_become_instants(values, options, expected, prepare):
    tables, _ = prepare(*one(values, **options))
    assert tables["t"]["v"].to_pylist() == expected


def test_stored_times_take_the_zone_only_where_they_have_none(prepare):
    local = pa.array([at(2020, 7, 1, 12)], pa.timestamp("us"))
    zoned = pa.array([at(2020, 7, 1, 12)], pa.timestamp("us", "America/New_York"))
    columns = tuple(column(n, Dtype.TIMESTAMP, time_zone="Europe/Berlin") for n in ("local", "zoned"))
    tables, _ = prepare({"t": pa.table({"local": local, "zoned": zoned})}, Schema((Table("t", columns),)))
    assert tables["t"]["local"].to_pylist() == [at(2020, 7, 1, 10)]
    assert tables["t"]["zoned"].to_pylist() == [at(2020, 7, 1, 12)]


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (
            ["2020-01-01", "x", "infinity"],
            {},
            r"DATA037: 2 values of t.v are no times: row 2 'x', row 3 'infinity'",
        ),
        (["2020-02-30"], {"time_format": "iso"}, r"DATA037.*in format 'iso'.*row 1"),
        (["31.01.2020", "2020-01-31"], {"time_format": "%d.%m.%Y"}, r"DATA037.*row 2 '2020-01-31'"),
        ([10**18], {"time_format": "epoch_s"}, r"DATA037.*row 1"),
        (
            ["2020-01-01 10:00:00Z", "2020-01-01 11:00:00", "2020-01-01 12:00:00Z"],
            {},
            r"DATA038.*1 of 3 lack one, row 2 '2020-01-01 11:00:00'",
        ),
        (["2020-01-01 10:00"], {"time_zone": "Mars/Base"}, r"DATA039.*Mars/Base"),
        (["2020-01-01"], {"time_format": "%Q"}, r"DATA039.*%Q"),
        ([1.0], {}, r"SCH013.*float64.*timestamp"),
    ],
)
def test_what_is_no_time_is_refused_with_its_rows(values, options, message, prepare):
    with pytest.raises(UserError, match=message):
        prepare(*one(values, **options))


STATED = {"stated_times": [("t", "v")]}


def test_what_does_not_fit_a_format_that_the_user_named_is_missing_and_counted(prepare):
    values = ["31.01.2020", "2020-01-31", "", "01.02.2020"]
    tables, info = prepare(*one(values, time_format="%d.%m.%Y"), **STATED)
    assert tables["t"]["v"].to_pylist() == [at(2020, 1, 31), None, None, at(2020, 2, 1)]
    assert [(f.rule, f.severity) for f in info.findings] == [("unreadable_values", Severity.ALARM)]
    assert info.findings[0].evidence == (
        "1 of 3 values (33.3%) is no time in format '%d.%m.%Y' and becomes null: row 2 '2020-01-31'."
    )


def test_rows_whose_time_does_not_fit_the_named_format_are_dropped_and_counted(prepare):
    frames, schema = one(["2020-01-31", "unknown", "2020-02-01"], time_format="iso")
    schema = Schema((Table("t", schema.tables[0].columns, (), "v"),))
    tables, info = prepare(frames, schema, **STATED)
    assert tables["t"].num_rows == 2
    assert info.counts["t"].null_time == 1
    assert [f.rule for f in info.findings] == ["unreadable_values", "null_time"]


def test_a_named_format_that_most_values_do_not_fit_is_refused(prepare):
    with pytest.raises(UserError, match=r"DATA037: 2 of 3 values of t\.v are no times in format 'iso'"):
        prepare(*one(["2020-01-31", "x", "y"], time_format="iso"), **STATED)
    with pytest.raises(UserError, match=r"DATA039.*%Q"):
        prepare(*one(["2020-01-31"], time_format="%Q"), **STATED)


def test_a_named_format_settles_the_zone_of_times_that_name_none(prepare):
    values = ["2020-07-01 10:00:00+02:00", "2020-07-01 10:00:00"]
    tables, _ = prepare(*one(values, time_format="iso"), **STATED)
    assert tables["t"]["v"].to_pylist() == [at(2020, 7, 1, 8), at(2020, 7, 1, 10)]
    tables, _ = prepare(*one(values, time_format="iso", time_zone="Europe/Berlin"), **STATED)
    assert tables["t"]["v"].to_pylist() == [at(2020, 7, 1, 8), at(2020, 7, 1, 8)]


@pytest.mark.parametrize(
    ("values", "dtype", "expected", "num_unread"),
    [
        (["1", " 2 ", "x", "NA", "7.5"], Dtype.INT, [1, 2, None, None, None], 2),
        ([1.0, 2.5, None], Dtype.INT, [1, None, None], 1),
        (["1.5", "1e3", "nan", "x"], Dtype.FLOAT, [1.5, 1000.0, None, None], 1),
        (["yes", "F", "1", "maybe"], Dtype.BOOL, [True, False, True, None], 1),
        ([0, 1, 2], Dtype.BOOL, [False, True, None], 1),
        ([True, None], Dtype.FLOAT, [1.0, None], 0),
        ([7.0, 2.5, None], Dtype.STRING, ["7", "2.5", None], 0),
        (["[1, 2]", "[3, 4.5]", None], Dtype.VECTOR, [[1, 2], [3, 4.5], None], 0),
        ([at(2020, 1, 1)], Dtype.STRING, ["2020-01-01 00:00:00"], 0),
    ],
)
def test_values_are_cast_and_what_cannot_be_read_is_counted(values, dtype, expected, num_unread, prepare):
    tables, info = prepare(*one(values, dtype=dtype))
    assert tables["t"]["v"].to_pylist() == expected
    found = [f for f in info.findings if f.rule == "unreadable_values"]
    assert [f.severity for f in found] == [Severity.ALARM] * bool(num_unread)
    given = sum(v is not None and str(v) not in ("NA", "nan") for v in values)
    assert all(f.evidence.startswith(f"{num_unread} of {given} values (") for f in found)


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        (["a", "b", "7"], Dtype.INT, r"DATA064: 2 of 3 values of t\.v are not int64: row 1 'a', row 2 'b'"),
        (
            ["12,5", "NA", None],
            Dtype.FLOAT,
            r"DATA064: 1 of 1 value of t\.v is not float64.*(?s:.*)tables\.t\.columns\.v\.number_f",
        ),
        ([2, 3, 1], Dtype.BOOL, r"DATA064: 2 of 3 values of t\.v are not bool: row 1 '2'"),
        ([0.5, 1.5, 2.0], Dtype.INT, r"DATA064: 2 of 3 values of t\.v are not int64: row 1 '0\.5'"),
    ],
)
def test_a_column_of_which_most_values_cannot_be_read_is_refused(values, dtype, message, prepare):
    with pytest.raises(UserError, match=message):
        prepare(*one(values, dtype=dtype))


@pytest.mark.parametrize(
    ("values", "dtype", "spelt", "expected", "num_unread"),
    [
        (
            ["12,50", "1.234,75", " -3 ", None, "NA"],
            Dtype.FLOAT,
            "1.234,5",
            [12.5, 1234.75, -3.0, None, None],
            0,
        ),
        (["1,234.75", "12", "1,23"], Dtype.FLOAT, "1,234.5", [1234.75, 12.0, None], 1),
        (["€ 12,50", "-€ 3", "5 €", "5"], Dtype.FLOAT, "1.234,5 €", [12.5, -3.0, 5.0, None], 1),
        (["12 %", "7,5%"], Dtype.FLOAT, "1.234,5 %", [12.0, 7.5], 0),
        (["1.234", "12,0", "1,5"], Dtype.INT, "1.234,5", [1234, 12, None], 1),
        (["0,1", "123456789,123456789"], Dtype.FLOAT, "1234,5", [0.1, 123456789.123456789], 0),
        (["0,1", "12,5"], Dtype.STRING, "1.234,5", ["0,1", "12,5"], 0),
    ],
)
def test_numbers_are_cast_exactly_as_their_format_says(values, dtype, spelt, expected, num_unread, prepare):
    tables, info = prepare(*one(values, dtype=dtype, number_format=spelt))
    assert tables["t"]["v"].to_pylist() == expected
    found = [f for f in info.findings if f.rule == "unreadable_values"]
    assert len(found) == bool(num_unread)
    assert all(f"row {len(values)} '{values[-1]}'" in f.evidence for f in found)


def test_lists_that_are_no_json_are_counted_and_stay_as_they_are(prepare):
    values = ['["a", "b"]', "[a", "", None, "[]"]
    schema = Schema((Table("t", (Column("v", Dtype.STRING, Stype.MULTICATEGORICAL, separator="json"),)),))
    tables, info = prepare({"t": pa.table({"v": values})}, schema)
    assert tables["t"]["v"].to_pylist() == values
    found = [f for f in info.findings if f.rule == "unreadable_values"]
    assert [f.evidence for f in found] == ["1 value is no JSON, so that its items are not known: row 2 '[a'."]


def test_vectors_of_different_lengths_are_refused(prepare):
    with pytest.raises(UserError, match=r"DATA040.*t\.v.*from 1 to 2"):
        prepare(*one(["[1, 2]", "[3]"], dtype=Dtype.VECTOR))


def shop(child, parent, child_dtype, parent_dtype):
    frames = {"users": pa.table({"id": parent}), "orders": pa.table({"user": child})}
    users = Table("users", (column("id", parent_dtype),), ("id",))
    orders = Table("orders", (column("user", child_dtype),))
    return frames, Schema((users, orders), (Link("orders", ("user",), "users", ("id",)),))


@pytest.mark.parametrize(
    ("child", "parent", "dtypes", "result", "dangling"),
    [
        ([7.0, None, 8.0], [7, 9], (Dtype.FLOAT, Dtype.INT), [7, None, 8], 1),
        (["7", "8", None], [7, 8], (Dtype.STRING, Dtype.INT), [7, 8, None], 0),
        (["007", "008", None], [7, 8], (Dtype.STRING, Dtype.INT), [7, 8, None], 0),
        ([7, 8, 9], ["007", "008"], (Dtype.INT, Dtype.STRING), [7, 8, 9], 1),
        ([7, 8, 9], ["7", "8", "A1"], (Dtype.INT, Dtype.STRING), ["7", "8", "9"], 1),
        ([True, False], [0, 1], (Dtype.BOOL, Dtype.INT), [1, 0], 0),
        (["x", "y"], pa.array(["x", "y"]).dictionary_encode(), (Dtype.STRING, Dtype.STRING), ["x", "y"], 0),
    ],
)
def test_keys_of_different_types_are_reconciled(child, parent, dtypes, result, dangling, prepare):
    tables, info = prepare(*shop(child, parent, *dtypes))
    assert tables["orders"]["user"].to_pylist() == result
    assert tables["orders"]["user"].type == tables["users"]["id"].type
    assert info.links["orders.user -> users"].dangling == dangling
    dtype = info.schema.table("orders").column("user").dtype
    assert dtype is info.schema.table("users").column("id").dtype
    if dtypes[0] is not dtypes[1]:
        assert "reconciled_key" in {f.rule for f in info.findings}


@pytest.mark.parametrize(
    ("child", "parent", "dtypes", "rates"),
    [
        (["a", "b"], [1, 2], (Dtype.STRING, Dtype.INT), "0 of 2 keys match, under every reading"),
        (["007", "7", "8"], [1, 2], (Dtype.STRING, Dtype.INT), "0 of 3 keys match, under every reading"),
        (["01", "02", "x"], [1, 2], (Dtype.STRING, Dtype.INT), "0 of 3 keys match, and 2 of 3 as numbers"),
    ],
)
def test_keys_that_never_match_are_refused_by_name_with_rates(child, parent, dtypes, rates, prepare):
    with pytest.raises(UserError, match=r"SCH010.*orders\.user -> users") as caught:
        prepare(*shop(child, parent, *dtypes))
    assert rates in caught.value.message


def test_links_that_match_nothing_are_an_alarm(prepare):
    _, info = prepare(*shop([1, 2], [3, 4], Dtype.INT, Dtype.INT))
    assert [(f.rule, f.severity) for f in info.findings] == [("dangling_keys", Severity.ALARM)]


def test_composite_keys_with_times_are_matched_and_copies_dropped(prepare):
    games = pa.table(
        {"day": ["2020-01-01", "2020-01-02", "2020-01-01"], "team": ["a", "b", "a"], "n": [1, 2, 3]}
    )
    goals = pa.table({"day": pa.array([at(2020, 1, 1), at(2020, 1, 3)]), "team": ["a", "b"]})
    schema = Schema(
        (
            Table(
                "games",
                (column("day", Dtype.TIMESTAMP), column("team", Dtype.STRING), column("n", Dtype.INT)),
                ("day", "team"),
                "day",
            ),
            Table("goals", (column("day", Dtype.TIMESTAMP), column("team", Dtype.STRING)), (), None),
        ),
        (Link("goals", ("day", "team"), "games", ("day", "team")),),
    )
    tables, info = prepare({"games": games, "goals": goals}, schema)
    assert tables["games"]["n"].to_pylist() == [1, 2]
    assert info.counts["games"].duplicate_key == 1
    assert tables["goals"]["__time"].to_pylist() == [at(2020, 1, 1)]
    assert {f.rule for f in info.findings} == {"duplicate_key", "reconciled_key", "missing_parent"}


def test_a_time_comes_from_the_newest_parent_and_over_two_steps(prepare):
    frames = {
        "a": pa.table({"id": [1, 2], "t": [at(2020, 1, 1), at(2020, 1, 5)]}),
        "b": pa.table({"id": [1, 2], "a": [1, 2], "b": [2, 1]}),
        "c": pa.table({"b": [2, 1, None], "a": [1, None, None]}),
    }
    schema = Schema(
        (
            Table("a", (column("id", Dtype.INT), column("t", Dtype.TIMESTAMP)), ("id",), "t"),
            Table("b", tuple(column(n, Dtype.INT) for n in ("id", "a", "b")), ("id",)),
            Table("c", tuple(column(n, Dtype.INT) for n in ("b", "a"))),
        ),
        (
            Link("b", ("a",), "a", ("id",)),
            Link("b", ("b",), "b", ("id",)),
            Link("c", ("b",), "b", ("id",)),
            Link("c", ("a",), "a", ("id",)),
        ),
    )
    tables, _ = prepare(frames, schema)
    assert tables["b"]["__time"].to_pylist() == [at(2020, 1, 1), at(2020, 1, 5)]
    assert tables["c"]["__time"].to_pylist() == [at(2020, 1, 5), at(2020, 1, 1), None]


def test_circles_of_timeless_tables_give_no_time_and_are_noted(prepare):
    frames = {"a": pa.table({"id": [1], "b": [1]}), "b": pa.table({"id": [1], "a": [1]})}
    made = tuple(
        Table(n, (column("id", Dtype.INT), column(m, Dtype.INT)), ("id",))
        for n, m in (("a", "b"), ("b", "a"))
    )
    links = (Link("a", ("b",), "b", ("id",)), Link("b", ("a",), "a", ("id",)))
    tables, info = prepare(frames, Schema(made, links))
    assert tables["a"]["__time"].null_count == tables["b"]["__time"].null_count == 1
    assert [f.table for f in info.findings] == ["a", "b"]


def test_odd_names_survive(prepare):
    names = ['say "hi"', "it's", "näme ü", "select", "a.b"]
    table = pa.table({n: [i] for i, n in enumerate(names)})
    schema = Schema((Table('odd "t"', tuple(column(n, Dtype.INT) for n in names), (names[0],)),))
    tables, _ = prepare({'odd "t"': table}, schema)
    assert tables['odd "t"'].column_names == [*names, "__row", "__time"]


def test_empty_tables_are_prepared(prepare):
    frames, schema = shop(pa.array([], pa.int64()), pa.array([], pa.string()), Dtype.INT, Dtype.STRING)
    tables, info = prepare(frames, schema)
    assert tables["orders"].num_rows == 0 and info.findings == ()


def test_a_schema_that_does_not_fit_is_refused(prepare):
    frames, schema = shop([1], [1], Dtype.INT, Dtype.INT)
    other = Table("nope", (column("x", Dtype.INT),))
    with pytest.raises(UserError, match=r"SCH011.*'nope'"):
        prepare(frames, Schema((*schema.tables, other)))
    with pytest.raises(UserError, match=r"SCH012.*'x'"):
        prepare(frames, Schema((Table("users", (column("x", Dtype.INT),)),)))
    with pytest.raises(UserError, match=r"SCH012.*'x'"):
        prepare(frames, Schema((Table("users", (column("id", Dtype.INT),), (), "x"),)))
    with pytest.raises(UserError, match="SCH013"):
        vector = {"t": pa.table({"v": [[1, 2]]})}
        prepare(vector, Schema((Table("t", (column("v", Dtype.INT),)),)))
    with pytest.raises(UserError, match=r"SCH014.*row 2 'x'"):
        keyed = Table("t", (column("v", Dtype.INT),), ("v",))
        prepare({"t": pa.table({"v": ["1", "x"]})}, Schema((keyed,)))
    with pytest.raises(UserError, match="SCH015"):
        prepare(frames, Schema(schema.tables, (Link("orders", ("user",), "users", ("id", "id")),)))
