"""Instants and spans. Inside Weft an instant is an int64 of microseconds since 1970, UTC."""

from __future__ import annotations

import calendar
import datetime as dt
import enum
import math
import re
from dataclasses import dataclass

from weft.core.errors import UserError

MICROSECONDS_PER_DAY = 86_400_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST = dt.datetime.min.replace(tzinfo=dt.UTC)
_LAST = dt.datetime.max.replace(tzinfo=dt.UTC)


class Unit(enum.StrEnum):
    """The units of a window. Months and years follow the calendar."""

    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"
    YEARS = "years"


_FIXED = {
    Unit.SECONDS: 1_000_000,
    Unit.MINUTES: 60_000_000,
    Unit.HOURS: 3_600_000_000,
    Unit.DAYS: MICROSECONDS_PER_DAY,
    Unit.WEEKS: 7 * MICROSECONDS_PER_DAY,
}


@dataclass(frozen=True)
class Offset:
    """A signed span such as 30 days or -3 months.

    Example:
        >>> format_time(Offset(1, Unit.MONTHS).after(parse_time("2024-01-31")))
        '2024-02-29'
    """

    value: int
    unit: Unit = Unit.DAYS

    def after(self, time_us: int) -> int:
        """Return the instant this span later; a day past the month's end becomes its last.

        Past the years 1 and 9999 the calendar ends: months and years stop there.
        """
        if self.unit in _FIXED:
            return time_us + self.value * _FIXED[self.unit]
        months = self.value * (12 if self.unit is Unit.YEARS else 1)
        moment = to_datetime(time_us)
        index = moment.year * 12 + moment.month - 1 + months
        year, month = index // 12, index % 12 + 1
        if not dt.MINYEAR <= year <= dt.MAXYEAR:
            return to_micros(_FIRST if year < dt.MINYEAR else _LAST)
        day = min(moment.day, calendar.monthrange(year, month)[1])
        return to_micros(moment.replace(year=year, month=month, day=day))

    def before(self, time_us: int) -> int:
        """Return the instant this span earlier."""
        return Offset(-self.value, self.unit).after(time_us)

    @property
    def nominal_us(self) -> int:
        """Length in microseconds, a month as 30 days and a year as 365."""
        if self.unit in _FIXED:
            return self.value * _FIXED[self.unit]
        return self.value * MICROSECONDS_PER_DAY * (365 if self.unit is Unit.YEARS else 30)

    def __str__(self) -> str:
        return f"{self.value} {self.unit.value}"


def parse_time(text: str) -> int:
    """Read an ISO 8601 date or date and time as microseconds UTC.

    Raises:
        UserError: ``DATA001`` when ``text`` is not such a time.

    Example:
        >>> parse_time("1970-01-02")
        86400000000
    """
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise UserError(
            "DATA001",
            f"'{text}' is not a date or time.",
            "write it as 2025-01-31 or 2025-01-31 12:00:00.",
        ) from None
    return to_micros(moment)


def to_micros(moment: dt.datetime | dt.date) -> int:
    """Turn a date or datetime into microseconds UTC; without a zone it is UTC."""
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def to_datetime(time_us: int) -> dt.datetime:
    """Turn microseconds UTC into a datetime with the zone UTC, at most the ends of the years 1 and 9999."""
    return _EPOCH + dt.timedelta(microseconds=min(max(int(time_us), _FIRST_US), _LAST_US))


_FIRST_US, _LAST_US = to_micros(_FIRST), to_micros(_LAST)


def format_time(time_us: int) -> str:
    """Write an instant for people: the date alone at midnight.

    Example:
        >>> format_time(86_400_000_000), format_time(1_500_000)
        ('1970-01-02', '1970-01-01 00:00:01.500000')
    """
    moment = to_datetime(time_us).replace(tzinfo=None)
    if moment.time() == dt.time():
        return moment.date().isoformat()
    return moment.isoformat(sep=" ")


def parse_duration_s(text: str) -> float:
    """Read ``90s``, ``5m``, ``2h`` or ``1d`` as seconds."""
    factors = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, suffix = str(text).strip()[:-1], str(text).strip()[-1:].lower()
    try:
        read = float(number) if suffix in factors else math.nan
    except ValueError:
        read = math.nan
    if read <= 0:
        raise UserError(
            "DATA002", f"the duration '{text}' is not above zero.", "give more, such as 90s or 5m."
        )
    if not math.isfinite(read):
        raise UserError("DATA002", f"'{text}' is not a duration.", "write it as 90s, 5m, 2h or 1d.")
    return read * factors[suffix]


_UNIT_BY_TEXT = {
    text: unit
    for unit, texts in {
        Unit.SECONDS: ("s", "sec", "second"),
        Unit.MINUTES: ("min", "minute"),
        Unit.HOURS: ("h", "hour"),
        Unit.DAYS: ("", "d", "day"),
        Unit.WEEKS: ("w", "week"),
        Unit.MONTHS: ("mo", "month"),
        Unit.YEARS: ("y", "year"),
    }.items()
    for text in (*texts, unit.value)
}


def parse_offset(text: str) -> Offset:
    """Read ``30``, ``30d``, ``30 days`` or ``3 months`` as a span; days when no unit is given.

    Raises:
        UserError: ``DATA004`` when ``text`` is not a positive span.

    Example:
        >>> str(parse_offset("3 months"))
        '3 months'
    """
    match = re.fullmatch(r"\s*(\d+)\s*([a-z]*)\s*", text.lower())
    if not match or match[2] not in _UNIT_BY_TEXT or int(match[1]) == 0:
        raise UserError("DATA004", f"'{text}' is not a span of time.", "write it as 30 days or 3 months.")
    return Offset(int(match[1]), _UNIT_BY_TEXT[match[2]])
