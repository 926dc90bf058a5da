"""Candidates for link prediction: the items that a seed may choose next, with features.

A ranker cannot score every item for every entity, and need not: what comes next is nearly always
something the entity chose before, something popular, something that goes with its recent choices, or
something its kind likes. Each of these is a pool; their union is scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weft.core import Feature, FeatureKind, Stype, UserError
from weft.data.candidates.events import item_events, target_aggregate
from weft.data.candidates.options import CandidateOptions
from weft.data.candidates.pools import (
    Past,
    age_s,
    cooccurrence,
    item_popularity,
    own_past,
    segment_popularity,
)
from weft.data.tables import Tables
from weft.pql.query import Query

_MAX_AFFINITIES = 5
_SCORES = {
    "score.popularity": "how often the item was chosen by anyone lately",
    "score.repeat": "how often and how lately the entity itself chose the item",
    "score.cooccurrence": "how often the item was chosen along with the entity's recent items",
}
_WORDS = {
    "pop_1": "choices of the item by anyone in one window before the anchor",
    "pop_4": "choices of the item by anyone in four windows",
    "pop_13": "choices of the item by anyone in thirteen windows",
    "pop_all": "choices of the item by anyone, ever",
    "buyers": "entities that ever chose the item",
    "pop_rank": "rank of the item by recent popularity",
    "pop_trend": "share of the item's choices in four windows that fall into the newest",
    "pop_again": "choices of the item per entity that chose it",
    "item_age_s": "seconds since the item was first chosen",
    "item_last_s": "seconds since the item was last chosen",
    "own_1": "choices of the item by the entity in one window",
    "own_4": "choices of the item by the entity in four windows",
    "own_all": "choices of the item by the entity, ever",
    "own_last_s": "seconds since the entity last chose the item",
    "own_rhythm": "time since the entity's last choice of the item over its usual gap",
    "own_share": "share of the entity's choices that are the item",
    "activity_1": "choices of the entity in one window",
    "activity_all": "choices of the entity, ever",
    "activity_items": "different items the entity chose",
    "activity_last_s": "seconds since the entity's last choice",
    "cooccurrence": "how often the item was chosen along with the entity's recent items",
    "segment_count": "choices of the item among entities of the same kind",
}


@dataclass(frozen=True)
class Candidates:
    """Candidate rows and what their columns are.

    Attributes:
        table: ``seed`` (int64, row of the seeds), ``item``, then the columns of ``features``, and
            ``label`` when the truth was given. Sorted by seed and item.
        features: Score columns first (``score.popularity``, ``score.repeat``, ``score.cooccurrence``).
    """

    table: pa.Table
    features: tuple[Feature, ...]


def build_candidates(
    tables: Tables,
    query: Query,
    seeds: pa.Table,
    *,
    truth: pa.ChunkedArray | pa.Array | None = None,
    excluded: frozenset[tuple[str, str]] = frozenset(),
    options: CandidateOptions | None = None,
) -> Candidates:
    """Collect and describe the items that each seed may choose next.

    Args:
        tables: Prepared tables.
        query: A link prediction.
        seeds: ``entity, anchor_time, cutoff``; row i is seed i.
        truth: List of chosen items per seed; adds ``label``.
        excluded: ``(table, column)`` pairs that may not be used.
        options: Numbers of candidates.

    Raises:
        UserError: ``DATA122`` when no event lies before any seed.
    """
    options = options or CandidateOptions()
    past = _past(tables, query, seeds)
    known = _known(tables, query, past, excluded, options)
    pairs = _keep(tables.backend, "pairs", _pairs(past, known, options))
    described = _describe(past, pairs, known.own, known.popularity, known.both, known.segment)
    described, extra = _add_attributes(tables, query, past, described, excluded)
    features = (*_features(query, known.segment is not None), *extra)
    columns = ["seed", "item", *(f.name for f in features)]
    result = tables.fetch(described.select(*columns).order_by("seed", "item"))
    if truth is not None:
        result = _add_labels(result, truth)
    return Candidates(result, features)


def find_seen(tables: Tables, query: Query, seeds: pa.Table) -> pa.Table:
    """Return what each seed chose up to its cutoff: ``seed`` and ``item``, every pair once.

    Args:
        tables: Prepared tables.
        query: A link prediction.
        seeds: ``entity, anchor_time, cutoff``; row i is seed i.
    """
    own = own_past(_past(tables, query, seeds))
    return tables.fetch(own.select("seed", "item").order_by("seed", "item"))


@dataclass(frozen=True)
class _Known:
    """What is known of items and seeds before they meet."""

    own: Any
    popularity: Any
    both: Any
    segment: Any


def _known(
    tables: Tables,
    query: Query,
    past: Past,
    excluded: frozenset[tuple[str, str]],
    options: CandidateOptions,
) -> _Known:
    engine = tables.backend
    own = _keep(engine, "own", own_past(past))
    popularity = _keep(engine, "popularity", item_popularity(past))
    both = _keep(engine, "cooccurrence", cooccurrence(past, own, options, _sample(tables, past, options)))
    segments = _segments(tables, query, excluded) if options.num_segment else None
    segment = None
    if segments is not None:
        segment = _keep(engine, "segment", segment_popularity(past, segments, options))
    return _Known(own, popularity, both, segment)


def _pairs(past: Past, known: _Known, options: CandidateOptions) -> Any:
    import ibis

    pools = [
        known.own.filter(known.own.own_rank < options.num_repeat).select("seed", "item"),
        known.both.filter(known.both.cooccurrence_rank < options.num_cooccurring).select("seed", "item"),
        _popular(past, known.popularity, options),
    ]
    if known.segment is not None:
        pools.append(known.segment.select("seed", "item"))
    return ibis.union(*pools, distinct=True)


def _past(tables: Tables, query: Query, seeds: pa.Table) -> Past:
    engine = tables.backend
    numbered = pa.table(
        {
            "seed": pa.array(range(seeds.num_rows), pa.int64()),
            "entity": seeds["entity"],
            "cutoff": seeds["cutoff"],
        }
    )
    held = _keep_arrow(engine, "seeds", numbered)
    cutoffs = _keep(engine, "cutoffs", held.select("cutoff").distinct())
    newest = cutoffs.cutoff.max().as_scalar()
    events = item_events(tables, query)
    events = _keep(engine, "events", events.filter(events.time <= newest))
    if tables.fetch(events.limit(1)).num_rows == 0:
        raise UserError(
            "DATA122",
            f"no row of '{target_aggregate(query).table}' joins an entity to an item before any anchor.",
            "give more history, or later anchors.",
        )
    window = target_aggregate(query).window
    assert window is not None
    start_us = window.start.nominal_us if window.start else 0
    return Past(events, held, cutoffs, max(1, (window.end.nominal_us - start_us) // 1_000_000))


def _keep(engine: Any, name: str, expression: Any) -> Any:
    """Compute a table once; later expressions read it."""
    table = f"weft_candidates_{name}"
    engine.con.execute(f'CREATE OR REPLACE TABLE "{table}" AS {engine.compile(expression)}')
    return engine.table(table)


def _keep_arrow(engine: Any, name: str, table: pa.Table) -> Any:
    """Give the engine a copy of an Arrow table."""
    engine.con.register("weft_candidates_given", table)
    target = f"weft_candidates_{name}"
    engine.con.execute(f'CREATE OR REPLACE TABLE "{target}" AS FROM weft_candidates_given')
    engine.con.unregister("weft_candidates_given")
    return engine.table(target)


def _sample(tables: Tables, past: Past, options: CandidateOptions) -> float:
    entities = past.events.entity.nunique()
    counts = tables.fetch(past.cutoffs.agg(cutoffs=past.cutoffs.count(), entities=entities.as_scalar()))
    pairs = counts["cutoffs"][0].as_py() * counts["entities"][0].as_py() * options.num_history**2
    return min(1.0, float(options.max_pairs) / max(1, int(pairs)))


def _popular(past: Past, popularity: Any, options: CandidateOptions) -> Any:
    top = popularity.filter(popularity.pop_rank < options.num_popular).select("cutoff", "item")
    return past.seeds.inner_join(top, "cutoff").select("seed", "item")


def _segments(tables: Tables, query: Query, excluded: frozenset[tuple[str, str]]) -> Any:
    """The entity table's categorical column with the most even spread over 2 to 50 values."""
    entity = tables.schema.table(query.task.entity_table)
    frame = tables.table(entity.name)
    names = [
        c.name
        for c in entity.columns
        if c.stype is Stype.CATEGORICAL and (entity.name, c.name) not in excluded
    ]
    best, best_evenness = None, 0.0
    for name in names[:50]:
        counts = frame.filter(frame[name].notnull()).group_by(name).agg(n=lambda t: t.count())
        sizes = [row["n"] for row in tables.fetch(counts.select("n")).to_pylist()]
        evenness = 1 - sum(s * s for s in sizes) / max(1, sum(sizes)) ** 2 if sizes else 0.0
        if 2 <= len(sizes) <= 50 and evenness > best_evenness:
            best, best_evenness = name, evenness
    if best is None:
        return None
    chosen = frame.filter(frame[best].notnull())
    return chosen.select(entity=chosen[query.task.entity_column], segment=chosen[best].cast("string"))


