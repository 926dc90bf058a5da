"""A suite for authors of rungs: subclass it, name the rung, and pytest does the rest.

class TestMyRung(RungSuite):
    rung = MyRung()
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from weft.core import Feature, FeatureKind, History, Offset, Resources, Silent, Task, TaskType, UserError
from weft.learn import Budget, Model, Rung, TrainingData
from weft.learn.candidate import check_prediction

_DAY_US = 86_400_000_000
_KINDS = (TaskType.BINARY, TaskType.REGRESSION, TaskType.MULTICLASS, TaskType.MULTILABEL)


class RungSuite:
    """What every rung keeps to, on small tasks with a planted signal.

    Set ``rung``. Rungs that rank items need candidates and are not covered.
    """

    rung: Rung
    num_rows = 480

    def test_it_says_who_it_is(self) -> None:
        """Name, place on the ladder and a model class that carries the name."""
        assert self.rung.name == self.rung.name.lower()
        assert 0 <= self.rung.cost <= 100
        assert self.rung.model.rung == self.rung.name

    def test_variants_are_plain_and_do_not_depend_on_when_they_are_asked(self) -> None:
        """Two calls give equal lists of JSON values."""
        import json

        for data in self._tasks():
            first, second = (self.rung.variants(data.outline, Budget(1.0)) for _ in range(2))
            assert first
            assert json.loads(json.dumps(first)) == second

    def test_predictions_have_the_shape_of_the_task(self) -> None:
        """One finite number per row, or one per class; probabilities where the task has classes."""
        for data in self._tasks():
            model = self._fit(data)
            predicted = model.score(data.test.matrix)
            check_prediction(self.rung.name, predicted, len(data.test), len(data.classes))
            if data.task.type is not TaskType.REGRESSION:
                assert ((predicted >= 0) & (predicted <= 1)).all()
            if data.task.type is TaskType.MULTICLASS:
                np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-6)

    def test_a_saved_model_predicts_the_same(self, tmp_path: Path) -> None:
        """What is written and read back gives equal predictions, from plain files."""
        for data in self._tasks():
            model = self._fit(data)
            folder = tmp_path / data.task.type.value
            model.save(folder)
            again = self.rung.model.load(folder)
            np.testing.assert_array_equal(again.score(data.test.matrix), model.score(data.test.matrix))
            assert not [p for p in folder.rglob("*") if p.suffix in {".pkl", ".pickle", ".joblib"}]

    def test_the_same_seed_gives_the_same_bytes(self, tmp_path: Path) -> None:
        """Two fits write equal files, whatever the number of threads."""
        for data in self._tasks():
            for threads in (1, 2):
                self._fit(data, threads=threads).save(tmp_path / f"{data.task.type.value}-{threads}")
            first, second = (tmp_path / f"{data.task.type.value}-{t}" for t in (1, 2))
            files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
            assert files == sorted(p.relative_to(second) for p in second.rglob("*") if p.is_file())
            assert all((first / f).read_bytes() == (second / f).read_bytes() for f in files)

    def test_contributions_add_up(self) -> None:
        """Where there are any, each row's sum to the raw score."""
        for data in self._tasks():
            model, matrix = self._fit(data), data.test.matrix
            divided = model.contribution_matrix(matrix, 0)
            if divided is not None:
                raw = model.raw(matrix)
                assert divided.shape == (len(matrix), matrix.shape[1] + 1)
                first = raw[:, 0] if raw.ndim == 2 else raw
                np.testing.assert_allclose(divided.sum(axis=1), first, atol=1e-5)

    def test_missing_features_do_no_harm(self) -> None:
        """Rows in which everything is missing still get a finite prediction."""
        for data in self._tasks():
            matrix = np.full((3, len(data.features)), np.nan, dtype=np.float32)
            matrix[:, list(data.encoder.categorical)] = 0.0
            assert np.isfinite(self._fit(data).score(matrix)).all()

    def test_the_test_split_is_not_looked_at(self) -> None:
        """Other labels in test change nothing."""
        for kind in self._kinds():
            models = [self._fit(make_task_data(kind, self.num_rows, shuffle_test=s)) for s in (False, True)]
            matrix = make_task_data(kind, self.num_rows).val.matrix
            np.testing.assert_array_equal(models[0].score(matrix), models[1].score(matrix))

    def _kinds(self) -> list[TaskType]:
        found = [k for k in _KINDS if self.rung.supports(_task(k))]
        assert found, "the rung supports none of the tasks that the suite knows"
        return found

    def _tasks(self) -> list[TrainingData]:
        return [make_task_data(kind, self.num_rows) for kind in self._kinds()]

    def _fit(self, data: TrainingData, *, threads: int = 2) -> Model:
        config = self.rung.variants(data.outline, Budget(0.5))[0]
        limits: dict[str, Any] = {"deadline": None, "progress": Silent()}
        resources = Resources(memory_bytes=2 * 10**9, threads=threads)
        try:
            return self.rung.fit(data, config, 0, resources=resources, **limits)
        except UserError as error:
            raise AssertionError(f"the rung refuses a plain task: {error}") from error


