"""What the anchor itself tells: its place in the calendar and how old the visible history is."""

from __future__ import annotations

import numpy as np

from weft.core import MICROSECONDS_PER_DAY, Offset
from weft.data.features.recipe import Recipe
from weft.data.features.seeds import Seeds
from weft.data.features.segments import Floats

WORDS = {
    "month": "month of the anchor",
    "day_of_week": "day of the week of the anchor, Monday is 0",
    "day_of_month": "day of the month of the anchor",
    "day_of_year": "day of the year of the anchor",
    "hour": "hour of the anchor",
    "staleness": "days from the cutoff to the anchor",
    "frame": "number of the frame",
}


def calendar_value(seeds: Seeds, recipe: Recipe, horizon: Offset | None) -> Floats:
    """Compute one calendar feature; for forecasting, of the frame's start."""
    at = seeds.anchors
    if seeds.frames is not None and horizon is not None:
        at = at + seeds.frames * horizon.nominal_us
    moments = at.view("datetime64[us]")
    days, months = moments.astype("datetime64[D]"), moments.astype("datetime64[M]")
    match recipe.aggregate:
        case "month":
            found = months.astype(np.int64) % 12 + 1
        case "day_of_week":
            found = (days.astype(np.int64) + 3) % 7
        case "day_of_month":
            found = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
        case "day_of_year":
            found = (days - moments.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) + 1
        case "hour":
            found = at % MICROSECONDS_PER_DAY // 3_600_000_000
        case "frame":
            found = np.zeros_like(at) if seeds.frames is None else seeds.frames
        case _:
            return (seeds.anchors - seeds.cutoffs) / MICROSECONDS_PER_DAY
    return np.asarray(found, np.float64)