def _describe(past: Past, pairs: Any, own: Any, popularity: Any, both: Any, segment: Any) -> Any:
    """Join what is known of every pair; absent means zero for counts, null for ages."""
    activity = own.group_by("seed").agg(
        activity_1=own.own_1.sum(),
        activity_all=own.own_all.sum(),
        activity_items=own.count(),
        activity_last_s=own.own_last_s.min(),
    )
    joined = pairs.inner_join(past.seeds.select("seed", "cutoff"), "seed")
    joined = joined.left_join(popularity, ["cutoff", "item"]).select(
        "seed", "item", "cutoff", *_columns(popularity, {"cutoff", "item"})
    )
    for other, keys in ((own, ["seed", "item"]), (both, ["seed", "item"]), (activity, ["seed"])):
        kept = joined.columns
        joined = joined.left_join(other, keys).select(*kept, *_columns(other, set(keys)))
    if segment is not None:
        kept = joined.columns
        joined = joined.left_join(segment, ["seed", "item"]).select(*kept, "segment_count")
    counts = ["pop_1", "pop_4", "pop_13", "pop_all", "buyers", "own_1", "own_4", "own_all", "activity_1"]
    counts += ["activity_all", "activity_items", "cooccurrence"] + (
        ["segment_count"] if segment is not None else []
    )
    joined = joined.mutate(**{c: joined[c].fill_null(0).cast("float64") for c in counts})
    return _derive(joined)


