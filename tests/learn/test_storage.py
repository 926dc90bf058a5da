"""Training data in folders: written a column at a time, mapped by whoever reads them."""

import gc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.learn.synthetic import RESOURCES, label_table, make_data, make_task, planted
from tests.learn.test_ranking import FEATURES as RANKING_FEATURES
from tests.learn.test_ranking import TASK as RANKING_TASK
from tests.learn.test_ranking import build as build_ranking
from tests.learn.test_ranking import tables as ranking_tables

from weft.core import History, TaskType, UserError
from weft.learn import (
    Budget,
    TrainingData,
    fit_candidate,
    get_rung,
    load_training_data,
    save_training_data,
    write_training_data,
)
from weft.learn.matrices import open_array, take

KINDS = tuple(k for k in TaskType if k is not TaskType.LINK_PREDICTION)


def assert_same_rows(found, expected):
    np.testing.assert_array_equal(found.matrix, expected.matrix)
    np.testing.assert_array_equal(found.targets.values, expected.targets.values)
    np.testing.assert_array_equal(found.targets.num_true, expected.targets.num_true)
    assert found.seeds.equals(expected.seeds)


def assert_same_data(found, expected):
    assert found.outline == expected.outline
    assert found.encoder == expected.encoder
    assert found.classes == expected.classes
    for name in expected.train_by_name:
        assert_same_rows(found.train_by_name[name], expected.train_by_name[name])
    assert_same_rows(found.val, expected.val)
    assert_same_rows(found.test, expected.test)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_is_loaded_again(kind, tmp_path):
    data = make_data(kind, n=400)
    save_training_data(tmp_path, data)
    assert_same_data(load_training_data(tmp_path), data)


def written(tmp_path, *, kind=TaskType.REGRESSION, history=History.FROZEN):
    """Write features and an alternative as files; return the data from the files and from tables."""
    features, table, signal, rng = planted(400)
    shuffled = rng.permutation(400)
    labels = label_table(pa.array(signal), frames=3 if kind is TaskType.FORECASTING else 0)
    # A split that is not one run of rows.
    split = np.array(labels["split"].to_pylist(), dtype=object)[shuffled]
    labels = labels.set_column(labels.column_names.index("split"), "split", pa.array(split.tolist()))
    stale = table.take(pa.array(shuffled))
    for name, given in (("features", table), ("stale", stale)):
        pq.write_table(given, tmp_path / name, row_group_size=150)
    shared = {
        "task": make_task(kind, num_frames=3),
        "history": history,
        "features": features,
        "labels": labels,
    }
    from_files = write_training_data(
        tmp_path / "training",
        feature_path=tmp_path / "features",
        alternatives={"stale": (tmp_path / "stale", None)},
        **shared,
    )
    return from_files, TrainingData.build(feature_table=table, alternatives={"stale": stale}, **shared)


@pytest.mark.parametrize("kind", [TaskType.REGRESSION, TaskType.FORECASTING])
def test_files_are_encoded_column_by_column_to_the_same_data(kind, tmp_path):
    from_files, from_tables = written(tmp_path, kind=kind)
    assert_same_data(from_files, from_tables)
    assert_same_data(load_training_data(tmp_path / "training"), from_tables)
    assert from_files.outline.alternatives == ("stale",)


def test_the_same_files_are_written_every_time(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        written(tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "first" / "training").iterdir())
    assert "training.json" in files
    for file in files:
        first, second = ((tmp_path / name / "training" / file).read_bytes() for name in ("first", "second"))
        assert first == second, file


@pytest.mark.parametrize("rung", ["entity", "heuristic", "linear", "lightgbm"])
def test_a_rung_fits_the_same_from_mapped_data(rung, tmp_path):
    data = make_data(TaskType.BINARY, n=600)
    save_training_data(tmp_path / "data", data)
    config = get_rung(rung).variants(data.outline, Budget(0.5))[0]
    for name, given in (("memory", data), ("mapped", load_training_data(tmp_path / "data"))):
        fit_candidate(given, rung, config, 0, tmp_path / name, resources=RESOURCES)
    for file in ("val.parquet", "test.parquet"):
        first, second = (pq.read_table(tmp_path / name / file) for name in ("memory", "mapped"))
        assert first.equals(second)


def test_a_matrix_is_mapped_once_and_let_go(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((3, 2), dtype=np.float32, order="F"))
    first, second = open_array(path), open_array(path)
    assert np.shares_memory(first, second)
    del first, second
    gc.collect()
    np.save(path, np.zeros((3, 2), dtype=np.float32, order="F"))
    assert not open_array(path).any()


def test_data_that_are_in_use_outlive_a_second_writing(tmp_path):
    first = make_data(TaskType.BINARY, n=400)
    save_training_data(tmp_path, first)
    loaded = load_training_data(tmp_path)
    second = make_data(TaskType.BINARY, n=400, seed=1)
    save_training_data(tmp_path, second)
    np.testing.assert_array_equal(loaded.train.matrix, first.train.matrix)
    np.testing.assert_array_equal(load_training_data(tmp_path).train.matrix, second.train.matrix)


def test_rows_and_columns_are_taken_in_any_order():
    matrix = np.arange(12, dtype=np.float32).reshape(4, 3)
    for order in "CF":
        given = np.array(matrix, order=order)
        np.testing.assert_array_equal(take(given, np.array([2, 0])), matrix[[2, 0]])
        np.testing.assert_array_equal(take(given, np.array([3, 1]), [2, 0]), matrix[[3, 1]][:, [2, 0]])


def test_candidates_survive_a_folder(tmp_path):
    candidates, labels = ranking_tables(num_seeds=80)
    expected = build_ranking(candidates, labels)
    pq.write_table(candidates, tmp_path / "candidates")
    shared = {"task": RANKING_TASK, "history": History.SEED_TIME, "features": RANKING_FEATURES}
    write_training_data(tmp_path / "written", feature_path=tmp_path / "candidates", labels=labels, **shared)
    save_training_data(tmp_path / "saved", expected)
    for folder in ("written", "saved"):
        found = load_training_data(tmp_path / folder)
        assert (found.outline, found.encoder) == (expected.outline, expected.encoder)
        for name in ("train", "val", "test"):
            one, other = getattr(found, name), getattr(expected, name)
            assert_same_rows(one, other)
            for part in ("seed", "is_true", "popularity"):
                np.testing.assert_array_equal(getattr(one, part), getattr(other, part))
            assert one.items.to_pylist() == other.items.to_pylist()


def test_damaged_and_newer_folders_are_refused(tmp_path):
    save_training_data(tmp_path, make_data(TaskType.BINARY, n=400))
    description = (tmp_path / "training.json").read_text()
    (tmp_path / "training.json").write_text(description.replace('"format":2', '"format":99'))
    with pytest.raises(UserError, match=r"LEARN009: the training data in .* it has format 99"):
        load_training_data(tmp_path)
    (tmp_path / "training.json").write_text(description)
    (tmp_path / "val.npy").write_bytes(b"no matrix")
    with pytest.raises(UserError, match="LEARN009"):
        load_training_data(tmp_path)
    (tmp_path / "val.npy").unlink()
    with pytest.raises(UserError, match="LEARN009"):
        load_training_data(tmp_path)
