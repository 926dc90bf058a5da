"""How texts spell numbers: the decimal mark, groups of thousands, a currency or a percent sign.

One reading for the profile (Ibis and Arrow) and the prepared tables (SQL): all three run the same regular
expression in the same dialect, RE2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weft.data.engine import quote_text

SPACES = " \t\u00a0\u2007\u2009\u202f"
# A space stands for every kind of space, an apostrophe for the typographic one too.
_CLASSES = {"": "", ".": "[.]", ",": "[,]", " ": f"[{SPACES}]", "'": "['\u2019]"}
_MINUS = "\u2212"
_SIGN = f"[+{_MINUS}-]?"
_EXAMPLE = re.compile(r"([^0-9]*)1(?P<group>[ .,']?)234(?P<decimal>[.,])56?([^0-9]*)")
_PLAIN = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class NumberFormat:
    """How a column's texts spell numbers.

    Attributes:
        decimal: The mark before the fraction, ``","`` or ``"."``.
        group: The mark between groups of three digits, ``""`` where there is none.
        unit: What every value carries before or after its digits, such as ``"€"``.
    """

    decimal: str
    group: str = ""
    unit: str = ""

    def __str__(self) -> str:
        example = f"1{self.group}234{self.decimal}5"
        return f"{example} {self.unit}" if self.unit else example

    @property
    def pattern(self) -> str:
        """The regular expression that a whole text must match; what fits is read exactly."""
        mark, around = _CLASSES[self.decimal], f"[{SPACES}]*"
        whole = "[0-9]+"
        if self.group:
            # No number's groups begin with a zero: 0.123 is no group of thousands.
            whole = rf"(?:[1-9][0-9]{{0,2}}(?:{_CLASSES[self.group]}[0-9]{{3}})+|[0-9]+)"
        number = rf"(?:{whole}(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?"
        spelt = f"{_SIGN}{around}{number}"
        if self.unit:
            unit = re.escape(self.unit)
            spelt = f"(?:{_SIGN}{around}{unit}{around}{spelt}|{spelt}{around}{unit})"
        return f"^{around}{spelt}{around}$"

    @property
    def noise(self) -> str:
        """The regular expression of the characters that stand for nothing: spaces, groups, a plus."""
        return f"[{SPACES}+]" + (f"|{_CLASSES[self.group]}" if self.group else "")


def parse_number_format(text: str) -> NumberFormat | None:
    """Return the format of which ``text`` is the example 1234.5, ``None`` when it is no such example.

    Example:
        >>> parse_number_format("1.234,5 €")
        NumberFormat(decimal=',', group='.', unit='€')
        >>> parse_number_format("1234,5")
        NumberFormat(decimal=',', group='', unit='')
        >>> parse_number_format("1.234") is None
        True
    """
    found = _EXAMPLE.fullmatch(text.strip())
    if not found or found["group"] == found["decimal"]:
        return None
    before, after = found[1].strip(SPACES), found[4].strip(SPACES)
    if before and after:
        return None
    return NumberFormat(found["decimal"], found["group"], before or after)


def number_sql(name: str, form: NumberFormat) -> str:
    """Return SQL for the numbers of a text column ``name``, quoted; null where a text is none."""
    bare = f"replace({name}, {quote_text(form.unit)}, '')" if form.unit else name
    bare = f"regexp_replace({bare}, {quote_text(form.noise)}, '', 'g')"
    bare = f"replace(replace({bare}, {quote_text(form.decimal)}, '.'), {quote_text(_MINUS)}, '-')"
    return f"CASE WHEN regexp_matches({name}, {quote_text(form.pattern)}) THEN TRY_CAST({bare} AS DOUBLE) END"


def number_expression(column: Any, form: NumberFormat) -> Any:
    """Return an Ibis text as doubles, null where a text is no number."""
    bare = column.replace(form.unit, "") if form.unit else column
    bare = bare.re_replace(form.noise, "").replace(form.decimal, ".").replace(_MINUS, "-")
    return column.re_search(form.pattern).ifelse(bare.try_cast("float64"), None)


def read_numbers(texts: pa.ChunkedArray, form: NumberFormat | None) -> pa.ChunkedArray:
    """Return texts as doubles, null where one is no number; without a format they are plain numbers."""
    if form is None:
        texts = pc.utf8_trim_whitespace(texts)
        pattern, bare = _PLAIN, pc.replace_substring_regex(texts, r"^\+", "")
    else:
        pattern = form.pattern
        bare = pc.replace_substring(texts, form.unit, "") if form.unit else texts
        bare = pc.replace_substring_regex(bare, form.noise, "")
        bare = pc.replace_substring(pc.replace_substring(bare, form.decimal, "."), _MINUS, "-")
    is_number = pc.match_substring_regex(texts, pattern)
    return pc.cast(pc.if_else(is_number, bare, pa.scalar(None, pa.string())), pa.float64())