def _columns(table: Any, without: set[str]) -> list[str]:
    return [c for c in table.columns if c not in without]


def _derive(t: Any) -> Any:
    gap = (t.own_first_s - t.own_last_s) / (t.own_all - 1).nullif(0)
    days = t.own_last_s / 86_400.0
    popularity = t.pop_1 + t.pop_4 / 10 + t.pop_all / 1_000
    share = popularity / (1 + popularity)
    return t.mutate(
        {
            "item_age_s": t.first_s,
            "item_last_s": t.last_s,
            "pop_trend": t.pop_1 / t.pop_4.nullif(0),
            "pop_again": t.pop_all / t.buyers.nullif(0),
            "own_rhythm": t.own_last_s / gap.nullif(0),
            "own_share": t.own_all / t.activity_all.nullif(0),
            "score.popularity": popularity,
            "score.repeat": (t.own_all + 1 / (1 + days)).fill_null(0) + share / 1_000,
            "score.cooccurrence": t.cooccurrence + share / 1_000_000,
        }
    )


def _add_attributes(
    tables: Tables, query: Query, past: Past, described: Any, excluded: frozenset[tuple[str, str]]
) -> tuple[Any, list[Feature]]:
    """Add the item's own columns, and how much of the entity's past has the item's categories."""
    task = query.task
    if task.item_table is None or task.item_column is None:
        return described, []
    item_table = tables.schema.table(task.item_table)
    frame = tables.table(item_table.name)
    usable = [c for c in item_table.columns if (item_table.name, c.name) not in excluded]
    numbers = [c.name for c in usable if c.stype is Stype.NUMERICAL][:20]
    categories = [c.name for c in usable if c.stype is Stype.CATEGORICAL][:20]
    names = {n: f"item.{i}" for i, n in enumerate([*numbers, *categories])}
    values = {names[n]: frame[n].cast("float64") for n in numbers}
    values |= {names[n]: frame[n].cast("string") for n in categories}
    items = _keep(tables.backend, "items", frame.select(item=frame[task.item_column], **values))
    kept = described.columns
    described = described.left_join(items, "item").select(*kept, *values)
    features = [_attribute(item_table.name, n, names[n], n in numbers) for n in (*numbers, *categories)]
    for column in categories[:_MAX_AFFINITIES]:
        described, feature = _add_affinity(
            tables, past, described, items, names[column], column, item_table.name
        )
        features.append(feature)
    return described, features


