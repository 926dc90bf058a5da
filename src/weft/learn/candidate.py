"""One candidate: a rung fitted in one configuration, with its predictions and scores, in a folder.

::

    model/           the saved model
    val.parquet      seeds and ``prediction`` for val, held out where the model was fitted on val
    test.parquet     the same for test
    candidate.json   what it is and how it scored
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import (
    InvariantError,
    ProgramFailed,
    Progress,
    Resources,
    Silent,
    Split,
    Task,
    UnavailableError,
    UserError,
    WeftError,
    from_json,
    from_plain,
    one_blas_thread,
    to_json,
)
from weft.learn.calibration import Calibration, calibrate
from weft.learn.metrics import get_metric
from weft.learn.networks.curve import Curve
from weft.learn.registry import get_rung, is_search, load_model
from weft.learn.rung import Model, not_applicable
from weft.learn.scoring import fallback_metric
from weft.learn.view import GraphView, asked

_log = logging.getLogger(__name__)
CANDIDATE_FILE = "candidate.json"
MODEL_FOLDER = "model"
# It finds nothing to use, or the memory does not hold it: no reason to lose the others.
_LEFT_OUT = ("LEARN010", "LEARN050")


@dataclass(frozen=True)
class Candidate:
    """What is known of one candidate; scores are ``None`` where undefined.

    Attributes:
        model: ``rung`` or ``rung:variant``.
        rung: Name of the rung.
        cost: Place of the rung on the ladder.
        words: What the model does, in words.
        config: What was fitted.
        seed: With what randomness.
        metric: What candidates are chosen by.
        val: Score on val.
        test: Score on test.
        val_fallback: Score on val by the metric that decides where ``metric`` is undefined.
        calibration: How its probabilities are corrected.
        num_train: Rows it was fitted on.
        fit_s: Seconds of the fit, on the clock.
        cpu_s: CPU seconds of the process while it was fitted; of fits side by side, those of all of them.
        rows_per_s: Train rows over ``fit_s``.
        left_out: Why the rung could not be used on these data; empty when it could.
        hint: What would help one that was left out, as an instruction; empty where nothing is known.
        is_idle: Whether it stands for a trial that a search did without.
        curve: How its training went; empty for what is not trained in epochs.
    """

    model: str
    rung: str
    cost: int
    words: str
    config: dict[str, Any]
    seed: int
    metric: str
    val: float | None = None
    test: float | None = None
    val_fallback: float | None = None
    calibration: Calibration = field(default_factory=Calibration)
    num_train: int = 0
    fit_s: float = 0.0
    cpu_s: float = 0.0
    rows_per_s: float = 0.0
    left_out: str = ""
    hint: str = ""
    is_idle: bool = False
    curve: Curve = field(default_factory=Curve)


def fit_candidate(
    data: Any,
    rung: str,
    config: Mapping[str, Any],
    seed: int,
    directory: Path,
    *,
    resources: Resources,
    deadline: float | None = None,
    progress: Progress | None = None,
    members: Sequence[Path] = (),
    unfinished: Path | None = None,
    beside: Mapping[str, Any] | None = None,
) -> Candidate:
    """Fit one configuration and write its folder; without a model where it finds nothing to use.

    Args:
        data: `TrainingData`, or `RankingData` for link prediction.
        rung: Name of the rung.
        config: One of the rung's variants.
        seed: All randomness derives from it.
        directory: Where to.
        resources: As for `Rung.fit`, like ``deadline`` and ``progress``.
        members: Folders of finished candidates, for rungs that combine others.
        unfinished: Folder that outlives a killed fit, in which rungs that resume keep how far they are.
        beside: What else a rung finds in its configuration: ``warm``, ``origins``; see `Rung`.
    """
    kind = _rung_for(rung, data.task)
    limits: dict[str, Any] = {"resources": resources, "deadline": deadline, "progress": progress or Silent()}
    limits |= {"unfinished": unfinished} if getattr(kind, "resumes", False) else {}
    clock, cpu = time.monotonic(), time.process_time()
    try:
        with one_blas_thread():
            model = kind.fit(data, {**config, **(beside or {}), **_folders(members)}, seed, **limits)
        times = time.monotonic() - clock, time.process_time() - cpu
        return _write(_finish(data, kind, config, seed, model, times, directory), directory)
    except Exception as error:
        if (told := _left_out_by(rung, error)) is None:
            raise
        return leave_out(data, rung, config, seed, directory, told.message, hint=told.hint)


def _left_out_by(rung: str, error: Exception) -> WeftError | None:
    """Return why a candidate is left out after an error; ``None`` where the error ends the run.

    A trial of a search that breaks is no reason to lose the others. What users can change, and a disk or a
    service that does not answer, is no fault of a trial. Of several processes that train together one cannot
    go on alone.
    """
    if isinstance(error, (UserError, UnavailableError)):
        return error if error.code in _LEFT_OUT else None
    is_together = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if is_together or not is_search(rung) or isinstance(error, (OSError, ProgramFailed)):
        return None
    _log.warning("a trial of '%s' broke and was left out", rung, exc_info=error)
    told = f"{error.code}: {error.message}" if isinstance(error, WeftError) else _first_line(error)
    return not_applicable(rung, f"its fit broke: {told.rstrip('.')}")


def _clear(directory: Path) -> None:
    """Take away what a candidate had written when it broke."""
    if (model := directory / MODEL_FOLDER).exists():
        shutil.rmtree(model)
    for split in (Split.VAL, Split.TEST):
        (directory / f"{split.value}.parquet").unlink(missing_ok=True)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _folders(members: Sequence[Path]) -> dict[str, Any]:
    return {"members": [str(m) for m in members]} if members else {}


def leave_out(
    data: Any,
    rung: str,
    config: Mapping[str, Any],
    seed: int,
    directory: Path,
    reason: str,
    *,
    is_idle: bool = False,
    hint: str = "",
) -> Candidate:
    """Write the folder of a configuration that is not fitted, with the reason why and what would help."""
    _clear(directory)
    facts: dict[str, Any] = {"left_out": reason, "hint": hint, "is_idle": is_idle}
    told = _describe(data, get_rung(rung), config, seed, **facts)
    return _write(told, directory)


def read_candidate(directory: Path) -> Candidate:
    """Read what `fit_candidate` wrote about a candidate."""
    return from_json(Candidate, (directory / CANDIDATE_FILE).read_bytes())


def read_predictions(directory: Path, split: Split) -> np.ndarray:
    """Read a candidate's predictions, ``(n,)`` or ``(n, classes)``, as they were before calibration."""
    column = pq.read_table(directory / f"{split.value}.parquet").column("prediction").combine_chunks()
    if not pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat.reshape(len(column), column.type.list_size))


