"""Losses and scores of every look, sent to TensorBoard or MLflow where the user asks for it."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from weft.core import UserError
from weft.learn.networks.configuration import NetworkConfig

VARIABLE = "WEFT_LOG_TO"
_EXPERIMENT = "weft"
_log = logging.getLogger(__name__)


class Tracker(Protocol):
    """Takes numbers of one fit."""

    def record(self, look: int, values: Mapping[str, float]) -> None:
        """Take the numbers of a look, which count from 1."""

    def close(self) -> None:
        """Write what is not written yet."""


class NoTracker:
    """What there is where nobody asks."""

    def record(self, look: int, values: Mapping[str, float]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class TensorBoardTracker:
    """Writes an event file into a folder per fit."""

    def __init__(self, place: str, name: str, settings: Mapping[str, str]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(Path(place).expanduser() / name))
        self._writer.add_text("settings", "  \n".join(f"{k}: {v}" for k, v in settings.items()))

    def record(self, look: int, values: Mapping[str, float]) -> None:
        """Write the numbers of a look."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, look)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class MLflowTracker:
    """Writes a run per fit, in the experiment ``weft``."""

    def __init__(self, place: str, name: str, settings: Mapping[str, str]) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=place)
        known = self._client.get_experiment_by_name(_EXPERIMENT)
        number = known.experiment_id if known else self._client.create_experiment(_EXPERIMENT)
        self._run = self._client.create_run(number, run_name=name).info.run_id
        for key, value in settings.items():
            self._client.log_param(self._run, key, value)

    def record(self, look: int, values: Mapping[str, float]) -> None:
        """Write the numbers of a look."""
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=look)

    def close(self) -> None:
        """End the run."""
        self._client.set_terminated(self._run)


@dataclass(frozen=True)
class _Kind:
    """A place that numbers can go to: the package it takes, and what it is opened by."""

    package: str
    open: Callable[[str, str, Mapping[str, str]], Tracker]


_KINDS = {
    "tensorboard": _Kind("tensorboard", TensorBoardTracker),
    "mlflow": _Kind("mlflow", MLflowTracker),
}


class SafeTracker:
    """A tracker whose failures end the tracking, with a warning, and not the fit."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker: Tracker | None = tracker

    def record(self, look: int, values: Mapping[str, float]) -> None:
        """Pass on the numbers of a look."""
        self._try(lambda tracker: tracker.record(look, values))

    def close(self) -> None:
        """Close the tracker."""
        self._try(lambda tracker: tracker.close())

    def _try(self, act: Callable[[Tracker], None]) -> None:
        if self._tracker is None:
            return
        try:
            act(self._tracker)
        except Exception as error:
            self._tracker = None
            _log.warning("%s is not written to any more: %s: %s", VARIABLE, type(error).__name__, error)


def check_tracking() -> tuple[str, str] | None:
    """Read where numbers are to go: kind and place; ``None`` where nobody asks.

    Raises:
        UserError: ``LEARN048`` for a value that names no place, ``EXT001`` when the package is not installed.
    """
    said = os.environ.get(VARIABLE, "").strip()
    if not said:
        return None
    kind, _, place = said.partition(":")
    if kind not in _KINDS or not place:
        raise UserError(
            "LEARN048",
            f"{VARIABLE} is '{said}', which names no place to log to.",
            "write tensorboard:FOLDER or mlflow:URI, or unset it.",
        )
    package = _KINDS[kind].package
    if importlib.util.find_spec(package) is None:
        raise UserError(
            "EXT001",
            f"{VARIABLE} is '{said}', which needs {package}, which is not installed.",
            f"run pip install {package}, or unset {VARIABLE}.",
        )
    return kind, place


@contextmanager
def tracking(network: str, config: NetworkConfig, fingerprint: str, rank: int = 0) -> Iterator[Tracker]:
    """Open what the numbers of a fit go to, and close it at its end.

    Args:
        network: Its name.
        config: Of the network.
        fingerprint: Of the fit; the same for one that goes on after a kill.
        rank: Of this process among those that train together; only the first tells.

    Raises:
        UserError: As `check_tracking`; ``LEARN048`` when the place cannot be opened.
    """
    asked = check_tracking()
    if asked is None or rank:
        yield NoTracker()
        return
    name = "-".join(filter(None, [network, config.variant, fingerprint[:8]]))
    tracker = SafeTracker(_open(*asked, name, {k: str(v) for k, v in asdict(config).items()}))
    try:
        yield tracker
    finally:
        tracker.close()


def _open(kind: str, place: str, name: str, settings: Mapping[str, str]) -> Tracker:
    try:
        return _KINDS[kind].open(place, name, settings)
    except Exception as error:
        raise UserError(
            "LEARN048",
            f"{VARIABLE} is '{kind}:{place}', which cannot be opened: {type(error).__name__}: {error}.",
            "name a place that can be written to, or unset it.",
        ) from error