def _attribute(table: str, column: str, name: str, is_number: bool) -> Feature:
    kind = FeatureKind.NUMERICAL if is_number else FeatureKind.CATEGORICAL
    return Feature(name, kind, table, (column,), (), "value", None, f"{table}.{column} of the item")


def _add_affinity(
    tables: Tables, past: Past, described: Any, items: Any, name: str, column: str, table: str
) -> tuple[Any, Feature]:
    affinity = f"affinity.{name.partition('.')[2]}"
    events = past.events.inner_join(items.select("item", category=items[name]), "item")
    seen = events.inner_join(
        past.seeds, [events.entity == past.seeds.entity, events.time <= past.seeds.cutoff]
    )
    weight = (-age_s(seen.cutoff, seen.time) / (4.0 * past.window_s)).exp()
    counts = seen.mutate(weight=weight).group_by("seed", "category").agg(weight=lambda t: t.weight.sum())
    total = counts.weight.sum().over(group_by=counts.seed)
    counts = _keep(tables.backend, affinity.replace(".", "_"), counts.mutate(affinity=counts.weight / total))
    kept = described.columns
    right = counts.select("seed", "affinity", matched=counts.category)
    described = described.left_join(
        right, [described.seed == right.seed, described[name] == right.matched]
    ).select(*kept, **{affinity: lambda t: t.affinity.fill_null(0.0)})
    words = f"share of the entity's past in the item's {column}, newer counting more"
    return described, Feature(affinity, FeatureKind.NUMERICAL, table, (column,), (), "affinity", None, words)


def _features(query: Query, has_segment: bool) -> tuple[Feature, ...]:
    aggregate = target_aggregate(query)
    links = tuple(link.name for link in reversed(aggregate.path))
    words = _SCORES | {k: v for k, v in _WORDS.items() if k != "segment_count" or has_segment}
    return tuple(
        Feature(name, FeatureKind.NUMERICAL, aggregate.table, (), links, name, None, text)
        for name, text in words.items()
    )


def _add_labels(result: pa.Table, truth: pa.ChunkedArray | pa.Array) -> pa.Table:
    if isinstance(truth, pa.ChunkedArray):
        truth = truth.combine_chunks()
    chosen = pa.table(
        {"seed": pc.list_parent_indices(truth).cast(pa.int64()), "item": pc.list_flatten(truth)}
    )
    chosen = chosen.append_column("label", pa.array([True] * chosen.num_rows, pa.bool_()))
    keyed = result.append_column("position", pa.array(range(result.num_rows), pa.int64()))
    marks = keyed.select(["seed", "item", "position"]).join(chosen, ["seed", "item"]).sort_by("position")
    return result.append_column("label", pc.fill_null(marks["label"], False))