@dataclass(frozen=True)
class Predictor:
    """A candidate's model with its calibration: what predictions are made with."""

    candidate: Candidate
    model: Model

    @staticmethod
    def open(directory: Path) -> Predictor:
        """Read a candidate's folder.

        Raises:
            UserError: ``LEARN009`` when the model cannot be read.
        """
        return Predictor(read_candidate(directory), load_model(directory / MODEL_FOLDER))

    def predict(
        self, features: pa.Table, seeds: pa.Table | None = None, graph: GraphView | None = None
    ) -> np.ndarray:
        """Predict, calibrated; shapes as `weft.learn.rung` lists them.

        Raises:
            UserError: ``LEARN005`` when the features are not those the model was fitted on.
        """
        return self.candidate.calibration.apply(self.model.predict(features, seeds, graph))


def _finish(
    data: Any,
    kind: Any,
    config: Mapping[str, Any],
    seed: int,
    model: Model,
    times: tuple[float, float],
    directory: Path,
) -> Candidate:
    val = model.score_rows(asked(data, data.val)) if model.val_prediction is None else model.val_prediction
    test = model.score_rows(asked(data, data.test))
    for rows, prediction in ((data.val, val), (data.test, test)):
        check_prediction(kind.name, prediction, len(rows.matrix), len(data.classes))
    model.save(directory / MODEL_FOLDER)
    for split, rows, prediction in ((Split.VAL, data.val, val), (Split.TEST, data.test, test)):
        pq.write_table(rows.with_prediction(prediction), directory / f"{split.value}.parquet")
    metric = get_metric(data.outline.chosen_metric)
    fallback = get_metric(fallback_metric(data.task.type))
    calibration = calibrate(data.task, data.val.targets, val, data.val.seeds)
    num_train = len(data.train_rows(str(config.get("train_cutoffs", model.train_cutoffs))))
    return _describe(
        data,
        kind,
        config,
        seed,
        words=model.words,
        val=data.val.score(metric, val),
        test=data.test.score(metric, test) if len(data.test) else None,
        val_fallback=data.val.score(fallback, val) if data.task.type in fallback.tasks else None,
        calibration=calibration,
        num_train=num_train,
        fit_s=times[0],
        cpu_s=times[1],
        rows_per_s=num_train / max(times[0], 1e-9),
        curve=from_plain(Curve, getattr(model, "curve", {})),
    )


def _rung_for(name: str, task: Task) -> Any:
    kind = get_rung(name)
    if not kind.supports(task):
        raise UserError(
            "LEARN008",
            f"the rung '{kind.name}' cannot do a {task.type.value} task.",
            "choose another rung for this query.",
        )
    return kind


def _write(candidate: Candidate, directory: Path) -> Candidate:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / CANDIDATE_FILE).write_text(to_json(candidate), encoding="utf-8")
    return candidate


def _describe(data: Any, kind: Any, config: Mapping[str, Any], seed: int, **rest: Any) -> Candidate:
    variant = config.get("variant")
    return Candidate(
        model=f"{kind.name}:{variant}" if variant else kind.name,
        rung=kind.name,
        cost=kind.cost,
        words=rest.pop("words", kind.name),
        config=dict(config),
        seed=seed,
        metric=data.outline.chosen_metric,
        **rest,
    )


def check_prediction(rung: str, prediction: np.ndarray, num_rows: int, num_classes: int) -> None:
    """Refuse predictions of the wrong shape, or that are not finite.

    Raises:
        InvariantError: ``LEARN017``.
    """
    shape = (num_rows, num_classes) if num_classes else (num_rows,)
    if prediction.shape != shape:
        reason = f"gives predictions of shape {prediction.shape} where {shape} is due"
    elif not np.isfinite(prediction).all():
        reason = f"gives {int((~np.isfinite(prediction)).sum()):,} predictions that are not finite"
    else:
        return
    raise InvariantError("LEARN017", f"the rung '{rung}' {reason}.", "report it to the author of the rung.")
