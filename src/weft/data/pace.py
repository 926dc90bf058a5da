"""How fast things happen: the usual gap between two rows of one parent, per link."""

from __future__ import annotations

from dataclasses import dataclass

from weft.core import TIME, Link
from weft.data.tables import Tables


@dataclass(frozen=True)
class Pace:
    """How a parent's rows lie in time.

    Attributes:
        link: From the rows to their parents.
        parents: Parents with at least one row.
        rows: Rows with a time and a parent.
        gap_us: Median over parents of the mean gap between two rows; ``None`` when none has two.
        life_us: Median over parents of the time from first to last row.
        span_us: From the first row of all to the last.
    """

    link: Link
    parents: int
    rows: int
    gap_us: float | None
    life_us: float
    span_us: float


def measure_pace(tables: Tables, link: Link) -> Pace | None:
    """Measure the pace of a link; ``None`` when its table has no row with a time and a parent."""
    child = tables.table(link.table)
    keys = [child[c] for c in link.columns]
    seen = child.filter(child[TIME].notnull(), *(k.notnull() for k in keys))
    microseconds = seen[TIME].epoch_seconds().cast("float64") * 1e6
    parents = (
        seen.mutate(us=microseconds)
        .group_by([*link.columns])
        .agg(n=lambda t: t.count(), first=lambda t: t.us.min(), last=lambda t: t.us.max())
    )
    life = parents["last"] - parents["first"]
    gap = (parents.n > 1).ifelse(life / (parents.n - 1).nullif(0), None)
    summary = tables.fetch(
        parents.agg(
            parents=parents.count(),
            rows=parents.n.sum(),
            gap=gap.quantile(0.5),
            life=life.quantile(0.5),
            span=parents["last"].max() - parents["first"].min(),
        )
    ).to_pylist()[0]
    if not summary["parents"]:
        return None
    return Pace(
        link,
        int(summary["parents"]),
        int(summary["rows"]),
        summary["gap"],
        float(summary["life"]),
        float(summary["span"]),
    )
