"""Primary keys: what is declared, else what is unique and named or used as a key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from weft.core import Evidence
from weft.data.declared import Declared
from weft.data.profile import names as words
from weft.data.profile.composite import choose_composite, shared_keys
from weft.data.profile.containment import Facts, exact_distinct, tried_containment
from weft.data.profile.overrides import Overrides
from weft.data.profile.raw import Kind, RawTables
from weft.data.profile.statistics import ColumnFacts
from weft.data.profile.vocabulary import word_set

_ACCEPTED_SCORE = 4.0
# From this score on, a few duplicates are dirt in a key rather than a sign that it is none.
_SURE_SCORE = 6.0
_MAX_DUPLICATE_RATE = 0.02
_MAX_NULL_RATE = 0.01
_MAX_TEXT_LENGTH = 80
_MIN_SEQUENCE = 20
_MIN_CODES = 10
_CALENDAR = word_set("""
    year month week day hour minute quarter season jahr monat woche tag
""")
_NAMING = frozenset({"name", "title", "label", "bezeichnung", "nom", "nombre"})


@dataclass(frozen=True)
class KeyChoice:
    """The key of one table and why; no columns where it has none."""

    columns: tuple[str, ...]
    confidence: float
    reasons: tuple[str, ...]
    source: str = "inferred"

    def evidence(self, table: str) -> Evidence:
        """Return the choice as evidence about a table."""
        decision = f"primary key {', '.join(self.columns)}" if self.columns else "no primary key"
        return Evidence(table, decision, self.confidence, self.reasons, self.source)


@dataclass(frozen=True)
class _Candidate:
    column: str
    score: float
    reasons: tuple[str, ...]
    duplicates: int
    is_row_number: bool


def choose_keys(
    raw: RawTables, facts: Facts, names: words.TableNames, declared: Declared, overrides: Overrides
) -> dict[str, KeyChoice]:
    """Return the key of every table: the user's word, else the declared one, else the inferred one."""
    chosen: dict[str, KeyChoice] = {}
    for table in raw.names:
        said = overrides.table(table).primary_key
        if said is not None:
            chosen[table] = KeyChoice(said, 1.0, ("set by the user",), "user")
        elif declared.primary_keys.get(table):
            by = declared.source or "the source"
            chosen[table] = KeyChoice(
                tuple(declared.primary_keys[table]), 1.0, (f"declared by {by}",), "declared"
            )
        else:
            chosen[table] = _infer(raw, facts, names, table)
    inferred = {t: c.columns for t, c in chosen.items() if c.source == "inferred" and not c.columns}
    fixed = {t: c.columns for t, c in chosen.items() if len(c.columns) > 1}
    for table, (columns, reason) in shared_keys(raw, facts, tuple(inferred), fixed).items():
        chosen[table] = KeyChoice(columns, 0.85, (reason,))
    return chosen


def _infer(raw: RawTables, facts: Facts, names: words.TableNames, table: str) -> KeyChoice:
    candidates = [c for f in facts[table].values() if (c := _rate(raw, facts, names, table, f)) is not None]
    candidates.sort(key=lambda c: (-c.score, c.is_row_number))
    if candidates and candidates[0].score >= _ACCEPTED_SCORE:
        best = candidates[0]
        composite = _exact_alternative(raw, facts, table, best)
        if composite is None:
            confidence = min(0.99, 0.55 + best.score / 20)
            return KeyChoice((best.column,), confidence, best.reasons)
        return composite
    columns, reasons = choose_composite(raw, facts, table)
    return KeyChoice(columns, 0.8 if columns else 0.7, reasons)


def _exact_alternative(raw: RawTables, facts: Facts, table: str, best: _Candidate) -> KeyChoice | None:
    """Return an exactly unique composite that holds a nearly unique column nobody refers to."""
    if not best.duplicates or _is_named_elsewhere(facts, table, best.column):
        return None
    rows = raw.num_rows(table)
    if best.duplicates < 0.002 * rows:
        return None
    for other in facts[table].values():
        if other.name == best.column or words.key_stem(other.name) is None or other.statistics.nulls:
            continue
        if other.is_keylike and exact_distinct(raw, table, [best.column, other.name]) == rows:
            reason = f"{best.column} alone repeats in {best.duplicates:,} rows, with {other.name} it does not"
            return KeyChoice((best.column, other.name), 0.75, (*best.reasons, reason))
    return None


