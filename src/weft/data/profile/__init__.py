"""Profile a snapshot: statistics, inference with evidence, and findings about the data."""

from weft.data.profile.model import (
    QUANTILE_RANKS,
    ColumnStatistics,
    Histogram,
    LinkStatistics,
    Profile,
    TableStatistics,
    ValueCount,
)
from weft.data.profile.overrides import (
    ColumnOverride,
    LinkOverride,
    Overrides,
    TableOverride,
    parse_overrides,
)
from weft.data.profile.profile import profile_snapshot

__all__ = [
    "QUANTILE_RANKS",
    "ColumnOverride",
    "ColumnStatistics",
    "Histogram",
    "LinkOverride",
    "LinkStatistics",
    "Overrides",
    "Profile",
    "TableOverride",
    "TableStatistics",
    "ValueCount",
    "parse_overrides",
    "profile_snapshot",
]
