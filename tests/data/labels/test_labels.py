"""What the label of each kind of query is."""

import pyarrow as pa
import pytest
from shops import daily_orders, open_shop, order, user

from weft.core import History, Offset, Split, SplitOptions, UserError, to_micros
from weft.data.labels import Layout, build_labels, class_counts, compute_labels, static_rows
from weft.pql import compile_query
from weft.testing.tiny import day

FOR = "FOR EACH users.user_id"


def at(number):
    return to_micros(day(number))


def label_of(tables, target, anchor=0.0, entity=1):
    """The label of one user at one anchor; 'none' when there is no row."""
    query = compile_query(f"PREDICT {target} {FOR}", tables.schema)
    layout = Layout("given", History.SEED_TIME, (at(anchor),), (), ())
    rows = compute_labels(tables, query, layout).to_pylist()
    found = [row["label"] for row in rows if row["entity"] == entity]
    return found[0] if found else "none"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """User 1 has values, user 2 a row whose values are null, user 3 no row in the window (0, 10]."""
    orders = [
        order(0, 1, 0, 100.0),
        order(1, 1, 1, 4.0, "b"),
        order(2, 1, 2, 1.0, "a", "p2"),
        order(3, 1, 10, 1.0, "B", "gone"),
        order(4, 2, 5, None, None, None),
        order(5, 3, 0, 5.0),
        order(6, 3, 11, 5.0),
    ]
    users = [user(1), user(2), user(3)]
    with open_shop(tmp_path_factory.mktemp("shop"), users=users, orders=orders) as tables:
        yield tables


@pytest.mark.parametrize(
    ("target", "some", "all_null", "no_row"),
    [
        ("COUNT(orders.*, 0, 10)", 3, 1, 0),
        ("COUNT(orders.amount, 0, 10)", 3, 0, 0),
        ("COUNT_DISTINCT(orders.amount, 0, 10)", 2, 0, 0),
        ("SUM(orders.amount, 0, 10)", 6, 0, 0),
        ("AVG(orders.amount, 0, 10)", 2, "none", "none"),
        ("MIN(orders.amount, 0, 10)", 1, "none", "none"),
        ("MAX(orders.amount, 0, 10)", 4, "none", "none"),
        ("MEDIAN(orders.amount, 0, 10)", 1, "none", "none"),
        ("MEDIAN(orders.amount, 0, 9)", 2.5, "none", "none"),
        ("STDDEV(orders.amount, 0, 10)", 3**0.5, "none", "none"),
        ("STDDEV(orders.amount, 1, 2)", "none", "none", "none"),
        ("FIRST(orders.amount, 0, 10)", 4, "none", "none"),
        ("LAST(orders.kind, 0, 10)", "B", "none", "none"),
        ("LIST_DISTINCT(orders.kind, 0, 10) CLASSIFY", ["B", "a", "b"], [], []),
        ("LIST_DISTINCT(orders.kind, 0, 10) RANK TOP 2", ["B", "a", "b"], "none", "none"),
        ("LIST_DISTINCT(orders.product_id, 0, 10) RANK TOP 2", ["p1", "p2"], "none", "none"),
        ("MIN(orders.kind, 0, 10) = 'B'", True, "none", "none"),
        ("MAX(orders.kind, 0, 10) IS NULL", False, True, True),
        ("SUM(orders.amount, 0, 10) / COUNT(orders.amount, 0, 10)", 2, "none", "none"),
        ("EXISTS(orders.* WHERE orders.amount > 2, 0, 10)", True, False, False),
        ("COUNT(orders.* WHERE orders.amount IS NULL, 0, 10)", 0, 1, 0),
        ("COUNT(orders.* WHERE NOT (orders.amount > 1 AND orders.kind = 'b'), 0, 10)", 2, 0, 0),
        ("AVG(orders.amount, 0, 10) > 3 OR COUNT(orders.*, 0, 10) = 0", False, "none", True),
        ("AVG(orders.amount, 0, 10) > 3 AND COUNT(orders.*, 0, 10) > 5", False, False, False),
    ],
)
def test_aggregates_of_values_of_nulls_and_of_nothing(shop, target, some, all_null, no_row):
    found = [label_of(shop, target, entity=entity) for entity in (1, 2, 3)]
    assert found == [pytest.approx(some) if isinstance(some, float) else some, all_null, no_row]