def _rate(
    raw: RawTables, facts: Facts, names: words.TableNames, table: str, column: ColumnFacts
) -> _Candidate | None:
    """Score one column as the key of its table, ``None`` when it cannot be."""
    duplicates = _duplicates(raw, table, column)
    if duplicates is None:
        return None
    candidate = _Candidate(column.name, 0.0, (), duplicates, words.is_row_number(column.name))
    for score, reason in (
        _by_name(names, table, column),
        _by_position(facts, table, column),
        _by_same_name(raw, facts, table, column),
        _by_other_table(names, table, column),
    ):
        if score:
            reasons = (*candidate.reasons, reason) if reason else candidate.reasons
            candidate = replace(candidate, score=candidate.score + score, reasons=reasons)
    if candidate.score < _SURE_SCORE:
        score, reason = _by_references(raw, facts, names, table, column)
        if score:
            candidate = replace(
                candidate, score=candidate.score + score, reasons=(*candidate.reasons, reason)
            )
    if duplicates and candidate.score < _SURE_SCORE:
        return None
    unique = "no value repeats" if not duplicates else f"only {duplicates:,} rows repeat a value"
    return replace(candidate, reasons=(*candidate.reasons, unique))


def _duplicates(raw: RawTables, table: str, column: ColumnFacts) -> int | None:
    """Return how many rows repeat a value, ``None`` when too many do, or values are missing or no keys."""
    stats = column.statistics
    if not column.is_keylike or stats.null_rate > _MAX_NULL_RATE:
        return None
    if (stats.length_mean or 0) > _MAX_TEXT_LENGTH:
        return None
    if stats.distinct < (1 - _MAX_DUPLICATE_RATE) * (0.9 if not stats.is_distinct_exact else 1) * stats.count:
        return None
    distinct = stats.distinct
    if not stats.is_distinct_exact:
        distinct = exact_distinct(raw, table, [column.name]) - (1 if stats.nulls else 0)
    duplicates = stats.count - distinct
    return duplicates if duplicates <= _MAX_DUPLICATE_RATE * stats.count else None


def _by_name(names: words.TableNames, table: str, column: ColumnFacts) -> tuple[float, str]:
    name, stem = column.name, words.key_stem(column.name)
    if words.is_row_number(name):
        return 0.5, "it numbers the rows"
    if stem is None:
        spelled = words.split_words(name)
        if names.named_by(spelled, table) >= 0.8:
            return (4.0 if column.is_text else 2.0), f"'{name}' is what '{table}' are"
        if spelled and spelled[-1] in _NAMING and column.is_text:
            return 1.0, f"'{name}' names a row"
        return (3.0, "its values look like hashes") if _are_hashes(column) else (0.0, "")
    is_strong = words.is_strong_key(name)
    if not stem:
        return (7.0 if is_strong else 3.5), f"'{name}' is a name for a key"
    if names.named_by(stem, table) >= 0.5:
        return (6.0 if is_strong else 4.5), f"'{name}' names a row of '{table}'"
    if names.shares_word(" ".join(stem), table):
        return (5.0 if is_strong else 3.5), f"'{name}' has a word of '{table}'"
    return (3.0 if is_strong else 1.5), f"'{name}' is named like a key"


def _by_position(facts: Facts, table: str, column: ColumnFacts) -> tuple[float, str]:
    """Credit the first column, more so when it counts the rows or is alone."""
    columns = list(facts[table])
    if columns[0] != column.name:
        return 0.0, ""
    if len(columns) == 1:
        return 5.0, "it is the only column"
    stats = column.statistics
    is_counter = (
        column.reading.kind is Kind.INT
        and stats.minimum in (0, 1)
        and stats.maximum == stats.minimum + stats.count - 1
        and stats.count >= _MIN_SEQUENCE
        and not set(words.split_words(column.name)) & _CALENDAR
    )
    return (3.5, "it is the first column and counts the rows") if is_counter else (1.0, "")


