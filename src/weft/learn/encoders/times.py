"""The encoder of timestamps: what is told of an instant depends on the anchor that asks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weft.core import MICROSECONDS_PER_DAY
from weft.learn.encoders.column import NO_TIME, Array, Encoded, Plain

_YEAR_DAYS = 365.2425
# Age in days at which a decaying share is down to 1/e.
_SCALES = (1.0, 7.0, 30.0, 180.0, 1000.0)
AGE_WIDTH = 2 + len(_SCALES) + 2
INSTANT_WIDTH = AGE_WIDTH + 6


@dataclass(frozen=True)
class Timestamps(Plain):
    """The instant itself; `encode_instants` tells it as of an anchor."""

    @property
    def num_instants(self) -> int:
        """The instant."""
        return 1

    def encode(self, values: Array) -> Encoded:
        """Hand the instants on."""
        return Encoded.of(len(values), instants=values[:, None])


def encode_ages(ages_us: Array) -> Array:
    """Tell ages on several scales at once.

    Args:
        ages_us: Anchor minus instant, microseconds, 0 or more, any shape; the least integer where there is no
            instant.

    Returns:
        float32, a last axis of `AGE_WIDTH` added: missing, logarithm, a decaying share per scale, and how far
        the age is from whole years.
    """
    missing = ages_us == NO_TIME
    days = np.where(missing, 0, ages_us) / MICROSECONDS_PER_DAY
    parts = [np.log1p(days) / 4, *(np.exp(-days / scale) for scale in _SCALES)]
    parts += [np.sin(2 * np.pi * days / _YEAR_DAYS), np.cos(2 * np.pi * days / _YEAR_DAYS)]
    known = [np.where(missing, 0.0, p) for p in parts]
    return np.stack([missing * 1.0, *known], axis=-1).astype(np.float32)


def encode_instants(instants_us: Array, anchors_us: Array) -> Array:
    """Tell instants as of an anchor: their ages, and time of day, of week and of year as points on circles.

    An instant after its anchor is missing: it may have been written into the row when it came.

    Args:
        instants_us: Microseconds UTC, any shape; the least integer where there is none.
        anchors_us: Of the same shape, or one that spreads to it.

    Returns:
        float32, a last axis of `INSTANT_WIDTH` added.
    """
    missing = (instants_us == NO_TIME) | (instants_us > anchors_us)
    ages = np.where(missing, NO_TIME, anchors_us - np.where(missing, 0, instants_us))
    days = np.where(missing, 0, instants_us) / MICROSECONDS_PER_DAY
    turns = [days, (days + 3) / 7, days / _YEAR_DAYS]
    circles = [f(2 * np.pi * (t % 1.0)) for t in turns for f in (np.sin, np.cos)]
    told = np.stack([np.where(missing, 0.0, c) for c in circles], axis=-1)
    return np.concatenate([encode_ages(ages), told.astype(np.float32)], axis=-1)
