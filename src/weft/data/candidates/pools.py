"""Where candidates come from: the past of the entity, what is popular, what goes together.

Every pool is an Ibis table ``(seed, item)`` with scores, computed from events up to the seed's cutoff only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from weft.data.candidates.options import CandidateOptions


@dataclass(frozen=True)
class Past:
    """Events that candidates are made of, and when they may be seen.

    Attributes:
        events: ``entity, item, time``.
        seeds: ``seed, entity, cutoff``.
        cutoffs: ``cutoff``, distinct.
        window_s: Length of one target window in seconds.
    """

    events: Any
    seeds: Any
    cutoffs: Any
    window_s: int


def age_s(cutoff: Any, time: Any) -> Any:
    """Seconds from ``time`` to ``cutoff`` as an integer expression."""
    return cutoff.epoch_seconds().cast("int64") - time.epoch_seconds().cast("int64")


def item_popularity(past: Past) -> Any:
    """Count per cutoff and item over 1, 4 and 13 windows and all time, with the rank by the newest.

    Returns:
        ``cutoff, item, pop_1, pop_4, pop_13, pop_all, first_s, last_s, buyers, pop_rank``; ages in seconds.
    """
    import ibis

    events, cutoffs = past.events, past.cutoffs
    seen = events.inner_join(cutoffs, events.time <= cutoffs.cutoff)
    age = age_s(seen.cutoff, seen.time)
    counts = seen.group_by("cutoff", "item").agg(
        pop_1=seen.count(where=age < past.window_s),
        pop_4=seen.count(where=age < 4 * past.window_s),
        pop_13=seen.count(where=age < 13 * past.window_s),
        pop_all=seen.count(),
        buyers=seen.entity.nunique(),
        first_s=age.max(),
        last_s=age.min(),
    )
    order = [ibis.desc(counts[c]) for c in ("pop_1", "pop_4", "pop_all")] + [counts.item]
    rank = ibis.row_number().over(group_by=counts.cutoff, order_by=order)
    return counts.mutate(pop_rank=rank)


def own_past(past: Past) -> Any:
    """Count per seed and item what the entity itself did.

    Returns:
        ``seed, item, own_1, own_4, own_all, own_last_s, own_first_s, own_rank``; rank by newest.
    """
    import ibis

    events, seeds = past.events, past.seeds
    seen = events.inner_join(seeds, [events.entity == seeds.entity, events.time <= seeds.cutoff])
    age = age_s(seen.cutoff, seen.time)
    own = seen.group_by("seed", "item").agg(
        own_1=seen.count(where=age < past.window_s),
        own_4=seen.count(where=age < 4 * past.window_s),
        own_all=seen.count(),
        own_last_s=age.min(),
        own_first_s=age.max(),
    )
    order = [own.own_last_s, ibis.desc(own.own_all), own.item]
    return own.mutate(own_rank=ibis.row_number().over(group_by=own.seed, order_by=order))


def cooccurrence(past: Past, own: Any, options: CandidateOptions, sample: float) -> Any:
    """Score items by how often entities that chose the seed's recent items chose them too.

    The score of item j for a seed is the sum over its recent items i of ``c_ij / sqrt(n_i * n_j)``, c and n
    counted over the recent items of a sample of entities (item-based collaborative filtering; Sarwar,
    Karypis, Konstan and Riedl, 2001, with cosine similarity).

    Args:
        past: Events and seeds.
        own: From `own_past`.
        options: Numbers of items.
        sample: Share of the entities that are counted, between 0 and 1.

    Returns:
        ``seed, item, cooccurrence, cooccurrence_rank``.
    """
    import ibis

    near = _neighbors(_recent_items(past, options, sample), options)
    chosen = own.filter(own.own_rank < options.num_history).select("seed", "item")
    chosen = chosen.inner_join(past.seeds.select("seed", "cutoff"), "seed")
    reached = chosen.inner_join(near, [chosen.cutoff == near.cutoff, chosen.item == near.i])
    scores = reached.group_by("seed", item=reached.j).agg(cooccurrence=reached.similarity.sum())
    order = [ibis.desc(scores.cooccurrence), scores.item]
    return scores.mutate(cooccurrence_rank=ibis.row_number().over(group_by=scores.seed, order_by=order))


def _neighbors(recent: Any, options: CandidateOptions) -> Any:
    """Return ``cutoff, i, j, similarity`` for the items most similar to each item."""
    import ibis

    left, right = recent, recent.view()
    pairs = left.inner_join(
        right,
        [left.cutoff == right.cutoff, left.entity == right.entity, left.item != right.item],
        rname="{name}_j",
    )
    pairs = pairs.group_by("cutoff", i=pairs.item, j=pairs.item_j).agg(both=pairs.count())
    sizes = recent.group_by("cutoff", "item").agg(size=recent.count())
    size_i = sizes.rename(i="item", size_i="size")
    size_j = sizes.view().rename(j="item", size_j="size")
    scored = pairs.inner_join(size_i, ["cutoff", "i"]).inner_join(size_j, ["cutoff", "j"])
    scored = scored.mutate(similarity=scored.both / (scored.size_i * scored.size_j).cast("float64").sqrt())
    best = ibis.row_number().over(
        group_by=[scored.cutoff, scored.i], order_by=[ibis.desc(scored.similarity), scored.j]
    )
    scored = scored.mutate(place=best)
    return scored.filter(scored.place < options.num_neighbors).select("cutoff", "i", "j", "similarity")


def _recent_items(past: Past, options: CandidateOptions, sample: float) -> Any:
    import ibis

    events, cutoffs = past.events, past.cutoffs
    if sample < 1:
        kept = events.entity.cast("string").hash().abs() % 1_000_000
        events = events.filter(kept < int(sample * 1_000_000))
    seen = events.inner_join(cutoffs, events.time <= cutoffs.cutoff)
    seen = seen.filter(age_s(seen.cutoff, seen.time) < 13 * past.window_s)
    latest = seen.group_by("cutoff", "entity", "item").agg(last=seen.time.max())
    order = [ibis.desc(latest["last"]), latest.item]
    place = ibis.row_number().over(group_by=[latest.cutoff, latest.entity], order_by=order)
    latest = latest.mutate(place=place)
    return latest.filter(latest.place < options.num_history).select("cutoff", "entity", "item")


def segment_popularity(past: Past, segments: Any, options: CandidateOptions) -> Any:
    """Rank items among the entities that share a categorical value with the seed.

    Args:
        past: Events and seeds.
        segments: ``entity, segment``.
        options: Numbers of items.

    Returns:
        ``seed, item, segment_count``.
    """
    import ibis

    events = past.events.inner_join(segments, "entity")
    seen = events.inner_join(past.cutoffs, events.time <= past.cutoffs.cutoff)
    seen = seen.filter(age_s(seen.cutoff, seen.time) < 4 * past.window_s)
    counts = seen.group_by("cutoff", "segment", "item").agg(segment_count=seen.count())
    order = [ibis.desc(counts.segment_count), counts.item]
    place = ibis.row_number().over(group_by=[counts.cutoff, counts.segment], order_by=order)
    counts = counts.mutate(place=place)
    counts = counts.filter(counts.place < options.num_segment).drop("place")
    seeds = past.seeds.inner_join(segments, "entity")
    return seeds.inner_join(counts, ["cutoff", "segment"]).select("seed", "item", "segment_count")
