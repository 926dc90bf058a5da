"""Give the two sides of every link one type, or refuse the link by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from weft.core import Column, Dtype, Finding, Link, Schema, Severity, Stype, UserError
from weft.data.engine import fetch_row, quote_name
from weft.data.prepare.casts import make_cast

Key = tuple[str, str]


@dataclass(frozen=True)
class KeyRates:
    """How many of the child's keys have a parent, under one reading of both sides."""

    num_keys: int
    num_matched: int

    @property
    def words(self) -> str:
        """The share in words."""
        return f"{self.num_matched:,} of {self.num_keys:,}"


def reconcile_keys(
    engine: Any, views: Mapping[str, str], schema: Schema, sources: Mapping[Key, Dtype]
) -> tuple[Schema, list[Finding]]:
    """Return the schema in which linked columns have one dtype, and what had to change.

    Whole numbers in text, and fractions without a fraction, are read as integers when that loses
    nothing; otherwise both sides are compared as text.

    Args:
        engine: DuckDB with a view per table.
        views: Table → view.
        schema: As inferred or given.
        sources: (table, column) → how the snapshot stores it.

    Raises:
        UserError: ``SCH010`` when no reading makes a link match, or a reading that was not chosen
            would match more.
    """
    findings: list[Finding] = []
    for members in _groups(schema):
        columns = {m: schema.table(m[0]).column(m[1]) for m in members}
        if len({c.dtype for c in columns.values()}) == 1 and len({sources[m] for m in members}) == 1:
            continue
        target = _target(engine, views, columns, sources)
        schema = _with_dtype(schema, members, target)
        for link in schema.links:
            if any((link.table, c) in members for c in link.columns):
                findings += _check(engine, views, schema, link, sources)
    return schema, _unique(findings)


def _unique(findings: list[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))


def _groups(schema: Schema) -> Iterator[tuple[Key, ...]]:
    """Yield the sets of columns that links compare with each other, directly or by way of others."""
    group_by_key: dict[Key, set[Key]] = {}
    for link in schema.links:
        for child, parent in zip(link.columns, link.parent_columns, strict=True):
            left: Key = (link.table, child)
            right: Key = (link.parent, parent)
            merged = group_by_key.get(left, {left}) | group_by_key.get(right, {right})
            for key in merged:
                group_by_key[key] = merged
    seen: set[Key] = set()
    for key in sorted(group_by_key):
        if key not in seen:
            seen |= group_by_key[key]
            yield tuple(sorted(group_by_key[key]))


def _target(
    engine: Any, views: Mapping[str, str], columns: Mapping[Key, Column], sources: Mapping[Key, Dtype]
) -> Dtype:
    dtypes = {c.dtype for c in columns.values()}
    if Dtype.TIMESTAMP in dtypes:
        return Dtype.TIMESTAMP
    if dtypes == {Dtype.STRING}:
        return Dtype.STRING
    is_whole = all(_is_whole(engine, views[t], c, sources[t, c]) for t, c in columns)
    return Dtype.INT if is_whole else Dtype.STRING


def _is_whole(engine: Any, view: str, column: str, source: Dtype) -> bool:
    """Say whether every value is an integer, and no two spellings become the same one."""
    if source in (Dtype.INT, Dtype.BOOL):
        return True
    if source not in (Dtype.STRING, Dtype.FLOAT):
        return False
    name = quote_name(column)
    whole = make_cast(view, Column(column, Dtype.INT, Stype.ID), source).sql
    spelt = f"nullif(trim({name}), '')" if source is Dtype.STRING else name
    given, read, spellings, values = fetch_row(
        engine,
        f"SELECT count({spelt}), count({whole}), count(DISTINCT {spelt}), count(DISTINCT {whole}) "
        f"FROM {view}",
    )
    return bool(given == read and spellings == values)


def _with_dtype(schema: Schema, members: tuple[Key, ...], dtype: Dtype) -> Schema:
    for name in {t for t, _ in members}:
        table = schema.table(name)
        columns = tuple(replace(c, dtype=dtype) if (name, c.name) in members else c for c in table.columns)
        schema = schema.with_table(replace(table, columns=columns))
    return schema