@pytest.mark.parametrize(
    ("window", "count"),
    [
        ("0, 1", 1),
        ("1, 2", 1),
        ("1, 24, hours", 1),
        ("0, 1439, minutes", 0),
        ("0, 86400, seconds", 1),
        ("0, 1, weeks", 2),
        ("0, 1, months", 3),
        ("0, 1, years", 3),
    ],
)
def test_windows_leave_out_their_start_and_hold_their_end(shop, window, count):
    assert label_of(shop, f"COUNT(orders.*, {window})") == count


def test_rows_of_one_instant_are_taken_in_the_order_of_the_table(tmp_path):
    orders = [order(0, 1, 1, kind="x"), order(1, 1, 1, kind="y"), order(2, 1, 1, kind="z")]
    with open_shop(tmp_path, orders=orders) as tables:
        assert label_of(tables, "FIRST(orders.kind, 0, 10)") == "x"
        assert label_of(tables, "LAST(orders.kind, 0, 10)") == "z"


def test_who_left_at_the_anchor_is_gone(tmp_path):
    users = [user(1, joined=day(0), left=day(5)), user(2, joined=day(1)), user(3, joined=day(0))]
    with open_shop(tmp_path, users=users, has_time=True, has_end=True) as tables:
        counts = "COUNT(orders.*, 0, 10)"
        assert [label_of(tables, counts, 0, entity=e) for e in (1, 2, 3)] == [10, "none", 0]
        assert [label_of(tables, counts, 4.5, entity=e) for e in (1, 2, 3)] == [10, 5, 0]
        assert [label_of(tables, counts, 5, entity=e) for e in (1, 2, 3)] == ["none", 5, 0]


def test_forecasts_have_a_row_per_frame(tmp_path):
    with open_shop(tmp_path) as tables:
        text = f"PREDICT COUNT(orders.*, 0, 7) FORECAST 3 TIMEFRAMES {FOR}"
        labels = build_labels(tables, compile_query(text, tables.schema))
    first = labels.table.slice(0, 6).to_pylist()
    assert [(r["entity"], r["frame"], r["label"]) for r in first] == [
        (1, 0, 7.0),
        (1, 1, 7.0),
        (1, 2, 7.0),
        (2, 0, 3.0),
        (2, 1, 4.0),
        (2, 2, 3.0),
    ]
    assert labels.counts["test"] == 6


def test_a_table_has_the_agreed_columns_and_order(tmp_path):
    with open_shop(tmp_path, orders=daily_orders(60)) as tables:
        query = compile_query(f"PREDICT COUNT(orders.*, 0, 7) > 3 {FOR}", tables.schema)
        labels = build_labels(tables, query, history=History.FROZEN)
    assert labels.table.schema == pa.schema(
        {
            "entity": pa.int64(),
            "anchor_time": pa.timestamp("us"),
            "cutoff": pa.timestamp("us"),
            "label": pa.bool_(),
            "split": pa.string(),
        }
    )
    keys = list(zip(*(labels.table[c].to_pylist() for c in ("anchor_time", "entity")), strict=True))
    assert keys == sorted(keys) and len(keys) == labels.table.num_rows
    assert labels.counts == {
        "train": 10,
        "val": 2,
        "test": 2,
        "train_positive": 7,
        "val_positive": 2,
        "test_positive": 1,
    }


def test_labels_are_the_same_bytes_at_any_number_of_batches(tmp_path, monkeypatch):
    orders = [order(i, 1 + i % 2, i / 3, 0.1 * i) for i in range(300)]
    with open_shop(tmp_path, orders=orders) as tables:
        query = compile_query(f"PREDICT SUM(orders.amount, 0, 9) {FOR}", tables.schema)
        options = SplitOptions(step=Offset(2))
        whole = build_labels(tables, query, options)
        monkeypatch.setattr("weft.data.labels.labels.MOMENTS_PER_BATCH", 3)
        parts = build_labels(tables, query, options)
    assert whole.table.combine_chunks() == parts.table.combine_chunks()


def test_sums_do_not_depend_on_the_order_of_rows(tmp_path):
    amounts = [0.1, 1e12, 0.2, -1e12, 0.3, 1e-7]
    forward = [order(i, 1, 1, a) for i, a in enumerate(amounts)]
    backward = [order(i, 1, 1, a) for i, a in enumerate(reversed(amounts))]
    found = []
    for name, orders in (("forward", forward), ("backward", backward)):
        with open_shop(tmp_path / name, orders=orders) as tables:
            found.append(label_of(tables, "SUM(orders.amount, 0, 9)"))
    assert found[0] == found[1] == pytest.approx(0.6000001, abs=1e-12)


