"""The meaning of columns: what a model may do with their values."""

from __future__ import annotations

import re
from collections.abc import Collection

from weft.core import Column, Dtype, Evidence, Stype
from weft.data.profile.names import is_strong_key, key_stem, split_words
from weft.data.profile.overrides import ColumnOverride
from weft.data.profile.raw import Kind
from weft.data.profile.statistics import ColumnFacts
from weft.data.profile.vocabulary import word_set

_MAX_CODES = 10_000
_MAX_CATEGORIES = 50_000
# Every whole number of so many digits fits 64 bits.
_MAX_INT_DIGITS = 18
_CODES = word_set("""
    type status state class category cat kind code group grp level flag mode genre gender sex region
    zone district segment channel tier grade label sector division department dept brand make model
    color colour cluster reason method currency language lang locale country zip zipcode postcode
    postal plz phone fax port version department shape finish material family typ klasse gruppe land
    art
""")
_LABELS = frozenset({"code", "zip", "zipcode", "postcode", "postal", "plz", "phone", "fax"})
_FLAGS = frozenset({"is", "has", "was", "flag", "can", "should", "needs", "did"})
_NUMBERS = word_set("""
    count cnt num quantity qty amount amt price cost total sum avg mean rate ratio pct percent score
    points age size length height width weight duration minutes seconds days hours balance salary
    year rank position votes views lat lng lon latitude longitude value level rating stars
""")


def choose_stype(
    facts: ColumnFacts, said: ColumnOverride, key_columns: Collection[str]
) -> tuple[Stype, float, tuple[str, ...], str]:
    """Return the meaning of a column, confidence, reasons and source.

    Args:
        facts: What is known about the column.
        said: What the user says about it.
        key_columns: The smallest key or link of the table that the column is part of. Parts of a
            composite one, such as a week or a team, keep the meaning of their values.
    """
    if said.stype:
        how = (facts.reading.number.reason,) if facts.reading.number else ()
        return said.stype, 1.0, ("set by the user", *how), "user"
    if facts.is_time:
        return Stype.TIMESTAMP, 0.97, (_time_reason(facts),), "inferred"
    if tuple(key_columns) == (facts.name,):
        return Stype.ID, 0.97, ("it is a key",), "inferred"
    stype, confidence, reason = _by_values(facts)
    return stype, confidence, (reason,), "inferred"


def make_column(facts: ColumnFacts, stype: Stype, said: ColumnOverride, key_dtype: Dtype | None) -> Column:
    """Return the column as the schema has it; ``key_dtype`` is what a link compares it in."""
    reading = facts.reading
    dtype = said.dtype or key_dtype or _storage(facts, stype)
    is_list = stype is Stype.MULTICATEGORICAL
    number = reading.number if dtype in (Dtype.INT, Dtype.FLOAT) else None
    return Column(
        facts.name,
        dtype,
        stype,
        time_format=reading.time_format if dtype is Dtype.TIMESTAMP else None,
        time_zone=reading.time_zone if dtype is Dtype.TIMESTAMP else None,
        separator=(reading.separator or ",") if is_list else None,
        number_format=str(number.form) if number else None,
    )


def column_evidence(
    table: str, column: Column, confidence: float, reasons: tuple[str, ...], source: str
) -> Evidence:
    """Return the meaning of a column as evidence."""
    return Evidence(f"{table}.{column.name}", column.stype.value, confidence, reasons, source)


def _storage(facts: ColumnFacts, stype: Stype) -> Dtype:
    if facts.reading.kind is Kind.TEXT and stype is Stype.NUMERICAL:
        is_long = (facts.statistics.length_max or 0) > _MAX_INT_DIGITS
        return Dtype.FLOAT if facts.reading.number_text == "float" or is_long else Dtype.INT
    if facts.reading.kind is Kind.FLOAT and stype is Stype.ID and facts.is_whole:
        return Dtype.INT
    return facts.reading.dtype


def _time_reason(facts: ColumnFacts) -> str:
    reading = facts.reading
    if reading.is_given:
        return f"read as '{reading.time_format}', set by the user"
    if reading.kind is Kind.TIME:
        return f"stored as {facts.statistics.storage}"
    return f"its values are times written as '{reading.time_format}'"


