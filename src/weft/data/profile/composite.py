"""Composite primary keys: small sets of columns that are unique, and not by chance."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from weft.core import MICROSECONDS_PER_DAY, Link
from weft.data.profile.containment import Facts, common_types, exact_distinct, measure_link
from weft.data.profile.names import is_strong_key, key_stem, split_words
from weft.data.profile.raw import RawTables
from weft.data.profile.statistics import ColumnFacts
from weft.data.profile.vocabulary import word_set

_MAX_POOL = 8
_MAX_SIZE = 3
# Fewer expected collisions than this, were the columns independent, and uniqueness proves nothing.
_MIN_EXPECTED_COLLISIONS = 5.0
_MAX_SHARED_DUPLICATES = 1e-4
_MIN_SHARED_ROWS = 20
_MIN_CONTAINED = 0.9
_DIMENSIONS = word_set("""
    week month year quarter day date period line seq sequence sequential item lang language locale
    version season round stage step hour slot level position rank ordinal lineno linenumber jahr
    monat woche datum tag sprache
""")


def choose_composite(raw: RawTables, facts: Facts, table: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the smallest set of key-like columns that is unique, and the reasons; empty for none."""
    rows = raw.num_rows(table)
    pool = [f for f in facts[table].values() if _is_part(f)]
    pool.sort(key=lambda f: (not _is_identifier(f), -f.statistics.distinct))
    pool = pool[:_MAX_POOL]
    shares: dict[str, float] = {}
    for size in range(2, _MAX_SIZE + 1):
        found = [s for s in itertools.combinations(pool, size) if _is_worth_counting(s, rows)]
        for part in sorted(found, key=lambda s: sum(not _is_identifier(f) for f in s)):
            columns = tuple(c for c in facts[table] if c in {f.name for f in part})
            if exact_distinct(raw, table, columns) != rows:
                continue
            for column in columns:
                shares.setdefault(column, _collision_share(raw, table, column))
            expected = rows * rows / 2
            for column in columns:
                expected *= shares[column]
            if expected >= _MIN_EXPECTED_COLLISIONS:
                return columns, (
                    "no combination repeats",
                    f"about {expected:,.0f} would by chance",
                    "no single column is a key",
                )
    return (), ("no column, and no small set of key-like columns, is unique",)


def shared_keys(
    raw: RawTables, facts: Facts, keyless: Sequence[str], fixed: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[tuple[str, ...], str]]:
    """Find keys that tables without a key of their own share by name, as matches and their goals do.

    A set of columns is the key of a table when it is unique there, but for a few rows, and another
    table holds the same columns with nearly all its combinations among them.
    """
    keys: dict[str, tuple[tuple[str, ...], str]] = {}
    for table in keyless:
        for other in facts:
            found = None if other == table else _shared_key(raw, facts, table, other)
            if found and (table not in keys or len(found) < len(keys[table][0])):
                keys[table] = (
                    found,
                    f"the combinations of {other} are among its own, and hardly any repeats here",
                )
    for table in keyless:
        for parent, columns in {**fixed, **{t: k for t, (k, _) in keys.items()}}.items():
            if table not in keys and parent != table and _is_extension(raw, facts, table, parent, columns):
                keys[table] = (columns, f"it is the key of {parent}, and no combination repeats here")
    return keys


def _shared_key(raw: RawTables, facts: Facts, table: str, other: str) -> tuple[str, ...] | None:
    if raw.num_rows(other) < _MIN_SHARED_ROWS or raw.num_rows(table) < _MIN_SHARED_ROWS:
        return None
    common = [c for c, f in facts[table].items() if c in facts[other] and _is_shareable(f, facts[other][c])]
    allowed = max(1, int(_MAX_SHARED_DUPLICATES * raw.num_rows(table)))
    for size in range(2, min(4, len(common)) + 1):
        for columns in itertools.combinations(common, size):
            if len(common) > size and not _covers(facts, other, columns, common):
                continue
            if raw.num_rows(table) - exact_distinct(raw, table, columns) > allowed:
                continue
            if _contained(raw, facts, other, table, columns) >= _MIN_CONTAINED:
                return columns
    return None


def _covers(facts: Facts, other: str, columns: Sequence[str], common: Sequence[str]) -> bool:
    """Keep the search small: sets of many shared columns must hold the one with most values."""
    widest = max(common, key=lambda c: facts[other][c].statistics.distinct)
    return len(common) <= 4 or widest in columns


def _is_extension(raw: RawTables, facts: Facts, table: str, parent: str, columns: tuple[str, ...]) -> bool:
    if not all(c in facts[table] and _is_shareable(facts[table][c], facts[parent][c]) for c in columns):
        return False
    if exact_distinct(raw, table, columns) != raw.num_rows(table):
        return False
    return _contained(raw, facts, table, parent, columns) >= _MIN_CONTAINED


def _contained(raw: RawTables, facts: Facts, child: str, parent: str, columns: tuple[str, ...]) -> float:
    commons = [common_types(facts[child][c], facts[parent][c])[0] for c in columns]
    return measure_link(raw, facts, Link(child, columns, parent, columns), commons).match_rate


def _is_shareable(column: ColumnFacts, other: ColumnFacts) -> bool:
    if column.statistics.nulls or column.statistics.distinct < 2 or not common_types(column, other):
        return False
    if (column.statistics.length_mean or 0) > 40:
        return False
    is_named = key_stem(column.name) is not None or bool(set(split_words(column.name)) & _DIMENSIONS)
    return column.is_time or column.is_text or is_named


def _is_identifier(column: ColumnFacts) -> bool:
    stem = key_stem(column.name)
    return bool(stem) and (is_strong_key(column.name) or column.is_text) and column.is_keylike


def _is_part(column: ColumnFacts) -> bool:
    """Tell whether a column may be part of a key: an identifier, a day, a number within a parent."""
    stats = column.statistics
    if stats.nulls or stats.distinct < 2 or (stats.length_mean or 0) > 80:
        return False
    if column.is_time:
        return bool(stats.quantiles) and all(q % MICROSECONDS_PER_DAY == 0 for q in stats.quantiles)
    if not column.is_keylike:
        return False
    name = split_words(column.name)
    return _is_identifier(column) or (bool(name) and bool(set(name[-2:]) & _DIMENSIONS))


def _is_worth_counting(part: Sequence[ColumnFacts], rows: int) -> bool:
    product = 1.0
    for column in part:
        product *= column.statistics.distinct
    slack = 1.0 if all(f.statistics.is_distinct_exact for f in part) else 1.2
    return product * slack >= rows and any(_is_identifier(f) for f in part)


def _collision_share(raw: RawTables, table: str, column: str) -> float:
    """Return the probability that two random rows have the same value."""
    import ibis

    counted = raw.table(table, [column]).group_by(column).aggregate(n=ibis._.count())
    share = ibis._.n.cast("float64") / raw.num_rows(table)
    return float(raw.fetch(counted.aggregate(p=(share * share).sum())).column(0)[0].as_py())
