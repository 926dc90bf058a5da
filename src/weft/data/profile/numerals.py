"""Recognize numbers in text that are not plain: decimal commas, groups of thousands, currencies, percents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from weft.data.numbers import SPACES, NumberFormat
from weft.data.profile.names import key_stem
from weft.data.profile.vocabulary import word_set
from weft.data.sources.literals import MISSING

# In the order in which they are preferred where several fit.
_MARKS = ((",", "."), (".", ","), (",", " "), (".", "'"), (".", " "), (",", "'"))
_SYMBOLS = "€$£¥₹₽₩₺₴₫฿%"
_CURRENCIES = word_set("""
    AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF ILS INR JPY KRW MXN NOK NZD PLN RON RUB SEK SGD THB TRY USD
    ZAR kr zł Kč Ft lei
""")
_UNIT = re.compile(rf"[{_SYMBOLS}]|[^\W\d_]{{2,3}}")
_NUMBER_LIKE = re.compile(rf"[+\u2212-]?[{SPACES}]*[0-9.,][0-9.,'\u2019{SPACES}]*([eE][+-]?[0-9]+)?")
_SINGLE = re.compile(r"[+\u2212-]?([0-9]+)([.,])([0-9]+)")
_MISSING = frozenset(MISSING.to_pylist())
_MIN_PAIRS = 5


@dataclass(frozen=True)
class NumberText:
    """How texts spell numbers, and how sure that is.

    Attributes:
        form: How they are read.
        confidence: Below 0.9 where they may also be read in another way.
        reason: In words.
        rival: Another format, which fits every text and gives other numbers.
    """

    form: NumberFormat
    confidence: float
    reason: str
    rival: str | None = None


def find_number_format(name: str, values: Sequence[str]) -> NumberText | None:
    """Return how all of ``values`` spell numbers, ``None`` when some are none or they may be lists or codes.

    Plain numbers (``12.5``) are for `find_number_text`.

    Args:
        name: The column's, as groups of digits in a key are part of its spelling.
        values: Different texts of the column.
    """
    texts = present_texts(values)
    unit = _common_unit(texts)
    if unit is None or not any(_is_marked(t) for t in texts):
        return None
    fits = [form for form in _formats(unit) if all(re.match(form.pattern, t) for t in texts)]
    if not fits:
        return None
    bodies = [t.replace(unit, "").strip(SPACES) for t in texts]
    return _choose(name, fits, bodies)


def number_like(values: Sequence[str]) -> list[str]:
    """Return the texts that look like numbers, whatever their marks mean."""
    return [t for t in present_texts(values) if _NUMBER_LIKE.fullmatch(_without_unit(t))]


def present_texts(values: Sequence[str]) -> list[str]:
    """Return the texts without the words for a missing value."""
    return [v for v in values if v.strip() and v.strip() not in _MISSING]


def _formats(unit: str) -> list[NumberFormat]:
    return [NumberFormat(decimal, group, unit) for decimal, group in _MARKS]


def _is_marked(text: str) -> bool:
    return bool(re.search(rf"[,'\u2019{SPACES}]|[.].*[.]", text.strip()) or _unit_of(text))


def _unit_of(text: str) -> str:
    found = _UNIT.search(text)
    return found[0] if found and (found[0] in _SYMBOLS or found[0] in _CURRENCIES) else ""


def _without_unit(text: str) -> str:
    unit = _unit_of(text)
    return (text.replace(unit, "", 1) if unit else text).strip()


def _common_unit(texts: Sequence[str]) -> str | None:
    """Return the unit of all texts, empty for none, ``None`` where they differ."""
    if not texts or not all(_NUMBER_LIKE.fullmatch(_without_unit(t)) for t in texts[:50]):
        return None
    units = {_unit_of(t) for t in texts}
    return units.pop() if len(units) == 1 else None


def _choose(name: str, fits: Sequence[NumberFormat], bodies: Sequence[str]) -> NumberText | None:
    by_decimal = {(f.decimal, f.group): f for f in fits}
    comma, dot = by_decimal.get((",", ".")), by_decimal.get((".", ","))
    marked = [b for b in bodies if "," in b or "." in b]
    if comma and dot and marked:
        return _ambiguous(name, comma, dot, bodies)
    form = fits[0]
    if not any(form.decimal in b for b in bodies):
        return _grouped(name, form, bodies)
    return _fractions(form, bodies)


def _sure(form: NumberFormat, note: str = "") -> NumberText:
    percent = "; 12 % is read as 12" if form.unit == "%" else ""
    return NumberText(form, 0.95, f"its values are numbers written as '{form}'{note}{percent}")


def _ambiguous(name: str, comma: NumberFormat, dot: NumberFormat, bodies: Sequence[str]) -> NumberText | None:
    """Choose between 1,234 as 1234 and as 1.234: every mark stands before exactly three digits."""
    marks = {m for b in bodies for m in ".," if m in b}
    is_dotted = marks == {"."}
    grouped, fraction = (comma, dot) if is_dotted else (dot, comma)
    example = next(b for b in bodies if any(m in b for m in marks))
    if any(re.fullmatch(r"[+\u2212-]?[0-9]{4,}", b) for b in bodies):
        return NumberText(
            fraction,
            0.8,
            f"its values are numbers written as '{fraction}': thousands are written without a mark",
            str(grouped),
        )
    if _grouped(name, grouped, [b for b in bodies if marks & set(b)]) is None:
        return None
    whole = re.sub(r"[.,]", "", example)
    return NumberText(
        grouped,
        0.6,
        f"its values are numbers, read as '{grouped}': {example} is {whole}, though '{fraction}' fits every "
        "value as well",
        str(fraction),
    )


def _grouped(name: str, form: NumberFormat, bodies: Sequence[str]) -> NumberText | None:
    """Return whole numbers in groups, ``None`` for lists, telephone numbers, addresses and keys."""
    marks = [[p for p in re.split(rf"[.,'\u2019{SPACES}]", b) if p] for b in bodies]
    grouped = [parts for parts in marks if len(parts) > 1]
    if form.unit or not grouped:
        return _sure(form) if form.unit else None
    lengths = {len(parts) for parts in marks}
    if key_stem(name) is not None or (len(lengths) == 1 and lengths != {2}):
        return None
    # Of lists of three-digit codes all begin with three digits, of numbers only some do.
    return None if all(len(parts[0]) == 3 for parts in grouped) else _sure(form)


def _fractions(form: NumberFormat, bodies: Sequence[str]) -> NumberText | None:
    if form.decimal == "." or form.unit:
        return _sure(form)
    pairs = [(m[1], m[3]) for b in bodies if (m := _SINGLE.fullmatch(b)) and m[2] == ","]
    if len(pairs) < sum("," in b for b in bodies) or _are_fractions(bodies, pairs):
        return _sure(form, ", with a decimal comma")
    if len(pairs) < _MIN_PAIRS or _may_be_lists(pairs):
        return None
    return NumberText(
        form, 0.7, f"its values are numbers written as '{form}', unless they are lists of two numbers"
    )


def _are_fractions(bodies: Sequence[str], pairs: Sequence[tuple[str, str]]) -> bool:
    """Tell whether some value can be no list of whole numbers, or all have as many digits after the comma."""
    if any(b[0] in "+-\u2212" for b in bodies):
        return True
    if any(re.fullmatch(r"0[0-9]+|[0-9]{4,}", fraction) for _, fraction in pairs):
        return True
    return len(pairs) >= 2 and {len(fraction) for _, fraction in pairs} in ({2}, {3})


def _may_be_lists(pairs: Sequence[tuple[str, str]]) -> bool:
    """Tell whether the second of each pair is the larger, as in a sorted list."""
    rising = [int(a) < int(b) for a, b in pairs if a != "0"]
    is_padded = any(b.endswith("0") for _, b in pairs)
    has_widths = len({len(b) for _, b in pairs}) > 1
    return all(rising) and bool(rising) and (is_padded or not has_widths)