def _by_values(facts: ColumnFacts) -> tuple[Stype, float, str]:
    reading = facts.reading
    if facts.statistics.count == 0:
        return Stype.CATEGORICAL, 0.3, "it has no values"
    if reading.dtype is Dtype.VECTOR:
        return Stype.EMBEDDING, 0.95, "its values are lists of numbers"
    if reading.number:
        return Stype.NUMERICAL, reading.number.confidence, reading.number.reason
    if reading.separator:
        return Stype.MULTICATEGORICAL, 0.9, f"its values are lists, separated as {reading.separator!r}"
    if reading.kind is Kind.BOOL:
        return Stype.CATEGORICAL, 0.99, "it is true or false"
    if reading.kind is Kind.TEXT and reading.number_text in (None, "digits"):
        return _text_stype(facts)
    return _number_stype(facts)


def _number_stype(facts: ColumnFacts) -> tuple[Stype, float, str]:
    words, stats = split_words(facts.name), facts.statistics
    is_whole = facts.is_whole or facts.reading.number_text == "int"
    if not is_whole or not words:
        return Stype.NUMERICAL, 0.95, "its values are fractions" if not is_whole else "its values are numbers"
    if is_strong_key(facts.name):
        return _code_or_id(facts)
    is_code = bool({words[-1], words[0]} & _CODES) and words[-1] not in _NUMBERS
    if is_code and stats.distinct <= _MAX_CODES and (stats.distinct < 0.5 * stats.count or stats.count < 50):
        return Stype.CATEGORICAL, 0.85, f"'{words[-1]}' names a code, and there are {stats.distinct:,}"
    if words[-1] in _LABELS:
        return _code_or_id(facts)
    if stats.distinct <= 2 and (set(words) & _FLAGS):
        return Stype.CATEGORICAL, 0.9, "it is a flag"
    if facts.reading.kind is Kind.TEXT and not set(words) & _NUMBERS and stats.distinct > 0.9 * stats.count:
        return Stype.ID, 0.7, "its values are digits that hardly repeat"
    if facts.reading.kind is Kind.TEXT and key_stem(facts.name) is not None:
        return _code_or_id(facts)
    return Stype.NUMERICAL, 0.85, "its values are numbers"


def _code_or_id(facts: ColumnFacts) -> tuple[Stype, float, str]:
    """Keys of tables that are not here: codes when they repeat, else identifiers."""
    stats = facts.statistics
    if stats.distinct <= _MAX_CODES and stats.count >= 3 * stats.distinct:
        return Stype.CATEGORICAL, 0.8, f"a code of {stats.distinct:,} values, each in many rows"
    return Stype.ID, 0.8, "named like a key, of a table that is not here"


def _text_stype(facts: ColumnFacts) -> tuple[Stype, float, str]:
    stats = facts.statistics
    if key_stem(facts.name) is not None and _are_tokens(facts) and (stats.length_mean or 0) <= 80:
        return _code_or_id(facts)
    num_words = sum(len(t.split()) for t in facts.texts) / max(1, len(facts.texts))
    repeats = stats.count / max(1, stats.distinct)
    if (num_words >= 6 or (stats.length_mean or 0) > 60) and repeats < 20:
        return Stype.TEXT, 0.9, f"{num_words:.1f} words a value"
    if repeats < 2 and stats.distinct > 50:
        if _are_tokens(facts) and any(re.search(r"\d", t) for t in facts.texts[:20]) and num_words == 1:
            return Stype.ID, 0.7, "its values are tokens that hardly repeat"
        return Stype.TEXT, 0.75, f"{stats.distinct:,} different texts in {stats.count:,} rows"
    if stats.distinct > _MAX_CATEGORIES:
        return Stype.TEXT, 0.6, f"{stats.distinct:,} different texts"
    return Stype.CATEGORICAL, 0.9, f"{stats.distinct:,} different texts in {stats.count:,} rows"


def _are_tokens(facts: ColumnFacts) -> bool:
    return all(not re.search(r"\s", t.strip()) for t in facts.texts[:200])
