"""Label tables of the user's own."""

import datetime as dt

import pyarrow as pa
import pytest
from shops import open_shop, user

from weft.core import History, SplitOptions, TaskType, UserError, to_micros
from weft.data.labels import task_of_labels, use_label_table
from weft.pql import compile_query
from weft.testing.tiny import day

COUNT = "PREDICT COUNT(orders.*, 0, 7) > 3 FOR EACH users.user_id"
SUBJECT = ("users", "user_id")


def at(number):
    return to_micros(day(number))


def table_of(days=range(0, 100, 10), entities=(1, 2), label=lambda e, d: (e + d // 10) % 2 == 0, **columns):
    rows = [(e, d) for d in days for e in entities]
    made = {
        "user_id": [e for e, _ in rows],
        "anchor_time": pa.array([day(d) for _, d in rows], pa.timestamp("us")),
        "label": [label(e, d) for e, d in rows],
    }
    return pa.table({**made, **{n: [value(e, d) for e, d in rows] for n, value in columns.items()}})


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    users = [user(i) for i in range(1, 10)]
    with open_shop(tmp_path_factory.mktemp("shop"), users=users) as tables:
        yield tables


def splits_of(labels):
    return {r["anchor_time"]: r["split"] for r in labels.table.to_pylist()}


def test_anchors_of_a_label_table_are_divided_by_fractions(shop):
    labels = use_label_table(shop, SUBJECT, table_of())
    assert [s for _, s in sorted(splits_of(labels).items())] == ["train"] * 8 + ["val", "test"]
    assert labels.table.column_names == ["entity", "anchor_time", "cutoff", "label", "split"]
    assert labels.layout.method == "fractions"


def test_windows_of_the_query_keep_splits_apart(shop):
    query = compile_query(COUNT, shop.schema)
    labels = use_label_table(shop, query, table_of(days=range(40)))
    assert labels.layout.straddling == tuple(at(d) for d in (*range(20, 26), *range(30, 36)))
    assert len(splits_of(labels)) == 28


def test_given_times_divide_a_label_table(shop):
    options = SplitOptions(val_start_us=at(40), test_start_us=at(70))
    query = compile_query(COUNT, shop.schema)
    labels = use_label_table(shop, query, table_of(days=range(0, 100, 5)), options, History.FROZEN)
    assert labels.layout.val == tuple(at(d) for d in (40, 45, 50, 55, 60))
    assert labels.layout.straddling == (at(35), at(65))
    assert {r["cutoff"] for r in labels.table.to_pylist() if r["split"] == "test"} == {day(70)}


def test_a_split_column_of_the_table_is_kept_and_overlaps_are_an_alarm(shop):
    given = table_of(split=lambda _, d: "train" if d < 50 else "val" if d < 80 else "test")
    labels = use_label_table(shop, compile_query(COUNT.replace("7", "14"), shop.schema), given)
    assert labels.table["split"].to_pylist() == given["split"].to_pylist()
    assert [(f.rule, f.severity.value) for f in labels.findings] == [("splits_overlap", "alarm")] * 2


def test_labels_at_one_anchor_are_divided_by_key(shop):
    labels = use_label_table(shop, SUBJECT, table_of(days=[5], entities=range(1, 10)))
    assert labels.counts["test"] == labels.counts["val"] == 1
    assert [f.rule for f in labels.findings if f.rule == "few_anchors"] == ["few_anchors"]


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        (lambda e, d: e % 2, TaskType.BINARY),
        (lambda e, d: e % 2 == 0, TaskType.BINARY),
        (lambda e, d: e + 0.5, TaskType.REGRESSION),
        (lambda e, d: "ab"[e % 2], TaskType.MULTICLASS),
        (lambda e, d: ["a"] * e, TaskType.MULTILABEL),
    ],
)
def test_the_task_follows_from_the_labels(shop, label, kind):
    table = table_of(label=label)
    assert task_of_labels(shop, *SUBJECT, table).type is kind
    labels = use_label_table(shop, SUBJECT, table)
    types = {TaskType.BINARY: pa.bool_(), TaskType.REGRESSION: pa.float64(), TaskType.MULTICLASS: pa.string()}
    assert labels.table["label"].type == types.get(kind, pa.list_(pa.string()))


def test_frames_make_it_forecasting(shop):
    parts = [table_of(label=lambda e, d: float(e), frame=lambda e, d, f=f: f) for f in range(2)]
    labels = use_label_table(shop, SUBJECT, pa.concat_tables(parts))
    assert labels.layout.num_frames == 2
    assert labels.table.slice(0, 3)["frame"].to_pylist() == [0, 1, 0]


def test_times_are_read_in_any_zone_and_as_dates(shop):
    zoned = table_of()
    column = pa.array(zoned["anchor_time"].to_pylist(), pa.timestamp("s", "UTC")).cast(
        pa.timestamp("s", "+02:00")
    )
    dates = pa.array([t.date() for t in zoned["anchor_time"].to_pylist()], pa.date32())
    for times in (column, dates):
        given = zoned.set_column(1, "anchor_time", times).rename_columns(["entity", "anchor_time", "label"])
        assert use_label_table(shop, SUBJECT, given).table["anchor_time"][0].as_py() == dt.datetime(
            2020, 1, 1
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop_columns("label"), "DATA080: the label table has no column 'label'"),
        (lambda t: t.drop_columns("user_id"), "DATA080: .* no column 'user_id' or 'entity'"),
        (lambda t: t.set_column(0, "user_id", pa.array(["x"] * 20)), "DATA081: the column 'user_id'"),
        (
            lambda t: t.set_column(1, "anchor_time", pa.array(["soon"] * 20)),
            "DATA081: the column 'anchor_time'",
        ),
        (lambda t: t.set_column(2, "label", pa.array(["yes"] * 20)), "DATA081: the labels of a binary task"),
        (lambda t: t.set_column(2, "label", pa.array([None] * 20, pa.bool_())), "DATA082: 20 of 20 rows"),
        (lambda t: pa.concat_tables([t, t]), "DATA082: 20 pairs of entity and anchor .* more than once"),
        (lambda t: t.set_column(0, "user_id", pa.array([99, *range(1, 20)])), "DATA083: 11 entities"),
        (lambda t: t.append_column("split", pa.array(["dev"] * 20)), "DATA084: .* holds 'dev'"),
    ],
)
def test_faults_of_a_label_table_are_named(shop, change, said):
    query = compile_query(COUNT, shop.schema)
    with pytest.raises(UserError, match=said):
        use_label_table(shop, query, change(table_of()))


def test_one_class_without_a_query_is_refused(shop):
    with pytest.raises(UserError, match="DATA088: all 16 train labels are FALSE"):
        use_label_table(shop, SUBJECT, table_of(label=lambda e, d: False))


def test_anchors_too_close_for_the_window_are_refused(shop):
    with pytest.raises(UserError, match=r"DATA089: the 5 anchors .* label windows of 7 days"):
        use_label_table(shop, compile_query(COUNT, shop.schema), table_of(days=range(5)))
