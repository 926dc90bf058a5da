"""What a report says of cold start: scores for entities without history, apart from all others."""

from __future__ import annotations

from dataclasses import dataclass

from weft.report.score import Score


@dataclass(frozen=True)
class ColdSplit:
    """Rows and entities of a split, without history and others."""

    name: str
    rows_without: int
    entities_without: int
    rows_others: int
    entities_others: int


@dataclass(frozen=True)
class ColdScore:
    """A score, or why there is none."""

    score: Score | None
    note: str = ""


@dataclass(frozen=True)
class ColdRow:
    """One model: for each split its scores without history and for the others."""

    model: str
    cells: tuple[tuple[ColdScore, ColdScore], ...]


@dataclass(frozen=True)
class ColdStart:
    """Scores of every model, those of each row in the order of ``splits``."""

    splits: tuple[ColdSplit, ...]
    rows: tuple[ColdRow, ...]

    @property
    def is_met(self) -> bool:
        """Whether some row is about an entity without history."""
        return any(split.rows_without for split in self.splits)
