"""Recognize times in text and numbers, lists in text, numbers in text: from a sample of values."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from weft.data.profile.names import key_stem, split_words
from weft.data.profile.vocabulary import word_set

# Shares of the sampled values that must agree before text is read as something else.
MIN_TIME_SHARE = 0.9
_NUM_TRIED = 60

_ISO = re.compile(
    r"\s*\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s?(Z|UTC|[+-]\d{2}(:?\d{2})?))?)?\s*"
)
ZONE_PATTERN = r":\d{2}(?:\.\d+)?\s?(Z|UTC|[+-]\d{2}(?::?\d{2})?)\s*$"
_ZONE = re.compile(ZONE_PATTERN)
_DATES = (
    "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y", "%m/%d/%y",
    "%d/%m/%y", "%d.%m.%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
    "%b %d %Y", "%Y%m%d", "%Y-%b-%d", "%d%b%Y", "%d/%b/%Y",
)  # fmt: skip
_CLOCKS = (
    "",
    " %H:%M:%S",
    " %H:%M",
    " %H:%M:%S.%f",
    " %I:%M:%S %p",
    " %I:%M %p",
    "T%H:%M:%S",
    " %H:%M:%S %z",
)
_WHOLE = (
    "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y", "%d/%b/%Y:%H:%M:%S %z",
    "%Y%m%d%H%M%S", "%Y%m%dT%H%M%S", "%a, %d %b %Y %H:%M:%S", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d-%H.%M.%S.%f",
    "%Y-%m-%d %I:%M %p", "%m/%d/%Y, %H:%M:%S", "%y%m%d %H:%M:%S", "%d/%m/%Y, %H:%M:%S", "%B %d, %Y %I:%M %p",
)  # fmt: skip
PATTERNS = tuple(d + c for d in _DATES for c in _CLOCKS) + _WHOLE
_TIME_WORDS = word_set("""
    us ns unix signup joined registered login seen posted
    time timestamp date datetime ts at when created updated modified day dt tstamp epoch utc started
    ended start end expires t ms datum zeit zeitstempel uhrzeit fecha heure jour data hora tijd
    moment occurred clock