def test_one_straddling_note_says_what_was_left_out(tmp_path):
    with open_shop(tmp_path) as tables:
        query = compile_query(f"PREDICT COUNT(orders.*, 0, 9) {FOR}", tables.schema)
        labels = build_labels(tables, query, SplitOptions(step=Offset(3)))
    assert [f.rule for f in labels.findings] == ["straddling_anchors"]
    assert labels.findings[0].evidence.startswith("4 anchors are left out")


def test_one_class_is_refused_with_a_caret(tmp_path):
    with open_shop(tmp_path) as tables:
        query = compile_query(f"PREDICT COUNT(orders.*, 0, 7) > 100 {FOR}", tables.schema)
        with pytest.raises(UserError, match=r"PQL070: all \d+ labels are FALSE"):
            build_labels(tables, query)


def test_one_class_in_test_alone_is_a_note(tmp_path):
    orders = [o for o in daily_orders(100) if o["user_id"] == 1 or o["at"] < day(80)]
    with open_shop(tmp_path, orders=orders) as tables:
        query = compile_query(f"PREDICT MIN(orders.amount, 0, 7) < 2 {FOR}", tables.schema)
        labels = build_labels(tables, query)
    assert [f.rule for f in labels.findings] == ["one_class", "one_class"]
    assert labels.findings[1].evidence == "all 1 labels of test are TRUE"


def test_a_split_without_a_label_is_named(tmp_path):
    orders = [o for o in daily_orders(100) if o["at"] < day(80)] + [order(500, 9, 99)]
    with open_shop(tmp_path, orders=orders) as tables:
        query = compile_query(f"PREDICT AVG(orders.amount, 0, 7) {FOR}", tables.schema)
        with pytest.raises(UserError, match="DATA071: the splits val and test have no row"):
            build_labels(tables, query)


ABSENT = [
    ("users.country = 'Nobody'", "no row of users has 'Nobody' in country"),
    ("users.country IN ('Nobody', 'None')", "no row of users has 'Nobody' or 'None' in country"),
    ("users.age = 1.5", "no row of users has 1.5 in age"),
    ("users.joined = 1999-01-01", "no row of users has 1999-01-01 in joined"),
    ("COUNT(orders.* WHERE orders.amount = 12345, -7, 0) > 0", "no row of orders has 12345 in amount"),
    ("users.country = 'de' AND NOT users.country = 'de'", "nobody may meet all that they ask"),
]


@pytest.mark.parametrize(("where", "words"), ABSENT)
def test_a_value_that_leaves_no_row_is_named(where, words, tmp_path):
    with open_shop(tmp_path, orders=daily_orders(100)) as tables:
        query = compile_query(f"PREDICT COUNT(orders.*, 0, 7) > 0 {FOR} WHERE {where}", tables.schema)
        with pytest.raises(UserError, match="DATA071: no split has a row") as caught:
            build_labels(tables, query)
    assert caught.value.hint.endswith(f": {words}.")


def test_a_number_whose_square_no_double_holds_is_refused(tmp_path):
    orders = [o | {"amount": 1.7e308} if o["at"] == day(5) else o for o in daily_orders(100)]
    with open_shop(tmp_path, orders=orders) as tables:
        query = compile_query(f"PREDICT AVG(orders.amount, 0, 1) {FOR}", tables.schema)
        with pytest.raises(UserError, match=r"DATA097: a label is as large as 1.7e\+308"):
            build_labels(tables, query)


