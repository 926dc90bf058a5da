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
    told = np.empty((*ages_us.shape, AGE_WIDTH), np.float32)
    # Single precision is exact to minutes here, and faster where a result is written side by side.
    short = days.astype(np.float32)
    told[..., 1] = np.log1p(short) / 4
    for place, scale in enumerate(_SCALES, 2):
        told[..., place] = np.exp(short * np.float32(-1 / scale))
    _tell_turn(days / _YEAR_DAYS, told[..., -2:])
    if missing.any():
        told[missing] = 0
    told[..., 0] = missing
    return told


def _tell_turn(turns: Array, out: Array) -> None:
    """Write turns as points on a circle."""
    angle = (turns % 1.0).astype(np.float32) * np.float32(2 * np.pi)
    out[..., 0] = np.sin(angle)
    out[..., 1] = np.cos(angle)


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
    told = np.empty((*missing.shape, INSTANT_WIDTH), np.float32)
    told[..., :AGE_WIDTH] = encode_ages(
        np.where(missing, NO_TIME, anchors_us - np.where(missing, 0, instants_us))
    )
    days = np.where(missing, 0, instants_us) / MICROSECONDS_PER_DAY
    for number, turns in enumerate((days, (days + 3) / 7, days / _YEAR_DAYS)):
        place = AGE_WIDTH + 2 * number
        _tell_turn(turns, told[..., place : place + 2])
    told[missing, AGE_WIDTH:] = 0
    return told