def _check(
    engine: Any, views: Mapping[str, str], schema: Schema, link: Link, sources: Mapping[Key, Dtype]
) -> list[Finding]:
    chosen = _rates(engine, views, schema, link, sources)
    has_parents = fetch_row(engine, f"SELECT count(*) FROM {views[link.parent]}")[0]
    if not chosen.num_keys or not has_parents:
        return []
    words = _types(schema, link, sources)
    for dtype, reading in ((Dtype.STRING, "text"), (Dtype.INT, "numbers")):
        other = _other_reading(engine, views, schema, link, sources, dtype)
        if other is not None and other.num_matched > chosen.num_matched:
            raise _refusal(link, words, f"{chosen.words} keys match, and {other.words} as {reading}")
    if not chosen.num_matched:
        raise _refusal(link, words, f"{chosen.words} keys match, under every reading")
    evidence = f"{words}: read as {_dtypes(schema, link)}, {chosen.words} keys match."
    advice = "store both sides as one type at the source."
    return [Finding("reconciled_key", Severity.NOTE, link.table, link.columns, evidence, advice)]


def _other_reading(
    engine: Any,
    views: Mapping[str, str],
    schema: Schema,
    link: Link,
    sources: Mapping[Key, Dtype],
    dtype: Dtype,
) -> KeyRates | None:
    members = tuple(_members(link))
    if any(schema.table(t).column(c).dtype is Dtype.TIMESTAMP for t, c in members):
        return None
    return _rates(engine, views, _with_dtype(schema, members, dtype), link, sources)


def _members(link: Link) -> list[Key]:
    children = [(link.table, c) for c in link.columns]
    return children + [(link.parent, c) for c in link.parent_columns]


def _refusal(link: Link, types: str, rates: str) -> UserError:
    return UserError(
        "SCH010",
        f"the keys of '{link.name}' have different types ({types}) that cannot be reconciled: {rates}.",
        "store both sides as one type at the source, or take the link out.",
    )


def _types(schema: Schema, link: Link, sources: Mapping[Key, Dtype]) -> str:
    pairs = zip(link.columns, link.parent_columns, strict=True)
    return (
        ", ".join(
            f"{link.table}.{c} is {sources[link.table, c].value} and "
            f"{link.parent}.{p} is {sources[link.parent, p].value}"
            for c, p in pairs
            if sources[link.table, c] is not sources[link.parent, p]
        )
        or f"{_dtypes(schema, link)} wanted"
    )


def _dtypes(schema: Schema, link: Link) -> str:
    return ", ".join(schema.table(link.table).column(c).dtype.value for c in link.columns)


def _rates(
    engine: Any, views: Mapping[str, str], schema: Schema, link: Link, sources: Mapping[Key, Dtype]
) -> KeyRates:
    child = _keys(schema, link.table, link.columns, sources, views)
    parent = _keys(schema, link.parent, link.parent_columns, sources, views)
    on = " AND ".join(f"c.k{i} = p.k{i}" for i in range(len(link.columns)))
    num_keys = fetch_row(engine, f"SELECT count(*) FROM ({child})")[0]
    matched = fetch_row(engine, f"SELECT count(*) FROM ({child}) c SEMI JOIN ({parent}) p ON {on}")[0]
    return KeyRates(num_keys, matched)


def _keys(
    schema: Schema,
    table: str,
    columns: tuple[str, ...],
    sources: Mapping[Key, Dtype],
    views: Mapping[str, str],
) -> str:
    casts = [make_cast(table, schema.table(table).column(c), sources[table, c]).sql for c in columns]
    chosen = ", ".join(f"{sql} AS k{i}" for i, sql in enumerate(casts))
    given = " AND ".join(f"{quote_name(c)} IS NOT NULL" for c in columns)
    return f"SELECT {chosen} FROM {views[table]} WHERE {given}"
