"""Features: the columns that a model reads, each with where it came from."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class FeatureKind(enum.StrEnum):
    """How a model reads the values of a feature."""

    NUMERICAL = "numerical"
    CATEGORICAL = "categorical"


@dataclass(frozen=True)
class Feature:
    """One column of a feature table.

    Attributes:
        name: Column name, unique in the table, ASCII letters, digits, ``_`` and ``.`` only.
        kind: Numerical (float64) or categorical (string).
        table: Source table.
        columns: Source columns as ``table.column``; empty for counts and times of rows.
        links: Names of the links walked from the entity, in order; empty for its own columns.
        aggregate: ``value``, ``count``, ``mean``, ``recency``, ``past_label.mean`` …
        window_us: Length of the window that ends at the anchor; ``None`` is all history.
        words: What the feature is, in words a reader of the report understands.
        recipe: How the data engine computes it; other rooms carry it along unread.
    """

    name: str
    kind: FeatureKind
    table: str
    columns: tuple[str, ...]
    links: tuple[str, ...]
    aggregate: str
    window_us: int | None
    words: str
    recipe: str = ""