def test_static_labels_are_divided_by_the_time_of_the_entity(tmp_path):
    users = [user(i, joined=day(i // 2), age=i if i % 5 else None) for i in range(40)]
    with open_shop(tmp_path, users=users, has_time=True) as tables:
        query = compile_query(f"PREDICT users.age {FOR}", tables.schema)
        labels = build_labels(tables, query, history=History.FROZEN)
        to_predict = static_rows(tables, query, is_labelled=False)
    rows = labels.table.to_pylist()
    assert [r["entity"] for r in rows] == [i for i in range(40) if i % 5]
    assert {r["anchor_time"]: r["split"] for r in rows if r["split"] != "train"} == {
        day(16): "val",
        day(17): "val",
        day(18): "test",
        day(19): "test",
    }
    assert {r["cutoff"] for r in rows if r["split"] == "test"} == {day(18)}
    assert to_predict["entity"].to_pylist() == [0, 5, 10, 15, 20, 25, 30, 35]
    assert labels.layout.method == "static_time"


def test_static_labels_without_a_time_are_divided_by_a_hash_of_the_key(tmp_path):
    users = [user(i, country="de" if i % 3 else "fr") for i in range(50)]
    with open_shop(tmp_path, users=users) as tables:
        query = compile_query(f"PREDICT users.country {FOR}", tables.schema)
        first, again = (build_labels(tables, query).table for _ in range(2))
    assert first == again
    splits = first["split"].to_pylist()
    assert (splits.count("test"), splits.count("val")) == (5, 5)
    tests = [i for i, s in enumerate(splits) if s == "test"]
    assert tests != list(range(45, 50)) and tests != list(range(5))
    assert set(first["anchor_time"].to_pylist()) == {day(99)}


def test_static_labels_are_divided_at_given_times(tmp_path):
    users = [user(i, joined=day(i)) for i in range(9)]
    with open_shop(tmp_path, users=users, has_time=True) as tables:
        query = compile_query(f"PREDICT users.age {FOR}", tables.schema)
        options = SplitOptions(val_start_us=at(3), test_start_us=at(6), start_us=at(1), end_us=at(7))
        labels = build_labels(tables, query, options)
    assert labels.table["split"].to_pylist() == ["train"] * 2 + ["val"] * 3 + ["test"] * 2


def test_static_labels_that_cannot_be_divided_are_refused(tmp_path):
    with open_shop(tmp_path / "two") as tables:
        query = compile_query(f"PREDICT users.age {FOR}", tables.schema)
        with pytest.raises(UserError, match="DATA086: 2 rows have a label"):
            build_labels(tables, query)
        with pytest.raises(UserError, match="DATA085"):
            build_labels(tables, query, SplitOptions(val_start_us=1, test_start_us=2))
    users = [user(i, joined=day(i % 2)) for i in range(9)]
    with open_shop(tmp_path / "ties", users=users, has_time=True) as tables:
        query = compile_query(f"PREDICT users.age {FOR}", tables.schema)
        with pytest.raises(UserError, match="DATA086: the labelled rows have 2 different times"):
            build_labels(tables, query)


def test_classes_are_counted_per_split(tmp_path):
    with open_shop(tmp_path) as tables:
        query = compile_query(f"PREDICT LIST_DISTINCT(orders.kind, 0, 7) CLASSIFY {FOR}", tables.schema)
        table = build_labels(tables, query).table
    assert class_counts(table, query.task.type, Split.TRAIN) == {"a": 22}


def test_the_keys_after_for_do_not_restrict_training(tmp_path):
    with open_shop(tmp_path) as tables:
        target = "PREDICT COUNT(orders.*, 0, 7) FOR EACH users.user_id"
        everyone, one = (compile_query(text, tables.schema) for text in (target, f"{target} = 1"))
        assert build_labels(tables, one).table == build_labels(tables, everyone).table


@pytest.mark.parametrize("split_column", [None, "part"])
def test_rows_without_a_label_are_counted_by_split(split_column, tmp_path):
    orders = [*daily_orders(40), order(900, 3, 20.5), order(901, 4, 30.5)]
    users = [user(1), user(2), user(3, part="test"), user(4, part="val"), user(5, part=None)]
    with open_shop(tmp_path, users=users, orders=orders) as tables:
        query = compile_query(f"PREDICT AVG(orders.amount, 0, 1) {FOR}", tables.schema)
        labels = build_labels(tables, query, SplitOptions(split_column=split_column))
        anchors = {s.value: len(set(labels.layout.anchors(s))) for s in Split}
        users_in = {"train": 2, "val": 1, "test": 1} if split_column else dict.fromkeys(anchors, 5)
        for split, num in anchors.items():
            asked = users_in[split] * num
            assert labels.counts[f"{split}_undefined"] == asked - labels.counts[split]
        assert labels.counts["test_undefined"] > 0
        always = compile_query(f"PREDICT COUNT(orders.*, 0, 1) {FOR}", tables.schema)
        counts = build_labels(tables, always, SplitOptions(split_column=split_column)).counts
        assert not any("undefined" in name for name in counts)