def _by_same_name(raw: RawTables, facts: Facts, table: str, column: ColumnFacts) -> tuple[float, str]:
    """Credit a telling name that other tables use too; a plain text name only with its values."""
    stem = words.key_stem(column.name)
    if stem == () or words.is_row_number(column.name):
        return 0.0, ""
    others = _tables_with(facts, table, column.name)
    if not others:
        return 0.0, ""
    if stem is not None:
        return 2.0, f"{', '.join(others[:3])} use the same name"
    if column.is_text and (column.statistics.length_mean or 99) <= 40:
        for other in others:
            share, number = tried_containment(raw, facts, (other, column.name), (table, column.name))
            if share >= 0.8 and number >= 5 and not _is_unique(facts[other][column.name]):
                return 4.0, f"{share:.0%} of the values of {other}.{column.name} are among its own"
    return 0.0, ""


def _by_other_table(names: words.TableNames, table: str, column: ColumnFacts) -> tuple[float, str]:
    """Discount a name that points to another table: more likely a foreign key, unique by chance."""
    stem = words.key_stem(column.name)
    if not stem or names.named_by(stem, table) >= 0.5:
        return 0.0, ""
    named = [t for t, s in names.best(stem).items() if s >= 1.0 and t != table]
    return (-2.0, f"although it names '{named[0]}'") if named else (0.0, "")


def _by_references(
    raw: RawTables, facts: Facts, names: words.TableNames, table: str, column: ColumnFacts
) -> tuple[float, str]:
    """Credit a column that holds the values of other tables' columns named after this table."""
    stem = words.key_stem(column.name)
    if stem and names.named_by(stem, table) < 0.5:
        return 0.0, ""
    for other, columns in facts.items():
        for reference in columns.values():
            if other == table or not reference.is_keylike or reference.statistics.distinct < 3:
                continue
            if reference.is_text != column.is_text or not (
                _names(names, reference, table) or _may_be_code(facts, table, column, reference)
            ):
                continue
            share, _ = tried_containment(raw, facts, (other, reference.name), (table, column.name))
            if share >= 0.95:
                return 4.0, f"the values of {other}.{reference.name} are here"
    return 0.0, ""


def _names(names: words.TableNames, reference: ColumnFacts, table: str) -> bool:
    stem = words.key_stem(reference.name)
    return names.best(stem if stem is not None else words.split_words(reference.name)).get(table, 0.0) >= 0.8


def _may_be_code(facts: Facts, table: str, column: ColumnFacts, reference: ColumnFacts) -> bool:
    """Tell whether short tokens in the first column may be what another column refers to."""
    if not column.is_text or next(iter(facts[table])) != column.name or _is_unique(reference):
        return False
    are_tokens = all(len(t) <= 20 and not re.search(r"\s", t) for t in column.texts)
    return are_tokens and reference.statistics.distinct >= _MIN_CODES


def _tables_with(facts: Facts, table: str, column: str) -> list[str]:
    return [t for t, columns in facts.items() if t != table and column in columns]


def _is_named_elsewhere(facts: Facts, table: str, column: str) -> bool:
    return bool(_tables_with(facts, table, column))


def _is_unique(column: ColumnFacts) -> bool:
    return column.statistics.distinct >= 0.99 * column.statistics.count


def _are_hashes(column: ColumnFacts) -> bool:
    return bool(column.texts) and all(
        re.fullmatch(r"[0-9a-fA-F]{16,64}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", t)
        for t in column.texts
    )


def declared_columns(declared: Declared) -> Mapping[str, set[str]]:
    """Return the columns that declarations name, by table."""
    named: dict[str, set[str]] = {}
    for table, key in declared.primary_keys.items():
        named.setdefault(table, set()).update(key)
    for table, column in [*declared.time_columns.items(), *declared.end_time_columns.items()]:
        named.setdefault(table, set()).add(column)
    for link in declared.links:
        named.setdefault(link.table, set()).update(link.columns)
        named.setdefault(link.parent, set()).update(link.parent_columns)
    return named
