"""Recommendations: the first items of each entity, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from weft.core import InvariantError, Task
from weft.learn.candidate import Predictor
from weft.learn.output import DEFAULT_LENGTH, lay_lists_out, rank_candidates
from weft.learn.view import Asked, GraphView, Pairs


@dataclass(frozen=True)
class Wanted:
    """Which items are recommended.

    Attributes:
        top: Items per entity; as many as the query ranks when left out.
        keep_seen: Whether an item that the entity chose before may be named.
        all_items: Whether all items are searched that existed, not the collected candidates alone; only
            networks that rank items can.
    """

    top: int | None = None
    keep_seen: bool = True
    all_items: bool = False


@dataclass(frozen=True)
class Block:
    """Successive entities.

    Attributes:
        seeds: ``entity, anchor_time, cutoff``.
        candidates: ``seed`` (row of ``seeds``), ``item``, features.
        seen: ``seed`` and ``item`` of what each chose before; ``None`` where it may be named again.
    """

    seeds: pa.Table
    candidates: pa.Table
    seen: pa.Table | None = None


def recommend_blocks(
    predictor: Predictor,
    task: Task,
    blocks: Iterable[Block],
    graph: GraphView | None,
    wanted: Wanted,
    *,
    threads: int = 1,
) -> Iterator[pa.Table]:
    """Yield ``entity, anchor_time, item, score, rank`` for each block, by entity and rank.

    Memory is that of one block; for a search of all items also one vector for each.

    Args:
        predictor: The fitted model.
        task: A link prediction.
        blocks: The entities.
        graph: The graph, for models that read one.
        wanted: Which items.
        threads: For the search.
    """
    search = _Search(predictor, task, graph, wanted, threads) if wanted.all_items else None
    for block in blocks:
        if search is not None:
            yield search.lists(block)
            continue
        candidates = block.candidates if block.seen is None else _without(block.candidates, block.seen)
        yield rank_candidates(predictor, task, block.seeds, candidates, graph, wanted.top)


class _Search:
    """Ranks all items with a network."""

    def __init__(
        self, predictor: Predictor, task: Task, graph: GraphView | None, wanted: Wanted, threads: int
    ) -> None:
        self.task, self.graph, self.encoder = task, graph, predictor.model.header.encoder
        recommender: Any = getattr(predictor.model, "recommender", None)
        if recommender is None or graph is None:
            raise InvariantError(
                "LEARN063",
                f"the model '{predictor.candidate.model}' cannot search all items.",
                "name a network that ranks items.",
            )
        self.recommender = recommender(graph, wanted.top or task.top_k or DEFAULT_LENGTH, threads=threads)

    def lists(self, block: Block) -> pa.Table:
        """Rank all items for a block."""
        candidates = block.candidates
        pairs = Pairs(candidates["seed"].to_numpy(), candidates["item"])
        asked = Asked(block.seeds, self.encoder.matrix(candidates, block.seeds), self.graph, pairs)
        found = self.recommender.table(asked, block.seen)
        return lay_lists_out(
            self.task, block.seeds, found["seed"], found["item"], found["score"].to_numpy(), found["rank"]
        )


def _without(candidates: pa.Table, seen: pa.Table) -> pa.Table:
    """Leave out candidates that were seen; the others stay in order."""
    keyed = candidates.select(["seed", "item"]).append_column("row", pa.array(range(candidates.num_rows)))
    left = keyed.join(seen, ["seed", "item"], join_type="left anti")
    return candidates.take(left.sort_by("row")["row"])
