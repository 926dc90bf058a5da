"""Options of planning."""

from __future__ import annotations

from dataclasses import dataclass

from weft.core import UserError


@dataclass(frozen=True)
class FeatureOptions:
    """How far and how wide features are looked for.

    Attributes:
        max_hops: Links walked parent to child (1 or 2).
        max_features: Features kept after selection.
        max_columns: Columns read per table.
        max_paths: Paths of rows.
        lasts: Numbers of last rows that are aggregated.
        window_factors: Windows as multiples of the task's horizon.
        top_values: Values of a categorical column whose share is taken.
        max_distinct: Text columns with more distinct values are not read as categories.
        past_labels: Use past labels from the label table; ``None`` only where the target cannot be
            computed over past windows from the tables themselves, which needs no label table later on.
        num_compared: Features that are also compared with all entities: rank, ratio to the mean.
        sample_rows: Training rows on which features are selected.
    """

    max_hops: int = 2
    max_features: int = 100
    max_columns: int = 40
    max_paths: int = 24
    lasts: tuple[int, ...] = (3, 5, 10, 30)
    window_factors: tuple[float, ...] = (1.0, 3.0, 12.0)
    top_values: int = 5
    max_distinct: int = 200
    past_labels: bool | None = None
    num_compared: int = 3
    sample_rows: int = 8_000

    def __post_init__(self) -> None:
        if self.max_hops not in (1, 2) or min(self.max_features, self.max_columns, self.max_paths) < 1:
            raise UserError(
                "DATA096",
                f"max_hops {self.max_hops}, max_features {self.max_features}, max_columns "
                f"{self.max_columns} and max_paths {self.max_paths} leave nothing to compute.",
                "give max_hops 1 or 2 and positive numbers.",
            )
