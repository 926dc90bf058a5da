"""Aggregates of a parent's children over all time, for a sample of the rows that describe parents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from weft.core import ROW, TIME, Column, Dtype, Link, Stype
from weft.data.audit.context import AuditContext, as_floats, by_day, is_number
from weft.data.profile.engine import epoch_us

Floats = np.ndarray[Any, np.dtype[np.float64]]
_MAX_CATEGORIES = 12
_MAX_CATEGORY_COLUMNS = 8
_MAX_NUMBER_COLUMNS = 20


@dataclass(frozen=True)
class Aggregate:
    """One aggregate over all time, one value per sampled parent.

    Attributes:
        words: Such as ``COUNT(votes)`` or ``SUM(payments.amount)``.
        kind: ``count``, ``difference``, ``sum`` or ``mean``.
        values: Per parent; 0 without children, for means NaN.
    """

    words: str
    kind: str
    values: Floats


@dataclass(frozen=True)
class Children:
    """Sampled rows that describe parents, with what the children of these add up to over all time.

    Attributes:
        link: From the children to the parent.
        columns: Column of the parent, or of the table beside it, → its values.
        number: Children per parent.
        later: Children per parent that came after the row; all of them where it has no time.
        moments: Different times among the children of each parent.
        last_us: Time of the newest child, NaN without one.
        aggregates: What they add up to.
    """

    link: Link
    columns: dict[str, Floats]
    number: Floats
    later: Floats
    moments: Floats
    last_us: Floats
    aggregates: tuple[Aggregate, ...]


def gather_children(
    context: AuditContext, link: Link, columns: list[Column], side: Link | None = None
) -> Children:
    """Aggregate the children of a sample of parents, in one query.

    Args:
        context: The tables.
        link: From the children to the parent.
        columns: To compare, of the parent.
        side: Where given, the columns are those of its table, which has one row for each parent.
    """
    children = context.tables.table(link.table)
    wanted, described = _wanted(context, link)
    keys = [f"__k{i}" for i in range(len(link.columns))]
    own = _described_rows(context, link, columns, side)
    right = children.select(
        **{"__at": epoch_us(children[TIME])},
        **{k: children[c] for k, c in zip(keys, link.columns, strict=True)},
        **wanted,
    )
    joined = right.join(own, keys).select("__own", "__from", "__at", *wanted)
    is_by_day = context.is_by_day(link.table) or context.is_by_day(side.table if side else link.parent)
    at, start = (by_day(joined[c]) if is_by_day else joined[c] for c in ("__at", "__from"))
    grouped = joined.group_by(__parent=joined["__own"]).aggregate(
        __number=joined.count(),
        __later=(start.isnull() | (at > start)).cast("int64").sum(),
        __moments=joined["__at"].nunique(),
        __last=joined["__at"].max(),
        **{name: joined[name].sum() for name in wanted},
    )
    own = own.drop("__from", *keys)
    result = context.tables.fetch(
        own.left_join(grouped, own["__own"] == grouped["__parent"]).order_by("__own").drop("__parent")
    )
    return _read(link, columns, result, described)


def _described_rows(context: AuditContext, link: Link, columns: list[Column], side: Link | None) -> Any:
    """Return a sample of the rows that hold the columns: row, time, keys that children refer to, values."""
    source = context.sampled(side.table if side else link.parent)
    own = {"__own": source[ROW], "__from": epoch_us(source[TIME])}
    values = {f"__x{i}": _as_number(source[c.name], c) for i, c in enumerate(columns)}
    if side is None:
        return source.select(
            **own, **{f"__k{i}": source[c] for i, c in enumerate(link.parent_columns)}, **values
        )
    parents = context.tables.table(link.parent)
    joints = [f"__j{i}" for i in range(len(side.columns))]
    left = source.select(**own, **{j: source[c] for j, c in zip(joints, side.columns, strict=True)}, **values)
    right = parents.select(
        **{j: parents[c] for j, c in zip(joints, side.parent_columns, strict=True)},
        **{f"__k{i}": parents[c] for i, c in enumerate(link.parent_columns)},
    )
    return left.join(right, joints).drop(*joints)


def _as_number(column: Any, described: Column) -> Any:
    moment = epoch_us(column) if described.dtype is Dtype.TIMESTAMP else column
    return moment.cast("float64")


def _wanted(context: AuditContext, link: Link) -> tuple[dict[str, Any], dict[str, tuple[str, str, str]]]:
    """Return what to add up per child row, and for each: words, kind and the column it belongs to."""
    children = context.tables.table(link.table)
    keys = context.key_columns(link.table)
    plain = [c for c in context.schema.table(link.table).columns if c.name not in keys]
    wanted: dict[str, Any] = {}
    described: dict[str, tuple[str, str, str]] = {}
    numbers = [c for c in plain if is_number(c) and c.stype is Stype.NUMERICAL][:_MAX_NUMBER_COLUMNS]
    for column in numbers:
        name = f"__v{len(wanted)}"
        wanted[name] = children[column.name].cast("float64")
        described[name] = (f"{link.table}.{column.name}", "sum", column.name)
    categories = [c for c in plain if c.stype is Stype.CATEGORICAL and c.dtype is not Dtype.FLOAT]
    for column in categories[:_MAX_CATEGORY_COLUMNS]:
        for value in _frequent_values(context, link.table, column):
            name = f"__v{len(wanted)}"
            wanted[name] = (children[column.name] == value).fill_null(False).cast("int64")
            spelled = f"'{value}'" if isinstance(value, str) else str(value)
            condition = f"{link.table} WHERE {column.name} = {spelled}"
            described[name] = (condition, "count", column.name)
    return wanted, described


def _frequent_values(context: AuditContext, table: str, column: Column) -> list[Any]:
    import ibis

    source = context.sampled(table)
    counted = source.group_by(value=source[column.name]).aggregate(n=ibis._.count())
    top = counted.filter(counted.value.notnull()).order_by(ibis.desc("n"), "value").limit(_MAX_CATEGORIES)
    values: list[Any] = context.tables.fetch(top).column("value").to_pylist()
    return values


def _read(
    link: Link, columns: list[Column], result: pa.Table, described: dict[str, tuple[str, str, str]]
) -> Children:
    number = np.nan_to_num(as_floats(result, "__number"))
    aggregates = [Aggregate(f"COUNT({link.table})", "count", number)]
    counts: dict[str, list[Aggregate]] = {}
    for name, (words, kind, column) in described.items():
        values = as_floats(result, name)
        if kind == "sum":
            aggregates.append(Aggregate(f"SUM({words})", "sum", np.nan_to_num(values)))
            mean = np.divide(values, number, out=np.full(len(number), np.nan), where=number > 0)
            aggregates.append(Aggregate(f"AVG({words})", "mean", mean))
        else:
            counts.setdefault(column, []).append(Aggregate(f"COUNT({words})", "count", np.nan_to_num(values)))
    for same in counts.values():
        aggregates += same
        aggregates += _differences(same)
    return Children(
        link,
        {c.name: as_floats(result, f"__x{i}") for i, c in enumerate(columns)},
        number,
        np.nan_to_num(as_floats(result, "__later")),
        np.nan_to_num(as_floats(result, "__moments")),
        as_floats(result, "__last"),
        tuple(aggregates),
    )


def _differences(counts: list[Aggregate]) -> list[Aggregate]:
    return [
        Aggregate(f"{a.words} - {b.words}", "difference", a.values - b.values)
        for a in counts
        for b in counts
        if a is not b and b.values.any() and a.values.any()
    ]
