"""Looks at columns before anything is computed from them."""

from __future__ import annotations

import datetime as dt

from weft.data.features.options import FeatureOptions
from weft.data.tables import TIME, Tables


def top_values(
    tables: Tables, table: str, column: str, until_us: int | None, options: FeatureOptions
) -> list[str] | None:
    """Return the most frequent values of a column, or ``None`` if it has too many to be a category."""
    data = tables.table(table)
    if until_us is not None:
        instant = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=until_us)
        data = data.filter(data[TIME].isnull() | (data[TIME] <= instant))
    value = data[column].cast("string")
    counted = data.select(value=value).filter(value.notnull()).group_by("value").agg(n=lambda t: t.count())
    counted = counted.order_by([counted["n"].desc(), "value"]).limit(options.max_distinct + 1)
    found = tables.fetch(counted)["value"].to_pylist()
    return None if len(found) > options.max_distinct else found[: options.top_values]
