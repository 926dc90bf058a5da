"""Find the delimiter, quotes and header of a text file from its beginning."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass

_PREFERRED = (",", ";", "\t", "|")
_RARE = "^~:!\x01\x02\x1f\x1e*# "
_NO_DELIMITER = "\x01"
_NUM_RECORDS = 500


@dataclass(frozen=True)
class Dialect:
    """How the records of a text file are written, and the names in its first record.

    Attributes:
        delimiter: Between fields.
        quote: Around fields.
        escape: Before a quote inside of quotes; ``None`` where it is doubled instead.
        header: The fields of the first record.
        has_numbers: Whether a field of a later record is a number.
    """

    delimiter: str
    quote: str
    escape: str | None
    header: tuple[str, ...]
    has_numbers: bool = False

    @property
    def is_single(self) -> bool:
        """Whether there is one column, so that no delimiter shows."""
        return len(self.header) == 1


@dataclass(frozen=True)
class _Trial:
    dialect: Dialect
    regularity: float
    rank: int

    @property
    def score(self) -> tuple[bool, float, int, int]:
        """Regular first, then the usual delimiters, then more columns."""
        width = len(self.dialect.header)
        return (self.regularity == 1.0, round(self.regularity, 1), -self.rank, width)


def find_dialect(text: str, *, delimiter: str | None = None) -> Dialect | None:
    """Return the dialect in which the records of ``text`` have one width, ``None`` if it is blank.

    Args:
        text: Beginning of the file, ending with a whole record.
        delimiter: Taken as given.
    """
    if not text.strip():
        return None
    candidates = (delimiter,) if delimiter else _candidates(text)
    trials = [t for d in candidates for q in _quotes(text) if (t := _try(text, d, q))]
    wide = [t for t in trials if not t.dialect.is_single]
    if delimiter and trials:
        return max(wide or trials, key=lambda t: t.score).dialect
    if wide:
        best = max(wide, key=lambda t: t.score)
        if best.regularity >= 0.5:
            return best.dialect
    single = _try(text, _NO_DELIMITER, ('"', None))
    return single.dialect if single else None


def _candidates(text: str) -> tuple[str, ...]:
    first = text.lstrip("\r\n").splitlines()[0]
    return (*_PREFERRED, *(c for c in _RARE if c in first))


def _quotes(text: str) -> tuple[tuple[str, str | None], ...]:
    found: list[tuple[str, str | None]] = [('"', None)]
    if '\\"' in text:
        found.append(('"', "\\"))
    if text.lstrip().startswith("'"):
        found.append(("'", None))
    return tuple(found)


def _try(text: str, delimiter: str, quotes: tuple[str, str | None]) -> _Trial | None:
    quote, escape = quotes
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quote,
        doublequote=True,
        escapechar=escape,
    )
    records = []
    try:
        for record in reader:
            if record:
                records.append(record)
            if len(records) > _NUM_RECORDS:
                break
    except csv.Error:
        if not records:
            return None
    if not records:
        return None
    header = tuple(records[0])
    widths = Counter(len(r) for r in records)
    stray = sum(_has_stray_quote(r, quote) for r in records)
    regularity = max(0.0, widths[len(header)] - stray) / len(records)
    rank = _PREFERRED.index(delimiter) // len(_PREFERRED) if delimiter in _PREFERRED else 1
    rank += quotes != ('"', None)
    has_numbers = any(field.isdecimal() for record in records[1:] for field in record)
    return _Trial(Dialect(delimiter, quote, escape, header, has_numbers), regularity, rank)


def _has_stray_quote(record: list[str], quote: str) -> bool:
    """A field that begins with a quote after parsing was cut by the wrong delimiter or escape."""
    return any(field.startswith(quote) and not field.endswith(quote) for field in record)
