"""What a task returns, as files that the next task reads: tables as Parquet, arrays as npy, the rest as JSON.

A value is written as JSON. What is no JSON stands in it as ``{"$file": name, "$kind": kind}``, and lies in a
file of the task's output. Objects of other kinds are pickled; the same versions of Python
and of packages read them.
"""

from __future__ import annotations

import json
import math
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weft.core import UserError

FILE, KIND, TUPLE, VALUE = "$file", "$kind", "$tuple", "value"
_PLAIN = (str, bool, int, type(None))


def write_value(value: Any, folder: Path, task: str) -> dict[str, Any]:
    """Write a value below ``folder``; return the JSON object that says what it is.

    Args:
        value: Plain values, lists, tuples and dicts of them; Arrow, pandas and polars tables; numpy arrays;
            paths of files or folders, which are copied unless they are in ``folder``; anything that can be
            pickled.
        folder: Output folder of the task.
        task: Its name, for messages.

    Raises:
        UserError: ``APP066`` for what cannot be kept.
    """
    return {VALUE: _Writer(folder, task).plain(value, "value")}


def read_value(said: Any, folder: Path) -> Any:
    """Read what `write_value` returned, files from ``folder``."""
    if isinstance(said, dict):
        if FILE in said:
            return _READERS[said[KIND]](folder / said[FILE])
        if TUPLE in said:
            return tuple(read_value(part, folder) for part in said[TUPLE])
        return {name: read_value(part, folder) for name, part in said.items()}
    return [read_value(part, folder) for part in said] if isinstance(said, list) else said


class _Writer:
    def __init__(self, folder: Path, task: str) -> None:
        self._folder = folder
        self._task = task

    def plain(self, value: Any, name: str) -> Any:
        if isinstance(value, _PLAIN) or (type(value) is float and math.isfinite(value)):
            return value
        if type(value) in (list, tuple):
            parts = [self.plain(part, f"{name}-{i}") for i, part in enumerate(value)]
            return parts if type(value) is list else {TUPLE: parts}
        if (
            type(value) is dict
            and all(isinstance(k, str) for k in value)
            and not {FILE, TUPLE} & value.keys()
        ):
            return {k: self.plain(part, f"{name}-{k}") for k, part in value.items()}
        kind = _kind_of(value)
        return self._path(value) if kind == "path" else self._file(value, kind, name)

    def _file(self, value: Any, kind: str, name: str) -> dict[str, str]:
        safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:60]
        target = self._folder / f"{safe}{_SUFFIXES[kind]}"
        for number in range(2, 1_000_000):
            if not target.exists():
                break
            target = self._folder / f"{safe}-{number}{_SUFFIXES[kind]}"
        try:
            _WRITERS[kind](value, target)
        except Exception as error:
            raise UserError(
                "APP066",
                f"task '{self._task}' returned a {type(value).__name__} that cannot be kept: {error}.",
                "return plain values, tables, arrays or paths of files that the task has written.",
            ) from error
        return {FILE: target.name, KIND: kind}

    def _path(self, value: Path) -> dict[str, str]:
        if not value.exists():
            raise UserError(
                "APP066",
                f"task '{self._task}' returned the path {value}, where nothing is.",
                "write the file before the task returns.",
            )
        if not value.resolve().is_relative_to(self._folder.resolve()):
            target = self._folder / value.name
            copy: Callable[..., Any] = shutil.copytree if value.is_dir() else shutil.copyfile
            copy(value, target)
            value = target
        return {FILE: value.resolve().relative_to(self._folder.resolve()).as_posix(), KIND: "path"}


def _kind_of(value: Any) -> str:
    if isinstance(value, Path):
        return "path"
    module, name = type(value).__module__.partition(".")[0], type(value).__name__
    return {
        ("pyarrow", "Table"): "arrow",
        ("pandas", "DataFrame"): "pandas",
        ("polars", "DataFrame"): "polars",
        ("numpy", "ndarray"): "numpy",
    }.get((module, name), "pickle")


def _write_arrow(value: Any, path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(value, path, compression="zstd")


def _write_numpy(value: Any, path: Path) -> None:
    import numpy as np

    with open(path, "wb") as file:
        np.save(file, value, allow_pickle=False)


def _write_pickle(value: Any, path: Path) -> None:
    with open(path, "wb") as file:
        pickle.dump(value, file, protocol=5)


def _read_arrow(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _read_numpy(path: Path) -> Any:
    import numpy as np

    return np.load(path, mmap_mode="r")


def _read_pandas(path: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _read_polars(path: Path) -> Any:
    import polars as pl

    return pl.read_parquet(path)


def _read_pickle(path: Path) -> Any:
    with open(path, "rb") as file:
        return pickle.load(file)


_SUFFIXES = {
    "arrow": ".parquet",
    "pandas": ".parquet",
    "polars": ".parquet",
    "numpy": ".npy",
    "pickle": ".pickle",
}
_WRITERS: dict[str, Callable[[Any, Path], None]] = {
    "arrow": _write_arrow,
    "pandas": lambda value, path: value.to_parquet(path),
    "polars": lambda value, path: value.write_parquet(path),
    "numpy": _write_numpy,
    "pickle": _write_pickle,
}
_READERS: dict[str, Callable[[Path], Any]] = {
    "arrow": _read_arrow,
    "pandas": _read_pandas,
    "polars": _read_polars,
    "numpy": _read_numpy,
    "pickle": _read_pickle,
    "path": lambda path: path,
}


def is_json(value: Any) -> bool:
    """Whether a value is plain JSON."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
