"""Recipes: what the data engine needs to know to compute one feature, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Move:
    """A step from a row to one row of another table.

    Attributes:
        up: Name of the link that leads to the parent.
        down: Name of the link to the children whose last visible row is taken first (its parent over
            ``up`` is the row's *latest* one); ``None`` where the row itself has the foreign key.
    """

    up: str
    down: str | None = None


@dataclass(frozen=True)
class Source:
    """Where the values of rows come from; all empty is the row as such.

    Attributes:
        column: Column of the table that ``ups`` leads to from the row.
        ups: Names of links walked child to parent.
        among: Name of a link of the row's table: the value minus its mean among the rows with
            the same parent that were there when the row came to be.
        target: ``kind:i`` for the i-th aggregate of the query's target: ``hit`` is whether its
            condition holds, ``value`` what it aggregates, ``met`` whether that meets the comparison.
        age: The value is the time of the row minus the column, in days.
        words: The values are read as categories, whatever their type.
        reading: What is read of a text, list or vector, see `weft.data.features.readings`; ``None``
            is the value itself.
        part: Of ``reading``: the item that is looked for, or the number of the component.
    """

    column: str = ""
    ups: tuple[str, ...] = ()
    among: str | None = None
    target: str | None = None
    age: bool = False
    words: bool = False
    reading: str | None = None
    part: str | None = None


@dataclass(frozen=True)
class Recipe:
    """One feature.

    Attributes:
        family: ``value`` a column of the row that ``moves`` leads to; ``rows`` an aggregate over
            ``downs``; ``everyone`` the same over all rows of the table; ``label`` over past labels;
            ``target`` the query's target over past windows; ``calendar`` of the anchor;
            ``rank`` and ``ratio`` compare ``base`` with all entities there are;
            ``group`` is the mean of ``base`` over the other entities with the same value of ``source``.
        moves: From the entity to the row that the feature is about.
        downs: Links walked parent to child from there to the aggregated rows.
        source: Of the aggregated values.
        aggregate: Name of the aggregate.
        window_us: Rows of this long before the cutoff; ``None`` is all.
        last: Only the last so many rows.
        value: A category whose share is taken.
        lag: Which past window: 1 is the one that ends at the cutoff.
        base: Of ``rank``, ``ratio`` and ``group``.
        not_before_us: Null for cutoffs before this instant.
        step: Of ``everyone``: one in so many rows stands for all, by row number.
    """

    family: str
    aggregate: str
    moves: tuple[Move, ...] = ()
    downs: tuple[str, ...] = ()
    source: Source = Source()
    window_us: int | None = None
    last: int | None = None
    value: str | None = None
    lag: int | None = None
    base: Recipe | None = None
    not_before_us: int | None = None
    step: int = 1
