"""What rungs are fitted on: encoding, splits, and refusals."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.learn.synthetic import categorical, label_table, make_data, make_task, numerical, planted

from weft.core import History, TaskType, UserError, from_json, to_json
from weft.learn import Encoder, TrainingData, expand_frames


def build(labels, table=None, features=None, kind=TaskType.BINARY, **options):
    table = pa.table({"x": pa.array(np.arange(float(labels.num_rows)))}) if table is None else table
    return TrainingData.build(
        task=make_task(kind),
        history=History.SEED_TIME,
        features=features or [numerical("x")],
        feature_table=table,
        labels=labels,
        **options,
    )


def yes_no(n=80):
    return label_table(pa.array([i % 3 == 0 for i in range(n)]), num_entities=5)


def test_rows_are_divided_and_keep_their_order():
    data = build(yes_no())
    assert [len(data.train), len(data.val), len(data.test)] == [60, 10, 10]
    assert data.train.matrix[:, 0].tolist() == list(range(60))
    assert data.val.matrix[:, 0].tolist() == list(range(60, 70))
    assert data.test.targets.values.tolist() == [float(i % 3 == 0) for i in range(70, 80)]


def test_vocabularies_come_from_train_alone():
    labels = yes_no()
    values = ["a"] * 40 + ["b"] * 15 + [None] * 5 + ["c"] * 20
    data = build(labels, pa.table({"k": values}), [categorical("k")])
    assert data.encoder.vocabularies == {"k": ("a", "b")}
    assert np.unique(data.train.matrix[:, 0]).tolist() == [0.0, 2.0, 3.0]
    assert set(data.val.matrix[:, 0]) == {1.0}


def test_rare_values_of_a_long_vocabulary_share_the_code_of_the_unknown():
    names = [f"v{i}" for i in range(400)] + ["common"] * 10
    encoder = Encoder.fit([categorical("k")], pa.table({"k": names}))
    codes = encoder.matrix(pa.table({"k": ["common", "v0", "v399", "never", None]}))[:, 0]
    assert codes.tolist() == [2.0, 3.0, 1.0, 1.0, 0.0]


def test_numbers_keep_nan_and_lose_infinity():
    column = pa.array([1.5, None, float("inf"), float("-inf")])
    matrix = Encoder((numerical("x"),), {}).matrix(pa.table({"x": column}))
    assert matrix[0, 0] == 1.5
    assert np.isnan(matrix[1, 0])
    assert np.isfinite(matrix[2:, 0]).all()
    assert matrix[3, 0] < 0 < matrix[2, 0]


def test_an_encoder_survives_json():
    features, table, _, _ = planted(50)
    encoder = Encoder.fit(features, table)
    again = from_json(Encoder, to_json(encoder))
    assert again == encoder
    np.testing.assert_array_equal(again.matrix(table), encoder.matrix(table))


def test_a_table_that_does_not_fit_is_refused_with_how_it_differs():
    encoder = Encoder((numerical("x"), numerical("y"), categorical("k")), {"k": ()})
    with pytest.raises(UserError, match=r"LEARN005.*it lacks 'y'; 'x' is string instead of numerical"):
        encoder.matrix(pa.table({"x": ["a"], "k": ["b"]}))
    assert encoder.matrix(pa.table({"x": [1], "y": pa.nulls(1), "k": pa.nulls(1), "more": [2]})).shape == (
        1,
        3,
    )


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        (pa.array([True] * 60 + [True, False] * 10), "LEARN004: all 60 train labels are TRUE"),
        (pa.array([None] + [True, False] * 39 + [True]), "LEARN002: 1 of"),
    ],
)
def test_labels_that_teach_nothing_are_refused(labels, code):
    with pytest.raises(UserError, match=code):
        build(label_table(labels))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_labels_that_are_not_numbers_are_refused(bad):
    labels = label_table(pa.array([1.0] * 79 + [bad], from_pandas=False))
    with pytest.raises(UserError, match=r"LEARN002: 1 of .* are missing or not finite"):
        build(labels, kind=TaskType.REGRESSION)


def test_a_single_class_or_no_label_at_all_is_refused():
    with pytest.raises(UserError, match=r"LEARN004: all .* train labels are 'a'"):
        build(label_table(pa.array(["a"] * 80)), kind=TaskType.MULTICLASS)
    with pytest.raises(UserError, match=r"LEARN004: none of the .* train rows has a label"):
        build(label_table(pa.array([[]] * 80, pa.list_(pa.string()))), kind=TaskType.MULTILABEL)


def test_a_split_without_rows_is_refused():
    labels = yes_no()
    labels = labels.set_column(labels.column_names.index("split"), "split", pa.array(["train"] * 80))
    with pytest.raises(UserError, match="LEARN001: the split 'val' has no rows among the 80"):
        build(labels)


def test_tables_of_different_lengths_are_refused():
    with pytest.raises(UserError, match="LEARN003: the feature table has 3 rows and the label table 80"):
        build(yes_no(), pa.table({"x": [1.0, 2.0, 3.0]}))


def test_a_test_split_may_be_empty():
    labels = yes_no()
    labels = labels.slice(0, 70)
    assert len(build(labels).test) == 0


def test_alternative_train_rows_are_found_by_name():
    labels = yes_no()
    other = pa.table({"x": pa.array(np.full(80, 7.0))})
    data = build(labels, alternatives={"stale": other})
    assert data.outline.alternatives == ("stale",)
    assert set(data.train_rows("stale").matrix[:, 0]) == {7.0}
    assert len(data.train_rows("own+stale")) == 2 * len(data.train)
    with pytest.raises(UserError, match="LEARN012: there are no train rows called 'fresh'"):
        data.train_rows("fresh")


def test_alternative_rows_may_have_labels_of_their_own():
    labels = yes_no()
    pair = (pa.table({"x": [1.0, 2.0]}), pa.table({c: labels[c].slice(0, 2) for c in labels.column_names}))
    assert len(build(labels, alternatives={"more": pair}).train_rows("more")) == 2
    with pytest.raises(UserError, match="LEARN003"):
        build(labels, alternatives={"more": (pa.table({"x": [1.0]}), pair[1])})


def test_the_frame_becomes_a_feature_when_forecasting():
    data = make_data(TaskType.FORECASTING, n=240)
    assert data.features[-1].name == "frame"
    assert sorted(set(data.train.matrix[:, -1])) == [0.0, 1.0, 2.0]


def test_seeds_are_expanded_frame_by_frame():
    seeds = pa.table({"entity": ["a", "b"], "anchor_time": [1, 2]})
    expanded = expand_frames(seeds, 2)
    assert expanded["entity"].to_pylist() == ["a", "a", "b", "b"]
    assert expanded["frame"].to_pylist() == [0, 1, 0, 1]
    assert expand_frames(pa.table({"x": [5, 6]}), 2)["x"].to_pylist() == [5, 5, 6, 6]


def test_a_forecast_without_frames_is_refused():
    data = make_data(TaskType.FORECASTING, n=240)
    table = planted(3)[1]
    with pytest.raises(UserError, match="LEARN018"):
        data.encoder.matrix(table, pa.table({"entity": [1, 2, 3]}))


def test_a_class_that_train_lacks_is_known_to_be_unknown():
    values = ["a", "b"] * 30 + ["c"] * 20
    data = build(label_table(pa.array(values), num_entities=5), kind=TaskType.MULTICLASS)
    assert data.classes == ("a", "b")
    assert set(data.val.targets.values) == {-1}


def test_true_labels_beyond_the_classes_still_count():
    lists = [["a"], ["a", "b"]] * 30 + [["a", "z"]] * 20
    data = build(label_table(pa.array(lists), num_entities=5), kind=TaskType.MULTILABEL)
    assert data.val.targets.values.tolist() == [[1, 0]] * len(data.val)
    assert set(data.val.targets.num_true) == {2}


def test_files_give_the_same_data_as_tables(tmp_path):
    labels = yes_no()
    table = pa.table({"x": pa.array(np.arange(80.0)), "k": ["a", "b"] * 40})
    features = [numerical("x"), categorical("k")]
    pq.write_table(table, tmp_path / "f.parquet")
    pq.write_table(labels, tmp_path / "l.parquet")
    read = TrainingData.read(
        task=make_task(TaskType.BINARY),
        history=History.SEED_TIME,
        features=features,
        feature_path=tmp_path / "f.parquet",
        label_path=tmp_path / "l.parquet",
    )
    np.testing.assert_array_equal(read.train.matrix, build(labels, table, features).train.matrix)
