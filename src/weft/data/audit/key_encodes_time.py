"""Keys that grow with time: as numbers they would tell when a row came to be."""

from __future__ import annotations

from collections.abc import Iterator

from weft.core import TIME, Dtype, Finding, Severity
from weft.data.audit.context import AuditContext, as_floats, rank_correlation
from weft.data.profile.engine import epoch_us

RULE = "key_encodes_time"
_MIN_ROWS = 50
_MIN_RANK = 0.98


def find(context: AuditContext) -> Iterator[Finding]:
    """Rank every numeric key against the time of its row."""
    for table in context.schema.tables:
        if len(table.primary_key) != 1 or table.time_column is None:
            continue
        key = table.column(table.primary_key[0])
        if key.dtype is not Dtype.INT:
            continue
        source = context.sampled(table.name)
        sample = context.tables.fetch(
            source.select(key=source[key.name], at=epoch_us(source[TIME])).drop_null()
        )
        if sample.num_rows < _MIN_ROWS:
            continue
        rank = rank_correlation(as_floats(sample, "key"), as_floats(sample, "at"))
        if abs(rank) >= _MIN_RANK:
            yield Finding(
                RULE,
                Severity.NOTE,
                table.name,
                (key.name,),
                f"it {'grows' if rank > 0 else 'falls'} with '{table.time_column}' "
                f"(rank correlation {rank:.3f})",
                "keys are never used as numbers; do not change its meaning to numerical",
                abs(rank),
            )
