"""What the user says about keys, times, meanings and links: it beats every guess."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from weft.core import Dtype, Schema, Stype, UserError
from weft.data.numbers import parse_number_format

_LINK = re.compile(
    r"\s*([^.\[\]]+)\.(\[[^\]]+\]|[^\[\]>]+?)\s*->\s*([^.\[\]]+?)(?:\.(\[[^\]]+\]|[^\[\]]+))?\s*"
)
_TABLE_FIELDS = ("primary_key", "time_column", "end_time_column", "columns")
_COLUMN_FIELDS = ("stype", "dtype", "time_format", "time_zone", "separator", "number_format")


@dataclass(frozen=True)
class ColumnOverride:
    """What the user says about one column; ``None`` leaves it to inference."""

    stype: Stype | None = None
    dtype: Dtype | None = None
    time_format: str | None = None
    time_zone: str | None = None
    separator: str | None = None
    number_format: str | None = None


@dataclass(frozen=True)
class TableOverride:
    """What the user says about one table.

    ``None`` leaves a matter to inference; an empty ``primary_key`` or ``time_column`` says there is none.
    """

    primary_key: tuple[str, ...] | None = None
    time_column: str | None = None
    end_time_column: str | None = None
    columns: dict[str, ColumnOverride] = field(default_factory=dict)


@dataclass(frozen=True)
class LinkOverride:
    """A link that the user adds or removes; without ``parent_columns`` the parent's key is meant."""

    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Overrides:
    """The user's word on a database."""

    tables: dict[str, TableOverride] = field(default_factory=dict)
    added_links: tuple[LinkOverride, ...] = ()
    removed_links: tuple[LinkOverride, ...] = ()

    def table(self, name: str) -> TableOverride:
        """Return what is said about a table, nothing where nothing is."""
        return self.tables.get(name, TableOverride())

    def column(self, table: str, name: str) -> ColumnOverride:
        """Return what is said about a column, nothing where nothing is."""
        return self.table(table).columns.get(name, ColumnOverride())


def parse_overrides(mapping: Mapping[str, Any], *, other_fields: Iterable[str] = ()) -> Overrides:
    """Read the ``tables`` and ``links`` of a project file.

    Args:
        mapping: With ``tables`` (table → ``primary_key``, ``time_column``, ``end_time_column``, ``columns``)
            and ``links`` (``add`` and ``remove``, lists of ``"orders.user_id -> users"``).
        other_fields: Fields of a table that somebody else reads, such as ``sql``.

    Raises:
        UserError: ``SCH020`` for a field that is not known, ``SCH021`` for a value of the wrong kind,
            ``SCH022`` for a link that is not written as one.

    Example:
        >>> parse_overrides({"tables": {"users": {"primary_key": "id"}}}).table("users").primary_key
        ('id',)
    """
    _check_fields("", mapping, ("tables", "links"))
    tables = {
        str(name): _parse_table(f"tables.{name}", said or {}, tuple(other_fields))
        for name, said in _mapping("tables", mapping.get("tables")).items()
    }
    links = _mapping("links", mapping.get("links"))
    _check_fields("links", links, ("add", "remove"))
    return Overrides(
        tables,
        tuple(_parse_link(f"links.add[{i}]", v) for i, v in enumerate(_list("links.add", links.get("add")))),
        tuple(
            _parse_link(f"links.remove[{i}]", v)
            for i, v in enumerate(_list("links.remove", links.get("remove")))
        ),
    )


def check_overrides(overrides: Overrides, schema: Schema) -> None:
    """Check that every table and column that the overrides name exists.

    Raises:
        UserError: ``SCH001`` or ``SCH002``, naming what there is.
    """
    for name, said in overrides.tables.items():
        table = schema.table(name)
        named = [*(said.primary_key or ()), *said.columns, said.time_column, said.end_time_column]
        for column in named:
            if column:
                table.column(column)
    for link in (*overrides.added_links, *overrides.removed_links):
        for column in link.columns:
            schema.table(link.table).column(column)
        for column in link.parent_columns:
            schema.table(link.parent).column(column)
        schema.table(link.parent)


def _parse_table(where: str, said: Any, other_fields: tuple[str, ...]) -> TableOverride:
    said = _mapping(where, said)
    _check_fields(where, said, _TABLE_FIELDS + other_fields)
    columns = _mapping(f"{where}.columns", said.get("columns"))
    return TableOverride(
        _parse_key(f"{where}.primary_key", said["primary_key"]) if "primary_key" in said else None,
        _parse_name(f"{where}.time_column", said["time_column"]) if "time_column" in said else None,
        _parse_name(f"{where}.end_time_column", said["end_time_column"])
        if "end_time_column" in said
        else None,
        {str(n): _parse_column(f"{where}.columns.{n}", v) for n, v in columns.items()},
    )


def _parse_column(where: str, said: Any) -> ColumnOverride:
    if isinstance(said, str):
        said = {"stype": said}
    said = _mapping(where, said)
    _check_fields(where, said, _COLUMN_FIELDS)
    for name, value in said.items():
        if not isinstance(value, str):
            raise _wrong_kind(f"{where}.{name}", value, "a text")
    form = said.get("number_format")
    if form is not None and parse_number_format(form) is None:
        raise _wrong_kind(
            f"{where}.number_format", form, "1234.5 as the column writes it, such as '1.234,5 €'"
        )
    return ColumnOverride(
        _choose(f"{where}.stype", said.get("stype"), Stype),
        _choose(f"{where}.dtype", said.get("dtype"), Dtype),
        said.get("time_format"),
        said.get("time_zone"),
        said.get("separator"),
        form,
    )


def _parse_key(where: str, value: Any) -> tuple[str, ...]:
    if value is None or value is False:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise _wrong_kind(where, value, "a column or a list of columns")


def _parse_name(where: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    if isinstance(value, str):
        return value
    raise _wrong_kind(where, value, "a column")


def _parse_link(where: str, value: Any) -> LinkOverride:
    found = _LINK.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise UserError(
            "SCH022",
            f"{where} is {value!r}, which is not a link.",
            "write it as 'orders.user_id -> users' or 'goals.[date, home] -> matches'.",
        )
    return LinkOverride(found[1].strip(), _columns(found[2]), found[3].strip(), _columns(found[4] or ""))


def _columns(text: str) -> tuple[str, ...]:
    inner = text.strip()
    parts = inner[1:-1].split(",") if inner.startswith("[") else [inner]
    return tuple(p.strip() for p in parts if p.strip())


def _choose(where: str, value: str | None, kind: Any) -> Any:
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError:
        raise _wrong_kind(where, value, "one of " + ", ".join(k.value for k in kind)) from None


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong_kind(where, value, "a mapping")
    return value


def _list(where: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise _wrong_kind(where, value, "a list of links")
    return list(value)


def _check_fields(where: str, said: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in said:
        if name not in known:
            place = f"{where}.{name}" if where else str(name)
            raise UserError(
                "SCH020", f"'{place}' is not a field that is known.", f"choose one of {', '.join(known)}."
            )


def _wrong_kind(where: str, value: Any, wanted: str) -> UserError:
    return UserError("SCH021", f"{where} is {value!r}, not {wanted}.", f"write {wanted} there.")
