"""Reading a label table of the user's own: which columns, which types, which rows."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Dtype, Task, TaskType, UserError
from weft.data.labels.divide import NAMES
from weft.data.tables import Tables

KEY_TYPES = {
    Dtype.INT: pa.int64(),
    Dtype.FLOAT: pa.float64(),
    Dtype.BOOL: pa.bool_(),
    Dtype.STRING: pa.string(),
    Dtype.TIMESTAMP: pa.timestamp("us"),
}
_SHOWN = 5


def task_of_labels(tables: Tables, entity_table: str, entity_column: str, table: pa.Table) -> Task:
    """Make the task that a label table states by its type.

    Booleans and the numbers 0 and 1 are binary, other numbers a regression (with a column ``frame``
    forecasting), text is multiclass, a list multilabel.
    """
    tables.schema.table(entity_table).column(entity_column)
    label = _column(table, "label")
    num_frames = pc.max(table["frame"]).as_py() + 1 if "frame" in table.column_names else None
    return Task(_kind(label, num_frames), entity_table, entity_column, num_frames=num_frames)


def read_label_table(tables: Tables, task: Task, table: pa.Table) -> pa.Table:
    """Return the rows as ``entity, anchor_time, label`` with ``split`` and ``frame`` where given, sorted.

    Raises:
        UserError: ``DATA080`` to ``DATA084``, see `weft.data.labels.use_label_table`.
    """
    key = tables.schema.table(task.entity_table).column(task.entity_column)
    name = task.entity_column if task.entity_column in table.column_names else "entity"
    columns = {
        "entity": _cast(_column(table, name, task.entity_column), KEY_TYPES[key.dtype], name),
        "anchor_time": _instants(_column(table, "anchor_time")),
        "label": _labels(tables, task, _column(table, "label")),
    }
    if "split" in table.column_names:
        columns["split"] = _splits(table["split"])
    keys = ["anchor_time", "entity"]
    if task.type is TaskType.FORECASTING:
        columns["frame"] = _cast(_column(table, "frame"), pa.int64(), "frame")
        keys.append("frame")
    rows = pa.table(columns)
    _check_rows(rows, keys)
    _check_entities(tables, task, rows)
    return rows.sort_by([(name, "ascending") for name in keys])


def _column(table: pa.Table, name: str, alias: str | None = None) -> pa.ChunkedArray:
    if name in table.column_names:
        return table[name]
    wanted = f"'{name}'" if alias in (None, name) else f"'{alias}' or '{name}'"
    raise UserError(
        "DATA080",
        f"the label table has no column {wanted}, only {', '.join(table.column_names)}.",
        "rename the columns to the entity's key, anchor_time and label (and split, if there is one).",
    )


def _cast(column: pa.ChunkedArray, kind: pa.DataType, name: str) -> pa.ChunkedArray:
    try:
        return column.cast(kind)
    except pa.ArrowException as error:
        raise UserError(
            "DATA081",
            f"the column '{name}' of the label table is {column.type} and cannot be read as {kind}: "
            f"{str(error).splitlines()[0]}",
            f"give it as {kind}.",
        ) from None


def _instants(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit, "UTC")).cast(pa.timestamp(column.type.unit))
    return _cast(column, pa.timestamp("us"), "anchor_time")


def _labels(tables: Tables, task: Task, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if task.type is TaskType.BINARY:
        column = _spelt_out(column)
        _check_truth(column)
        return _cast(column, pa.bool_(), "label")
    if task.type in (TaskType.REGRESSION, TaskType.FORECASTING):
        number = _cast(column, pa.float64(), "label")
        return pc.if_else(pc.is_finite(number), number, None)
    if task.type is TaskType.MULTICLASS:
        return _cast(column, pa.string(), "label")
    item = pa.string()
    if task.item_table is not None and task.item_column is not None:
        item = KEY_TYPES[tables.schema.table(task.item_table).column(task.item_column).dtype]
    return _cast(column, pa.list_(item), "label")


def _spelt_out(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read ``True``, ``False``, ``0`` and ``1`` of a text file as what they say; other text stays."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    lower = pc.utf8_lower(column)
    spelt = pc.is_in(lower, pa.array(["true", "false", "0", "1"], lower.type))
    is_all = pc.all(pc.or_(spelt, pc.is_null(column))).as_py()
    return lower.cast(pa.bool_()) if is_all else column


def _check_truth(column: pa.ChunkedArray) -> None:
    kind = column.type
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if pa.types.is_boolean(kind) or (numbers and _is_truth(column)):
        return
    raise UserError(
        "DATA081",
        f"the labels of a binary task are {kind}, such as {pc.unique(column).to_pylist()[:_SHOWN]}.",
        "give booleans, or the numbers 0 and 1.",
    )


def _is_truth(column: pa.ChunkedArray) -> bool:
    return set(pc.unique(column.drop_null()).to_pylist()) <= {0, 1}


def _kind(label: pa.ChunkedArray, num_frames: int | None) -> TaskType:
    kind = label.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return TaskType.MULTILABEL
    if num_frames is not None:
        return TaskType.FORECASTING
    if pa.types.is_boolean(kind):
        return TaskType.BINARY
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return TaskType.BINARY if _is_truth(label) else TaskType.REGRESSION
    return TaskType.MULTICLASS


def _splits(column: pa.ChunkedArray) -> pa.ChunkedArray:
    splits = _cast(column, pa.string(), "split")
    others = pc.unique(splits.filter(pc.invert(pc.is_in(splits, pa.array(NAMES))))).to_pylist()
    if others:
        raise UserError(
            "DATA084",
            f"the column 'split' of the label table holds {', '.join(map(repr, others[:_SHOWN]))}.",
            "use the values train, val and test, in every row.",
        )
    return splits


def _check_rows(rows: pa.Table, keys: list[str]) -> None:
    for name in [*keys, "label"]:
        if rows[name].null_count:
            raise UserError(
                "DATA082",
                f"{rows[name].null_count:,} of {rows.num_rows:,} rows of the label table have no {name}.",
                "leave these rows out.",
            )
    groups = rows.group_by(keys).aggregate([([], "count_all")])
    twice = groups.filter(pc.greater(groups["count_all"], 1))
    if twice.num_rows:
        first = twice.slice(0, 1).select(keys).to_pylist()[0]
        raise UserError(
            "DATA082",
            f"{twice.num_rows:,} pairs of entity and anchor are in the label table more than once, such as "
            f"{', '.join(f'{name} {value}' for name, value in first.items())}.",
            "give each entity one label at each anchor.",
        )


def _check_entities(tables: Tables, task: Task, rows: pa.Table) -> None:
    table = tables.table(task.entity_table)
    known = tables.fetch(table.select(key=table[task.entity_column]))["key"]
    unknown = pc.unique(rows["entity"].filter(pc.invert(pc.is_in(rows["entity"], known)))).to_pylist()
    if unknown:
        raise UserError(
            "DATA083",
            f"{len(unknown):,} entities of the label table are not in {task.entity_table}."
            f"{task.entity_column}, such as {', '.join(map(repr, unknown[:_SHOWN]))}.",
            "leave these rows out, or check that the keys are of the same kind.",
        )
