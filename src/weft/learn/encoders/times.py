"""The encoder of timestamps: parts of the calendar, and the instant for its age at the anchor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from weft.core import MICROSECONDS_PER_DAY
from weft.learn.encoders.column import NO_TIME, Array, Encoded

_YEAR_DAYS = 365.2425
# Age in days at which a decaying share is down to 1/e.
_SCALES = (1.0, 7.0, 30.0, 180.0, 1000.0)
AGE_WIDTH = 3 + len(_SCALES) + 2


@dataclass(frozen=True)
class Timestamps:
    """Time of day, day of week and day of year as points on circles; the instant itself is told as an age.

    Attributes:
        has_time_of_day: Whether train has any time but midnight.
        is_relative: Whether the age at the anchor is told.
    """

    has_time_of_day: bool
    is_relative: bool = True

    @property
    def width(self) -> int:
        """Circles, and the mark of a missing one."""
        return 5 + 2 * self.has_time_of_day

    @property
    def sizes(self) -> tuple[int, ...]:
        """There are no codes."""
        return ()

    @property
    def num_instants(self) -> int:
        """The instant."""
        return int(self.is_relative)

    @classmethod
    def fit(cls, values: Array) -> Timestamps:
        """See whether there are times of day."""
        known = values[values != NO_TIME]
        return cls(bool((known % MICROSECONDS_PER_DAY != 0).any()))

    def bind(self, dictionary: pa.Array | None) -> Timestamps:
        """Timestamps have no dictionary."""
        return self

    def encode(self, values: Array) -> Encoded:
        """Place the instants on the circles."""
        missing = values == NO_TIME
        days = np.where(missing, 0, values) / MICROSECONDS_PER_DAY
        turns = [(days + 3) / 7, days / _YEAR_DAYS]
        turns += [days] if self.has_time_of_day else []
        circles = [f(2 * np.pi * (t % 1.0)) for t in turns for f in (np.sin, np.cos)]
        dense = np.stack([np.where(missing, 0.0, c) for c in circles] + [missing], axis=1)
        instants = values[:, None] if self.is_relative else None
        return Encoded.of(len(values), dense=dense.astype(np.float32), instants=instants)


def encode_ages(ages_us: Array) -> Array:
    """Tell ages on several scales at once.

    Args:
        ages_us: Anchor minus instant, microseconds, any shape; the least integer where there is no instant.
            Negative ages are instants after the anchor, as of a known date to come.

    Returns:
        float32, a last axis of `AGE_WIDTH` added: missing, after the anchor, logarithm, a decaying share per
        scale, and where in the year the age ends.
    """
    missing = ages_us == NO_TIME
    days = np.where(missing, 0, ages_us) / MICROSECONDS_PER_DAY
    size = np.abs(days)
    parts = [missing * 1.0, (days < 0) * 1.0, np.sign(days) * np.log1p(size) / 4]
    parts += [np.exp(-size / scale) for scale in _SCALES]
    parts += [np.sin(2 * np.pi * days / _YEAR_DAYS), np.cos(2 * np.pi * days / _YEAR_DAYS)]
    parts[1:] = [np.where(missing, 0.0, p) for p in parts[1:]]
    return np.stack(parts, axis=-1).astype(np.float32)
