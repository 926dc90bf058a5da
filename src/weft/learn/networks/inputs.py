"""What a network reads: the tables of a graph, its links, and what is known of the seed itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from weft.core import GraphSource, GraphTable, UserError
from weft.learn.data import TrainingData
from weft.learn.encoders import (
    EncoderOptions,
    Sentences,
    SentenceText,
    TableEncoder,
    fit_table,
    locate_model,
)
from weft.learn.encoders.column import Array
from weft.learn.ranking import RankingData
from weft.learn.rungs.linear_terms import Term, design, list_terms

NO_ROW = 0xFFFFFFFF
PAST = "past"
ALL_FEATURES = "all"
_MOST_TERMS = 400
_TO = " -> "


class HasSeeds(Protocol):
    """Rows of which entity and anchor are known."""

    @property
    def seeds(self) -> Any:
        """A table with ``entity``, ``anchor_time`` and, where it differs, ``cutoff``."""
        ...


@dataclass(frozen=True)
class LinkEnds:
    """A link: its name and the two tables it joins."""

    name: str
    child: str
    parent: str


@dataclass(frozen=True)
class SeedTerms:
    """Features of the seed, evenly spread, as the linear rung reads them.

    Attributes:
        terms: Columns of the design.
        means: Of each on train.
    """

    terms: tuple[Term, ...] = ()
    means: tuple[float, ...] = ()

    def compute(self, matrix: Array) -> Array:
        """Compute the terms of rows of the encoded features, float32 ``(n, terms)``."""
        if not self.terms:
            return np.zeros((len(matrix), 0), np.float32)
        return np.ascontiguousarray(design(self.terms, matrix, np.asarray(self.means)))


@dataclass(frozen=True)
class NetworkInputs:
    """What is read, fitted on the train period only; plain data.

    Attributes:
        entity_table: Table of the seeds.
        tables: Encoders of all tables, in the order of the graph.
        links: The links that are walked, in the order of the graph.
        seed: Features of the seed.
        until_us: The last anchor of train, microseconds UTC.
        columns: All columns that there were to read, encoded or not, each with its storage.
    """

    entity_table: str
    tables: tuple[TableEncoder, ...]
    links: tuple[LinkEnds, ...]
    seed: SeedTerms
    until_us: int
    columns: tuple[str, ...] = ()

    @property
    def sentence_columns(self) -> dict[str, SentenceText]:
        """Columns that a sentence model reads, by ``table.column``."""
        return {
            f"{table.table}.{c.name}": c.encoder
            for table in self.tables
            for c in table.columns
            if isinstance(c.encoder, SentenceText)
        }

    @property
    def sentence_words(self) -> list[str]:
        """Say which sentence model is needed for which columns; nothing where none is."""
        found = self.sentence_columns
        return [
            f"it needs the sentence model {name} ({digest[:12]}), which reads "
            + ", ".join(c for c, e in found.items() if e.digest == digest)
            for name, digest in sorted({(e.model, e.digest) for e in found.values()})
        ]

    def check_sentences(self) -> None:
        """Refuse to be read where the sentence model is not at hand.

        Raises:
            UserError: ``LEARN049``.
        """
        for name, digest in {(e.model, e.digest) for e in self.sentence_columns.values()}:
            locate_model(name, digest)

    def check(self, source: GraphSource) -> None:
        """Refuse a graph with other links than those that the network was fitted on.

        Raises:
            UserError: ``LEARN041``.
        """
        present = {LinkEnds(k.name, k.child, k.parent) for k in source.links}
        missing = [k.name for k in self.links if k not in present]
        if missing:
            raise UserError(
                "LEARN041",
                f"the graph does not fit the model: it lacks the link {', '.join(missing)}.",
                "use tables of the schema that the model was fitted on, or fit it again.",
            )


def fit_inputs(
    data: TrainingData | RankingData,
    source: GraphSource,
    *,
    options: EncoderOptions,
    excluded: Collection[tuple[str, str]],
    separators: Mapping[tuple[str, str], str],
    features: str,
    without: Collection[str] = (),
    sentences: Sentences | None = None,
) -> NetworkInputs:
    """Choose and fit the encoders of all tables, on what was there by the last train anchor.

    Args:
        data: Labels and features of the task.
        source: The graph.
        options: How columns are encoded.
        excluded: ``(table, column)`` pairs that the audit refuses.
        separators: ``(table, column)`` → what is between its several values.
        features: Which features of the seed to read: ``past`` labels of the same entity, ``all``, ``none``.
        without: Links that are not to be walked; one that there is not is refused by ``LEARN043``.
        sentences: The sentence model that is at hand.

    Raises:
        UserError: ``LEARN040`` for a column with an encoder that the graph has not, ``LEARN043`` for such a
            link.
    """
    options.check_columns(f"{t.name}.{c.name}" for t in source.tables for c in t.columns)
    asked = {"until_us": int(cutoffs_us(data.train).max()), "options": options, "sentences": sentences}
    tables = [_fit_table(source, table, excluded, separators, asked) for table in source.tables]
    links, terms = walked_links(source, excluded, without), _seed_terms(data, features)
    entity, known = data.task.entity_table, list_columns(source, excluded)
    return NetworkInputs(entity, tuple(tables), links, terms, last_anchor_us(data), known)


def _fit_table(
    source: GraphSource,
    table: GraphTable,
    excluded: Collection[tuple[str, str]],
    separators: Mapping[tuple[str, str], str],
    asked: dict[str, Any],
) -> TableEncoder:
    return fit_table(
        source,
        table,
        excluded={column for name, column in excluded if name == table.name},
        separators={column: s for (name, column), s in separators.items() if name == table.name},
        **asked,
    )


def list_columns(source: GraphSource, excluded: Collection[tuple[str, str]]) -> tuple[str, ...]:
    """Name the columns of a graph that may be read, each with its storage: ``users.age (float64)``."""
    return tuple(
        f"{table.name}.{column.name} ({column.dtype.value})"
        for table in source.tables
        for column in table.columns
        if (table.name, column.name) not in excluded
    )


def walked_links(
    source: GraphSource, excluded: Collection[tuple[str, str]], without: Collection[str]
) -> tuple[LinkEnds, ...]:
    """Return the links to walk: what must not be read of a row must not lead on from it either."""
    known = [link.name for link in source.links]
    # A link may be named by its columns alone: ``orders.user_id`` for ``orders.user_id -> users``.
    short = {name.partition(_TO)[0]: name for name in known}
    without = {short.get(name, name) for name in without}
    if unknown := sorted(without - set(known)):
        raise UserError("LEARN043", f"there is no link '{unknown[0]}'.", f"choose among {', '.join(known)}.")
    return tuple(
        LinkEnds(k.name, k.child, k.parent)
        for k in source.links
        if k.name not in without and not any((k.child, column) in excluded for column in k.columns)
    )


def last_anchor_us(data: TrainingData | RankingData) -> int:
    """Return the last anchor of train, microseconds UTC."""
    return int(data.train.seeds["anchor_time"].cast("timestamp[us]").cast("int64").to_numpy().max())


def cutoffs_us(rows: HasSeeds) -> Array:
    """Return up to when each row may see, microseconds UTC, int64 ``(n,)``."""
    name = "cutoff" if "cutoff" in rows.seeds.column_names else "anchor_time"
    return np.asarray(rows.seeds[name].cast("timestamp[us]").cast("int64").to_numpy())


def find_seeds(source: GraphSource, table: str, rows: HasSeeds, *, threads: int) -> Array:
    """Return the row of the graph of each seed, uint32 ``(n,)``.

    Raises:
        UserError: ``LEARN042`` when the graph lacks one.
    """
    found = source.rows(table, rows.seeds["entity"], threads=threads)
    unknown = np.flatnonzero(found == NO_ROW)
    if len(unknown):
        raise UserError(
            "LEARN042",
            f"table '{table}' of the graph has no row of the key {rows.seeds['entity'][int(unknown[0])]}, "
            f"nor of {len(unknown) - 1:,} others.",
            "predict from the tables that hold these entities.",
        )
    return found


def _seed_terms(data: TrainingData | RankingData, features: str) -> SeedTerms:
    if features == "none":
        return SeedTerms()
    matrix = data.train.matrix
    terms: list[Term] = []
    for position, feature in enumerate(data.features):
        is_past = feature.aggregate.startswith(("past_label", "past_target", "frame"))
        if features == ALL_FEATURES or is_past:
            terms += list_terms(position, feature, np.asarray(matrix[:, position]))
    terms = terms[:_MOST_TERMS]
    means = [float(term.apply(np.asarray(matrix[:, term.feature])).mean()) for term in terms]
    return SeedTerms(tuple(terms), tuple(means))
