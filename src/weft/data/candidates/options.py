"""How many candidates a seed gets, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass

from weft.core import UserError


@dataclass(frozen=True)
class CandidateOptions:
    """Limits of the candidate generation.

    Attributes:
        num_popular: Items that most entities chose lately, for every seed.
        num_repeat: Items of the seed's own past, newest first.
        num_cooccurring: Items that others chose who chose the same things.
        num_segment: Items popular among entities with the same value of a categorical column.
        num_history: Newest distinct items of an entity that co-occurrence looks at.
        num_neighbors: Neighbors kept per item.
        max_pairs: Bound on item pairs counted; entities are sampled to stay within it.
        max_train_seeds: Train seeds that get candidates, newest anchors first.
    """

    num_popular: int = 100
    num_repeat: int = 60
    num_cooccurring: int = 60
    num_segment: int = 30
    num_history: int = 20
    num_neighbors: int = 20
    max_pairs: int = 20_000_000
    max_train_seeds: int = 20_000

    def __post_init__(self) -> None:
        counts = (self.num_popular, self.num_repeat, self.num_cooccurring)
        if min(counts) < 0 or sum(counts) == 0:
            raise UserError(
                "DATA121",
                f"the numbers of candidates are {counts}.",
                "give non-negative numbers of which at least one is positive.",
            )
