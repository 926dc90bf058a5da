"""What a profile holds: statistics, evidence, findings and the schema that follows from them."""

from __future__ import annotations

from dataclasses import dataclass

from weft.core import Evidence, Finding, Link, Schema

# The ranks at which `ColumnStatistics.quantiles` are taken.
QUANTILE_RANKS = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class ValueCount:
    """A value, written as text, and how many rows have it."""

    value: str
    count: int


@dataclass(frozen=True)
class Histogram:
    """Counts between edges: ``len(edges) == len(counts) + 1``; the last bin includes its right edge."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class ColumnStatistics:
    """Statistics of one column, over its values as they will be used (times as times).

    Numbers of a time column are microseconds UTC. Where ``is_sampled``, quantiles, histogram and top
    values come from a random sample of ``sampled_rows`` rows and the counts in them are of the sample;
    counts, nulls, minimum, maximum, mean and deviation always cover every row.

    Attributes:
        name: Column name.
        storage: Type in the snapshot, in the engine's words.
        count: Rows with a value.
        nulls: Rows without.
        distinct: Number of distinct values, approximate (within about 5 %) unless ``is_distinct_exact``.
        minimum: Smallest value of a number or time.
        maximum: Largest value of a number or time.
        quantiles: At `QUANTILE_RANKS`; empty for other columns.
        top_values: Most frequent values first.
        length_mean: Mean number of characters of a text column.
        length_max: Largest number of characters of a text column.
    """

    name: str
    storage: str
    count: int
    nulls: int
    distinct: int
    is_distinct_exact: bool
    is_sampled: bool
    sampled_rows: int
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    deviation: float | None = None
    quantiles: tuple[float, ...] = ()
    histogram: Histogram | None = None
    top_values: tuple[ValueCount, ...] = ()
    length_mean: float | None = None
    length_max: int | None = None

    @property
    def null_rate(self) -> float:
        """Share of rows without a value."""
        rows = self.count + self.nulls
        return self.nulls / rows if rows else 0.0


@dataclass(frozen=True)
class LinkStatistics:
    """How well a link's keys match, and how many children a parent has.

    Attributes:
        rows: Rows of the child table.
        null_rows: Rows whose key is null.
        matched_rows: Rows whose key is among the parent's.
        distinct_keys: Distinct non-null keys of the child.
        matched_keys: Of them, those among the parent's.
        parents: Rows of the parent table.
        degree_quantiles: Children per parent, over parents with a child, at `QUANTILE_RANKS`.
        degree_max: Most children of one parent.
        dangling_examples: A few keys without a parent, as text.
    """

    link: Link
    rows: int
    null_rows: int
    matched_rows: int
    distinct_keys: int
    matched_keys: int
    parents: int
    degree_mean: float
    degree_max: int
    degree_quantiles: tuple[float, ...] = ()
    dangling_examples: tuple[str, ...] = ()

    @property
    def dangling_rows(self) -> int:
        """Rows whose key is not null and not among the parent's."""
        return self.rows - self.null_rows - self.matched_rows

    @property
    def match_rate(self) -> float:
        """Share of the rows with a key that find their parent."""
        keyed = self.rows - self.null_rows
        return self.matched_rows / keyed if keyed else 0.0

    @property
    def childless_rate(self) -> float:
        """Share of the parents that no row refers to."""
        return 1 - self.matched_keys / self.parents if self.parents else 0.0


@dataclass(frozen=True)
class TableStatistics:
    """Statistics of one table, of its columns and of the links from it."""

    table: str
    num_rows: int
    columns: tuple[ColumnStatistics, ...]
    links: tuple[LinkStatistics, ...] = ()

    def column(self, name: str) -> ColumnStatistics:
        """Return the statistics of a column."""
        return next(c for c in self.columns if c.name == name)


@dataclass(frozen=True)
class Profile:
    """Everything that was read out of a snapshot before any question is asked.

    Attributes:
        schema: Tables, columns, keys, times and links.
        evidence: Why they are so.
        statistics: Of every table.
        findings: What is wrong or noteworthy.
        end_time_proposals: Table → column that may be its end time.
        stated_times: Table and column of the times whose format the user named.
    """

    schema: Schema
    evidence: tuple[Evidence, ...]
    statistics: tuple[TableStatistics, ...]
    findings: tuple[Finding, ...]
    end_time_proposals: dict[str, str]
    stated_times: tuple[tuple[str, str], ...] = ()

    def table(self, name: str) -> TableStatistics:
        """Return the statistics of a table."""
        return next(t for t in self.statistics if t.table == name)

    def link_evidence(self, link: Link) -> Evidence | None:
        """Return why ``link`` is one, ``None`` for a link that this profile did not choose."""
        wanted = link_subject(link), link_decision(link)
        return next((e for e in self.evidence if (e.subject, e.decision) == wanted), None)


def link_subject(link: Link) -> str:
    """Return how evidence names the columns of a link: ``orders.user_id``."""
    return link.name.removesuffix(f" -> {link.parent}")


def link_decision(link: Link) -> str:
    """Return how evidence says that columns are a link, beside what their values mean."""
    return f"link to {link.parent}"
