"""Training tables: anchors, splits and labels of a query, made without looking past an anchor."""

from weft.data.labels.choose import build_seeds, population
from weft.data.labels.finish import Labels, class_counts
from weft.data.labels.given import use_label_table
from weft.data.labels.labels import build_labels, compute_labels
from weft.data.labels.layout import Layout
from weft.data.labels.origins import Origin, plan_origins
from weft.data.labels.own_table import task_of_labels
from weft.data.labels.plan import explain_layout, plan_layout
from weft.data.labels.static import static_rows

__all__ = [
    "Labels",
    "Layout",
    "Origin",
    "build_labels",
    "build_seeds",
    "class_counts",
    "compute_labels",
    "explain_layout",
    "plan_layout",
    "plan_origins",
    "population",
    "static_rows",
    "task_of_labels",
    "use_label_table",
]
