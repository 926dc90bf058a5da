"""Time-correct relational aggregates: the columns that the ladder's tabular models read."""

from weft.data.features.aggregates import RowHistory, UserAggregate
from weft.data.features.compute import compute_features
from weft.data.features.options import FeatureOptions
from weft.data.features.plan import own_target, plan_features
from weft.data.features.stale import stale_cutoffs

__all__ = [
    "FeatureOptions",
    "RowHistory",
    "UserAggregate",
    "compute_features",
    "own_target",
    "plan_features",
    "stale_cutoffs",
]