def make_task_data(kind: TaskType, num_rows: int = 480, *, shuffle_test: bool = False) -> TrainingData:
    """Make a small task of which two features tell the answer; one is missing at times.

    Args:
        kind: Binary, regression, multiclass or multilabel.
        num_rows: Of all splits together.
        shuffle_test: Give the test rows each other's labels.
    """
    rng = np.random.default_rng(0)
    strong, noise = rng.normal(size=(2, num_rows))
    color = rng.integers(0, 3, size=num_rows)
    signal = strong + 0.8 * (color == 1) + 0.3 * rng.normal(size=num_rows)
    split = np.repeat(["train", "val", "test"], [num_rows // 2, num_rows // 4, num_rows - 3 * num_rows // 4])
    order = np.arange(num_rows)
    if shuffle_test:
        order[split == "test"] = order[split == "test"][::-1]
    known = pa.array(np.where(rng.random(num_rows) < 0.1, np.nan, strong), from_pandas=True)
    anchor = pa.array(np.arange(num_rows) // 40 * _DAY_US, pa.int64()).cast(pa.timestamp("us"))
    past = signal + rng.normal(size=num_rows)
    columns = {
        "strong": known,
        "noise": pa.array(noise),
        "color": pa.array(np.array(["red", "green", "blue"])[color]),
        "past": pa.array((past > 0).astype(float) if kind is TaskType.BINARY else past),
        "past_class": pa.array(np.array(["low", "mid", "high"])[np.digitize(past, [-0.5, 0.5])]),
    }
    labels = {
        "entity": pa.array(np.arange(num_rows) % 40),
        "anchor_time": anchor,
        "cutoff": anchor,
        "label": _labels(kind, signal).take(pa.array(order)),
        "split": pa.array(split),
    }
    return TrainingData.build(
        task=_task(kind),
        history=History.SEED_TIME,
        features=[_feature(name, column.type) for name, column in columns.items()],
        feature_table=pa.table(columns),
        labels=pa.table(labels),
    )


def _task(kind: TaskType) -> Task:
    return Task(kind, "users", "user_id", horizon=Offset(1))


def _feature(name: str, dtype: pa.DataType) -> Feature:
    kind = FeatureKind.CATEGORICAL if pa.types.is_string(dtype) else FeatureKind.NUMERICAL
    aggregate = {"past": "past_label.mean", "past_class": "past_label.mode"}.get(name, "value")
    return Feature(name, kind, "users", (name,), (), aggregate, None, f"the {name}")


def _labels(kind: TaskType, signal: np.ndarray) -> pa.Array:
    if kind is TaskType.BINARY:
        return pa.array(signal > 0.3)
    if kind is TaskType.REGRESSION:
        return pa.array(signal)
    names = np.array(["low", "mid", "high"])[np.digitize(signal, [-0.3, 0.6])]
    return pa.array(names) if kind is TaskType.MULTICLASS else pa.array([[n] for n in names.tolist()])
