"""What TensorBoard or MLflow are told of a training, and what happens where they are not there."""

import importlib.util
import logging

import pyarrow as pa
import pytest

import weft
from weft.core import Silent, UserError
from weft.learn import check_tracking, get_rung
from weft.learn.networks import tracking

from .fit_process import CONFIG
from .planted import RESOURCES, make_data

LIMITS = {"resources": RESOURCES, "deadline": None, "progress": Silent()}


class Recorder:
    """A tracker that keeps what it is told; fails from some look on."""

    def __init__(self, fails_at=10**9):
        self.fails_at, self.opened, self.looks, self.is_closed = fails_at, [], [], False

    def open(self, place, name, settings):
        self.opened.append((place, name, settings))
        return self

    def record(self, look, values):
        if look >= self.fails_at:
            raise ConnectionError("nobody answers")
        self.looks.append((look, values))

    def close(self):
        self.is_closed = True


def ask_for(recorder, monkeypatch):
    monkeypatch.setitem(tracking._KINDS, "tensorboard", tracking._Kind("json", recorder.open))
    monkeypatch.setenv(tracking.VARIABLE, "tensorboard:somewhere")


@pytest.fixture(scope="module")
def data(shop):
    return make_data(*shop)


def fit(data):
    return get_rung("sage").fit(data, CONFIG | {"epochs": 2, "variant": "3"}, 0, **LIMITS)


def test_every_look_is_told_under_one_name(data, monkeypatch):
    recorder = Recorder()
    ask_for(recorder, monkeypatch)
    curve = fit(data).curve
    ((place, name, settings),) = recorder.opened
    assert place == "somewhere" and name.startswith("sage-3-") and settings["channels"] == "16"
    assert [look for look, _ in recorder.looks] == [1, 2] and recorder.is_closed
    assert [values["loss"] for _, values in recorder.looks] == curve["loss"]
    assert [values["val/auroc"] for _, values in recorder.looks] == curve["gain"]
    assert all(values["rows_per_s"] > 1 for _, values in recorder.looks)


def test_a_place_that_fails_on_the_way_ends_the_log_and_not_the_fit(data, monkeypatch, caplog):
    recorder = Recorder(fails_at=2)
    ask_for(recorder, monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert len(fit(data).curve["loss"]) == 2
    assert len(recorder.looks) == 1
    assert "is not written to any more: ConnectionError: nobody answers" in caplog.text


def test_a_place_that_cannot_be_opened_is_refused(data, monkeypatch):
    def refuse(*arguments):
        raise PermissionError("no")

    monkeypatch.setitem(tracking._KINDS, "mlflow", tracking._Kind("json", refuse))
    monkeypatch.setenv(tracking.VARIABLE, "mlflow:http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"LEARN048.*mlflow:http://127.0.0.1:1.*PermissionError"):
        fit(data)


@pytest.mark.parametrize("said", ["logs", "tensorboard:", "paper:logs"])
def test_what_names_no_place_is_refused(monkeypatch, said):
    monkeypatch.setenv(tracking.VARIABLE, said)
    with pytest.raises(UserError, match="LEARN048") as raised:
        check_tracking()
    assert f"'{said}'" in raised.value.message


def test_a_missing_package_is_told_before_anything_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv(tracking.VARIABLE, "mlflow:sqlite:///runs.db")
    users = pa.table({"user_id": list(range(30)), "age": [i % 7 for i in range(30)]})
    query = (
        weft.connect({"users": users}, project=tmp_path)
        .graph()
        .query("PREDICT users.age FOR EACH users.user_id")
    )
    with pytest.raises(UserError, match="EXT001") as raised:
        query.fit()
    assert "pip install mlflow" in raised.value.hint
    monkeypatch.delenv(tracking.VARIABLE)
    assert check_tracking() is None


def test_tensorboard_reads_what_was_written(data, monkeypatch, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.setenv(tracking.VARIABLE, f"tensorboard:{tmp_path}")
    curve = fit(data).curve
    (folder,) = tmp_path.iterdir()
    events = accumulator.EventAccumulator(str(folder)).Reload()
    for name, values in (("loss", curve["loss"]), ("val/auroc", curve["gain"])):
        told = events.Scalars(name)
        assert [e.step for e in told] == [1, 2]
        assert [e.value for e in told] == pytest.approx(values)


@pytest.mark.filterwarnings("default")  # MLflow's own
def test_mlflow_reads_what_was_written(data, monkeypatch, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    place = f"sqlite:///{tmp_path}/runs.db"
    monkeypatch.setenv(tracking.VARIABLE, f"mlflow:{place}")
    curve = fit(data).curve
    client = mlflow.MlflowClient(tracking_uri=place)
    number = client.get_experiment_by_name("weft").experiment_id
    (run,) = client.search_runs([number])
    told = sorted(client.get_metric_history(run.info.run_id, "val/auroc"), key=lambda m: m.step)
    assert [m.value for m in told] == pytest.approx(curve["gain"]) and run.info.status == "FINISHED"
    assert run.data.params["channels"] == "16"
