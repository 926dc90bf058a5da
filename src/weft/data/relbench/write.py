"""Write prepared tables and label tables as a RelBench folder.

RelBench numbers the rows of a table with a primary key 0 … n-1 in the order of the file, and
foreign keys hold those numbers. Keys that are not so already are renumbered; their old values
stay in a column of their own, ``<key>_value``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from weft.core import Resources, Schema, Split, Task, TaskType, UserError, format_time
from weft.data.engine import SCRATCH, engine_errors, open_duckdb
from weft.data.export.errors import export_errors
from weft.data.relbench.folder import TASK_TYPES
from weft.data.relbench.layout import Layout, lay_out
from weft.data.relbench.rows import NumberedKey, number_keys, write_labels, write_rows
from weft.data.sources.relbench_folder import DATABASE, MANIFEST

_TYPE_NAMES = {kind: name for name, kind in TASK_TYPES.items()} | {
    TaskType.MULTILABEL_RANKING: "multilabel_classification"
}


@dataclass(frozen=True)
class RelbenchLabels:
    """A task and its label table: entity, ``anchor_time``, ``label``, ``split``."""

    task: Task
    table: pa.Table
    num_eval_anchors: int = 1


def write_relbench(
    folder: Path,
    paths: Mapping[str, Path],
    schema: Schema,
    *,
    name: str,
    val_start_us: int,
    test_start_us: int,
    tasks: Mapping[str, RelbenchLabels] | None = None,
    resources: Resources,
) -> None:
    """Write prepared tables as ``manifest.yaml``, ``db/`` and ``tasks/``; all of it or nothing.

    Rows of tables with a time column are sorted by it. A composite key becomes one numbered column
    ``<table>_key``, and so do the links to it.

    Args:
        folder: To write; must not exist, or be empty.
        paths: Table → prepared Parquet file.
        schema: Of the prepared tables.
        name: Of the data set.
        val_start_us: First anchor of val, microseconds UTC.
        test_start_us: First anchor of test.
        tasks: Name → task and label table.
        resources: Memory limit and threads.

    Raises:
        UserError: ``DATA044`` when the folder holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError("DATA044", f"'{folder}' is not empty.", "choose a new folder.")
    layout = lay_out(schema)
    with export_errors(str(folder)), engine_errors("writing a folder"), _aside(folder) as new:
        _write_tables(new, paths, schema, layout, tasks or {}, resources)
        _write_yaml(new / MANIFEST, _manifest(name, layout, schema, val_start_us, test_start_us))


def _write_tables(
    folder: Path,
    paths: Mapping[str, Path],
    schema: Schema,
    layout: Layout,
    tasks: Mapping[str, RelbenchLabels],
    resources: Resources,
) -> None:
    database = folder / DATABASE
    database.mkdir()
    with closing(open_duckdb(resources, folder / SCRATCH)) as engine:
        is_same = number_keys(engine, paths, schema, layout)
        for table in schema.tables:
            write_rows(engine, paths, layout, is_same, table, database / f"{table.name}.parquet")
        for task_name, labels in tasks.items():
            _write_task(engine, folder / "tasks" / task_name, task_name, labels, layout)
    shutil.rmtree(folder / SCRATCH)


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        new.chmod(0o755)
        yield new
        if folder.exists():
            folder.rmdir()
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _manifest(name: str, layout: Layout, schema: Schema, val_us: int, test_us: int) -> dict[str, Any]:
    tables = {
        t.name: {
            "pkey": layout.keys.get(t.name),
            "time_col": t.time_column,
            "fkeys": {f.column: f.link.parent for f in layout.foreign if f.link.table == t.name},
        }
        for t in schema.tables
    }
    return {
        "name": name,
        "manifest_version": 1,
        "val_timestamp": format_time(val_us),
        "test_timestamp": format_time(test_us),
        "tables": tables,
    }


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    import yaml

    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=4096)
    path.write_text(text, encoding="utf-8")


def _write_task(engine: Any, folder: Path, name: str, labels: RelbenchLabels, layout: Layout) -> None:
    task = labels.task
    folder.mkdir(parents=True)
    entity = NumberedKey(task.entity_table, task.entity_column, layout.keys[task.entity_table])
    item = None
    if task.type is TaskType.LINK_PREDICTION:
        assert task.item_table is not None and task.item_column is not None, name
        item = NumberedKey(task.item_table, task.item_column, layout.keys[task.item_table])
    for split in Split:
        write_labels(engine, labels.table, split, entity, item, folder / f"{split.value}.parquet")
    _write_yaml(folder / MANIFEST, _task_manifest(name, labels, entity.number, item.number if item else None))


def _task_manifest(name: str, labels: RelbenchLabels, key: str, item: str | None) -> dict[str, Any]:
    task = labels.task
    content: dict[str, Any] = {"name": name, "kind": "external", "task_type": _TYPE_NAMES[task.type]}
    if item is not None:
        content |= {"src_entity_table": task.entity_table, "src_entity_col": key}
        content |= {"dst_entity_table": task.item_table, "dst_entity_col": item, "eval_k": task.top_k}
    else:
        content |= {"entity_table": task.entity_table, "entity_col": key, "target_col": "label"}
    content["time_col"] = "timestamp"
    if task.horizon is not None:
        content["timedelta"] = f"{max(task.horizon.nominal_us // 86_400_000_000, 1)} days"
    content |= {"num_eval_timestamps": labels.num_eval_anchors, "manifest_version": 1}
    return content