""")
_TIME_ENDINGS = ("date", "time", "datum", "zeit", "stamp", "_dt", "_ts")
_EPOCHS = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}
# 1980-01-01 and 2100-01-01 in seconds: numbers of other kinds rarely all fall between.
_EPOCH_RANGE = (315_532_800, 4_102_444_800)


def is_time_name(name: str) -> bool:
    """Tell whether a name says that the column holds times."""
    words = split_words(name)
    if key_stem(name) is not None and words and words[-1] in {"id", "no", "nr", "key", "code", "number"}:
        return False
    return any(w in _TIME_WORDS for w in words) or any(w.endswith(_TIME_ENDINGS) for w in words)


def find_epoch(name: str, minimum: float, maximum: float) -> str | None:
    """Return the unit of epoch numbers, ``None`` when the range or the name does not fit.

    Example:
        >>> find_epoch("created_at", 1577836800000, 1609459200000)
        'epoch_ms'
        >>> find_epoch("phone", 1577836800, 1609459200)
    """
    if not is_time_name(name):
        return None
    for unit, factor in _EPOCHS.items():
        if _EPOCH_RANGE[0] * factor <= minimum and maximum <= _EPOCH_RANGE[1] * factor:
            return unit
    return None


def find_number_date(name: str, values: Sequence[int]) -> str | None:
    """Return ``%Y%m%d`` or ``%y%m%d`` when all numbers are such dates and the name says so."""
    if not is_time_name(name) or not values:
        return None
    for pattern, digits in (("%Y%m%d", 8), ("%y%m%d", 6)):
        texts = [str(v) for v in values]
        if all(len(t) == digits for t in texts) and all(_parses(t, pattern) for t in texts):
            if digits == 8 and not all("1700" <= t[:4] <= "2200" for t in texts):
                continue
            return pattern
    return None


@dataclass(frozen=True)
class TimeText:
    """How texts spell times.

    Attributes:
        time_format: ``"iso"`` or a ``strptime`` pattern.
        share: Share of the sampled texts that fit.
        rival: Another pattern that fits equally well, as day and month may be exchanged.
        zones: Different zones that the texts name; ``""`` stands for none.
    """

    time_format: str
    share: float
    rival: str | None = None
    zones: tuple[str, ...] = ()


def find_time_text(values: Sequence[str]) -> TimeText | None:
    """Return how ``values`` spell times, ``None`` when fewer than nine tenths of them do."""
    texts = [v for v in values if v.strip()]
    if not texts:
        return None
    iso = sum(bool(_is_iso(v)) for v in texts) / len(texts)
    if iso >= MIN_TIME_SHARE:
        timed = [v for v in texts if ":" in v]
        return TimeText("iso", iso, zones=tuple(sorted({zone_of(v) for v in timed})))
    return _find_pattern(texts)


def zone_of(text: str) -> str:
    """Return the zone that ends a text, ``""`` without one."""
    found = _ZONE.search(text)
    return found[1] if found else ""


def _is_iso(text: str) -> bool:
    if not _ISO.fullmatch(text):
        return False
    year, month, day = (int(p) for p in re.findall(r"\d+", text)[:3])
    try:
        return bool(dt.date(year, month, day))
    except ValueError:
        return False


def _find_pattern(texts: Sequence[str]) -> TimeText | None:
    step = max(1, len(texts) // _NUM_TRIED)
    few = texts[::step][:_NUM_TRIED]
    if sum(_looks_like_time(v) for v in few) < MIN_TIME_SHARE * len(few):
        return None
    shares: dict[str, float] = {}
    for pattern in PATTERNS:
        if sum(_parses(v, pattern) for v in few) >= 0.8 * len(few):
            shares[pattern] = sum(_parses(v, pattern) for v in texts) / len(texts)
    good = sorted((p for p, s in shares.items() if s >= MIN_TIME_SHARE), key=lambda p: -shares[p])
    if not good:
        return None
    rivals = [p for p in good[1:] if shares[p] == shares[good[0]]]
    zones = tuple(sorted({v.split()[-1] for v in few})) if good[0].endswith("%z") else ()
    return TimeText(good[0], shares[good[0]], rivals[0] if rivals else None, zones)


def _looks_like_time(text: str) -> bool:
    digits = sum(c.isdigit() for c in text)
    letters = sum(c.isalpha() for c in text)
    return 4 <= digits <= 20 and letters <= 15 and 6 <= len(text.strip()) <= 40 and not text.isalpha()


def _parses(text: str, pattern: str) -> bool:
    try:
        moment = dt.datetime.strptime(text.strip(), pattern)
    except ValueError:
        return False
    return 1700 <= moment.year <= 2200


def find_separator(values: Sequence[str], distinct_share: float) -> str | None:
    """Return what separates the values of multi-valued text, ``None`` for plain text.

    ``"json"`` stands for a JSON array and ``"<>"`` for ``<a><b>``; else it is the separator itself.
    """
    texts = [v for v in values if v.strip()]
    if not texts:
        return None
    if _share(texts, lambda v: v.startswith("[") and v.endswith("]")) > 0.95:
        return "json" if _share(texts, _is_json_list) > 0.9 else None
    if _share(texts, lambda v: re.fullmatch(r"(<[^<>]+>)+", v) is not None) > 0.95:
        return "<>"
    for separator in ("|", ";", ","):
        if _is_separated(texts, separator, distinct_share):
            return separator
    return None


def _is_separated(texts: Sequence[str], separator: str, distinct_share: float) -> bool:
    """Several items in many rows, items short, and far fewer different items than rows."""
    if _share(texts, lambda v: separator in v) < (0.2 if separator != "," else 0.3):
        return False
    lists = [[p.strip() for p in v.strip(separator).split(separator)] for v in texts]
    items = [p for parts in lists for p in parts]
    if not all(items) or max(map(len, items)) > 40 or sum(len(p.split()) for p in items) > 2.5 * len(items):
        return False
    num_lengths = len({len(parts) for parts in lists})
    if num_lengths < 2 or all(re.fullmatch(r"-?[\d.]+", p) for p in items[:200]):
        return False
    repeats = len(items) / len(set(items))
    return repeats >= (2 if separator != "," else 3) and (
        separator != "," or distinct_share < 0.98 or repeats > 5
    )


def _is_json_list(text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, list) and not any(isinstance(v, (dict, list)) for v in value)


def find_embedding_length(values: Sequence[str]) -> int | None:
    """Return the common length of texts that hold lists of numbers, ``None`` for anything else."""
    lengths = set()
    for text in values[:50]:
        if not text.startswith("[") or not _is_json_list(text):
            return None
        value = json.loads(text)
        if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value):
            return None
        lengths.add(len(value))
        if not any(isinstance(v, float) for v in value):
            return None
    return lengths.pop() if len(lengths) == 1 and max(lengths) >= 4 else None


def find_number_text(values: Sequence[str]) -> str | None:
    """Return ``"int"``, ``"digits"`` (leading zeros count) or ``"float"`` when all texts are numbers."""
    texts = [v.strip() for v in values]
    if not texts:
        return None
    if all(re.fullmatch(r"[+-]?\d+", v) for v in texts):
        padded = any(re.fullmatch(r"[+-]?0\d+", v) for v in texts)
        return "digits" if padded or any(len(v) > 18 for v in texts) else "int"
    if all(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", v) for v in texts):
        return "float"
    return None


def _share(texts: Sequence[str], test: object) -> float:
    return sum(bool(test(v)) for v in texts) / len(texts)  # type: ignore[operator]
