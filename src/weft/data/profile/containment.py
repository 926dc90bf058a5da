"""Do the values of one column lie in another? Types reconciled, counted over all rows or tried on a few."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

from weft.core import Dtype, Link, format_time
from weft.data.profile.model import QUANTILE_RANKS, LinkStatistics
from weft.data.profile.raw import Kind, RawTables
from weft.data.profile.reading import micros
from weft.data.profile.statistics import ColumnFacts

Facts = dict[str, dict[str, ColumnFacts]]
_NUM_TRIED = 500
_NUM_EXAMPLES = 3


class Common(enum.StrEnum):
    """The type in which two key columns are compared."""

    INT = "int64"
    TEXT = "string"
    TIME = "timestamp[us]"

    @property
    def dtype(self) -> Dtype:
        """The storage that both columns get."""
        return Dtype(self.value)


def common_types(child: ColumnFacts, parent: ColumnFacts) -> tuple[Common, ...]:
    """Return the types in which two columns can be compared, the better one first; empty for none."""
    if child.is_time or parent.is_time:
        return (Common.TIME,) if child.is_time and parent.is_time else ()
    if not (_is_storable(child) and _is_storable(parent)):
        return ()
    texts = [f for f in (child, parent) if f.is_text]
    numeric = all(f.reading.number_text in ("int", "digits") for f in texts)
    if len(texts) == 2:
        return (Common.TEXT, Common.INT) if numeric else (Common.TEXT,)
    if not texts:
        return (Common.INT,)
    return (Common.INT,) if numeric else ()


def _is_storable(facts: ColumnFacts) -> bool:
    if facts.reading.kind is Kind.FLOAT:
        return facts.is_whole
    return facts.reading.kind in (Kind.INT, Kind.TEXT)


def key_expression(source: Any, facts: ColumnFacts, common: Common) -> Any:
    """Return a key column as an expression of the type in which it is compared."""
    column = source[facts.name]
    if common is Common.TIME:
        return micros(column, facts.reading)
    if common is Common.TEXT:
        return column.cast("string")
    return column.strip().try_cast("int64") if facts.is_text else column.cast("int64")


def measure_link(raw: RawTables, facts: Facts, link: Link, commons: Sequence[Common]) -> LinkStatistics:
    """Count over all rows how the keys of ``link`` match and how many children parents have."""
    import ibis

    children, parents = _sides(raw, facts, link, commons)
    keys = [f"k{i}" for i in range(len(commons))]
    counted = (
        children.filter([children[k].notnull() for k in keys]).group_by(keys).aggregate(n=ibis._.count())
    )
    known = parents.distinct().mutate(hit=ibis.literal(1))
    joined = counted.left_join(known, keys).select("n", "hit")
    hit = joined.hit.notnull()
    ranks = list(QUANTILE_RANKS)
    total = raw.fetch(
        joined.aggregate(
            keyed=joined.n.sum(),
            distinct=joined.count(),
            matched_rows=joined.n.sum(where=hit),
            matched=joined.hit.count(),
            degree_max=joined.n.max(where=hit),
            degrees=joined.n.quantile(ranks, where=hit),
        )
    ).to_pylist()[0]
    rows, matched = raw.num_rows(link.table), int(total["matched"] or 0)
    matched_rows = int(total["matched_rows"] or 0)
    return LinkStatistics(
        link,
        rows=rows,
        null_rows=rows - int(total["keyed"] or 0),
        matched_rows=matched_rows,
        distinct_keys=int(total["distinct"]),
        matched_keys=matched,
        parents=raw.num_rows(link.parent),
        degree_mean=matched_rows / matched if matched else 0.0,
        degree_max=int(total["degree_max"] or 0),
        degree_quantiles=tuple(float(d) for d in total["degrees"] or ()) if matched else (),
    )


def dangling_examples(raw: RawTables, facts: Facts, link: Link, commons: Sequence[Common]) -> tuple[str, ...]:
    """Return a few keys of the child that no parent has, the smallest first."""
    children, parents = _sides(raw, facts, link, commons)
    keys = [f"k{i}" for i in range(len(commons))]
    keyed = children.filter([children[k].notnull() for k in keys]).distinct()
    lost = keyed.anti_join(parents, keys).order_by(keys).limit(_NUM_EXAMPLES)
    return tuple(
        ", ".join(
            format_time(v) if common is Common.TIME else str(v)
            for v, common in zip(row.values(), commons, strict=True)
        )
        for row in raw.fetch(lost).to_pylist()
    )


def tried_containment(
    raw: RawTables, facts: Facts, child: tuple[str, str], parent: tuple[str, str]
) -> tuple[float, int]:
    """Return the share of a few hundred sampled child values that the parent has, and their number."""
    left, right = facts[child[0]][child[1]], facts[parent[0]][parent[1]]
    best = (0.0, 0)
    for common in common_types(left, right):
        source = raw.table(child[0], [child[1]])
        sample = (
            raw.sample(child[0], source, {"k": key_expression(source, left, common)})
            .column("k")
            .drop_null()
            .unique()
        )
        step = max(1, len(sample) // _NUM_TRIED)
        values = sample.to_pylist()[::step][:_NUM_TRIED]
        if not values:
            continue
        target = raw.table(parent[0], [parent[1]])
        known = key_expression(target, right, common)
        found = target.filter(known.isin(values)).select(k=known).distinct().count()
        share = int(raw.fetch(found).column(0)[0].as_py()) / len(values)
        best = max(best, (share, len(values)))
    return best


def exact_distinct(raw: RawTables, table: str, columns: Sequence[str]) -> int:
    """Return the number of distinct tuples; by grouping, which spills where memory is short."""
    return int(raw.fetch(raw.table(table, columns).select(*columns).distinct().count()).column(0)[0].as_py())


def _sides(raw: RawTables, facts: Facts, link: Link, commons: Sequence[Common]) -> tuple[Any, Any]:
    def side(table: str, columns: Sequence[str]) -> Any:
        source = raw.table(table, columns)
        chosen = {
            f"k{i}": key_expression(source, facts[table][c], common)
            for i, (c, common) in enumerate(zip(columns, commons, strict=True))
        }
        return source.select(**chosen)

    return side(link.table, link.columns), side(link.parent, link.parent_columns)
