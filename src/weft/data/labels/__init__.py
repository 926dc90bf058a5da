"""Training tables: anchors, splits and labels of a query, made without looking past an anchor."""

from weft.data.labels.labels import Labels, build_labels
from weft.data.labels.layout import Layout, plan_layout

__all__ = [
    "Labels",
    "Layout",
    "build_labels",
    "plan_layout",
]
