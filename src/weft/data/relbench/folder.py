"""What a RelBench folder says beyond its tables: split times and tasks with their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import Split, TaskType, UserError, parse_time
from weft.data.sources.parquet import first_line
from weft.data.sources.relbench_folder import MANIFEST, read_manifest

TASK_TYPES = {
    "binary_classification": TaskType.BINARY,
    "regression": TaskType.REGRESSION,
    "multiclass_classification": TaskType.MULTICLASS,
    "multilabel_classification": TaskType.MULTILABEL,
    "recommendation": TaskType.LINK_PREDICTION,
}


@dataclass(frozen=True)
class RelbenchTask:
    """One task: what it predicts about what, and where its labels lie.

    Attributes:
        name: Of the task's folder.
        type: The kind of task.
        entity_table: Table of what the prediction is about.
        entity_column: Its key, under the name it has in the label tables.
        target_column: The label's name in the label tables; for link prediction, the items' key.
        time_column: The anchor's name in the label tables.
        horizon: Length of the label's window, such as ``"30 days"``.
        num_eval_anchors: Anchors of val and of test.
        files: Split → file of labels.
    """

    name: str
    type: TaskType
    entity_table: str
    entity_column: str
    target_column: str
    time_column: str | None
    horizon: str | None
    num_eval_anchors: int
    files: dict[str, Path]

    def labels(self) -> pa.Table:
        """Read the labels of all splits: entity, ``anchor_time``, ``label``, ``split``."""
        parts = []
        for split in Split:
            path = self.files.get(split.value)
            if path is not None:
                parts.append(self._labels_of(split, path))
        return pa.concat_tables(parts)

    def _labels_of(self, split: Split, path: Path) -> pa.Table:
        names = {self.entity_column: self.entity_column, self.target_column: "label"}
        if self.time_column:
            names[self.time_column] = "anchor_time"
        try:
            table = pq.read_table(path, columns=list(names))
        except (pa.ArrowInvalid, OSError, KeyError) as error:
            raise UserError(
                "DATA022",
                f"'{path}' is not a whole label table: {first_line(error)}",
                "write the file again, or take the task out of the folder.",
            ) from error
        table = table.rename_columns([names[n] for n in table.column_names])
        if self.time_column:
            index = table.schema.get_field_index("anchor_time")
            table = table.set_column(index, "anchor_time", table["anchor_time"].cast(pa.timestamp("us")))
            table = table.select([self.entity_column, "anchor_time", "label"])
        return table.append_column("split", pa.array([split.value] * table.num_rows, pa.string()))


@dataclass(frozen=True)
class RelbenchFolder:
    """A folder's name, first anchors of val and test (microseconds UTC), and tasks by name."""

    name: str
    val_start_us: int | None
    test_start_us: int | None
    tasks: dict[str, RelbenchTask]


def read_relbench(folder: Path) -> RelbenchFolder:
    """Read a RelBench folder's manifest and the manifests of its tasks.

    The tables themselves are read by connecting to the folder.

    Raises:
        UserError: ``DATA045`` when a manifest is missing or damaged.
    """
    manifest = read_manifest(folder)
    tasks = {}
    for path in sorted((folder / "tasks").glob(f"*/{MANIFEST}")):
        tasks[path.parent.name] = _read_task(path)
    return RelbenchFolder(
        str(manifest.get("name", folder.name)),
        _time(manifest.get("val_timestamp")),
        _time(manifest.get("test_timestamp")),
        tasks,
    )


def _time(value: Any) -> int | None:
    return None if value is None else parse_time(str(value))


def _read_task(path: Path) -> RelbenchTask:
    import yaml

    try:
        entry = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _refusal(path, str(error).splitlines()[0]) from error
    if not isinstance(entry, Mapping) or entry.get("task_type") not in TASK_TYPES:
        raise _refusal(path, "it has no task_type that is known")
    kind = TASK_TYPES[entry["task_type"]]
    prefix, target = ("src_", "dst_entity_col") if kind is TaskType.LINK_PREDICTION else ("", "target_col")
    missing = [n for n in (f"{prefix}entity_table", f"{prefix}entity_col", target) if not entry.get(n)]
    if missing:
        raise _refusal(path, f"it lacks {', '.join(missing)}")
    found = {s.value: path.with_name(f"{s.value}.parquet") for s in Split}
    return RelbenchTask(
        path.parent.name,
        kind,
        entry[f"{prefix}entity_table"],
        entry[f"{prefix}entity_col"],
        entry[target],
        entry.get("time_col"),
        entry.get("timedelta"),
        int(entry.get("num_eval_timestamps") or 1),
        {s: p for s, p in found.items() if p.exists()},
    )


def _refusal(path: Path, why: str) -> UserError:
    return UserError(
        "DATA045", f"'{path}' is not a RelBench manifest: {why}.", "mend the file, or take the task out."
    )
