"""The encoders of all columns of one table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from weft.core import GraphSource, GraphTable, UserError
from weft.learn.encoders.categories import HashedCategories, IndexedCategories, SeveralCategories
from weft.learn.encoders.choice import EncoderOptions, Sentences, choose_encoder
from weft.learn.encoders.column import NO_TIME, Array, Encoded, RawColumn
from weft.learn.encoders.numbers import (
    PiecewiseLinear,
    QuantileBins,
    RobustNumbers,
    StandardNumbers,
    Vectors,
)
from weft.learn.encoders.sentence import SentenceText
from weft.learn.encoders.text import HashedText
from weft.learn.encoders.times import Timestamps

AnyEncoder = (
    StandardNumbers
    | RobustNumbers
    | QuantileBins
    | PiecewiseLinear
    | Vectors
    | IndexedCategories
    | HashedCategories
    | SeveralCategories
    | Timestamps
    | HashedText
    | SentenceText
)
_MOST_ROWS = 200_000
_KEPT_BYTES = 64_000_000


@dataclass(frozen=True)
class EncodedColumn:
    """One column that is read, and how.

    Attributes:
        name: Of the column.
        dtype: Its storage when it was fitted; that of another graph has to be the same.
        encoder: How it is encoded.
    """

    name: str
    dtype: str
    encoder: AnyEncoder


@dataclass(frozen=True)
class TableEncoder:
    """How the rows of a table become numbers, codes and instants: those of its columns side by side."""

    table: str
    columns: tuple[EncodedColumn, ...]

    @property
    def width(self) -> int:
        """Columns of `Encoded.dense`."""
        return sum(c.encoder.width for c in self.columns)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Length of the vocabulary of each column of `Encoded.codes`."""
        return tuple(size for c in self.columns for size in c.encoder.sizes)

    @property
    def num_instants(self) -> int:
        """Columns of `Encoded.instants`."""
        return sum(c.encoder.num_instants for c in self.columns)

    def owners(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Return for each place of the columns side by side which column it is of.

        Args:
            sizes: Places that each column takes.
        """
        assert len(sizes) == len(self.columns)
        return tuple(i for i, size in enumerate(sizes) for _ in range(size))

    def bind(self, source: GraphSource) -> BoundTable:
        """Return what encodes rows of a graph.

        Raises:
            UserError: ``LEARN041`` when the graph lacks the table or a column, or has it in another type.
        """
        return BoundTable(self, source)


class BoundTable:
    """Encodes rows of a table of one graph. May be used from several threads at once.

    A small table is encoded whole, once; of a large one, the rows that are asked for.

    Args:
        encoder: Of the table.
        source: The graph.
    """

    def __init__(self, encoder: TableEncoder, source: GraphSource) -> None:
        self.encoder = encoder
        self.source = source
        table = check_columns(encoder, source)
        has_codes = {c.name: c.is_coded for c in table.columns}
        self._bound = {
            c.name: c.encoder.bind(source.dictionary(table.name, c.name) if has_codes[c.name] else None)
            for c in encoder.columns
        }
        self._whole: Encoded | None = None
        row_bytes = 4 * encoder.width + 8 * (len(encoder.sizes) + encoder.num_instants)
        if table.num_rows * row_bytes <= _KEPT_BYTES:
            self._whole = self._encode(np.arange(table.num_rows, dtype=np.uint32))

    def encode(self, rows: Array) -> Encoded:
        """Encode rows, uint32 ``(n,)``."""
        return self._whole.take(rows) if self._whole is not None else self._encode(rows)

    def _encode(self, rows: Array) -> Encoded:
        if not self._bound:
            return Encoded.of(len(rows))
        values = self.source.values(self.encoder.table, rows)
        parts = [bound.encode(values[name]) for name, bound in self._bound.items()]
        return Encoded.side_by_side(parts, len(rows))


def fit_table(
    source: GraphSource,
    table: GraphTable,
    *,
    until_us: int,
    options: EncoderOptions,
    excluded: Collection[str] = (),
    separators: Mapping[str, str] | None = None,
    sentences: Sentences | None = None,
) -> TableEncoder:
    """Choose and fit the encoders of a table.

    Args:
        source: The graph.
        table: One of its tables.
        until_us: End of the train period: later rows teach nothing.
        options: What to choose where there is a choice.
        excluded: Columns not to read.
        separators: Column → what is between its several values.
        sentences: The sentence model that is at hand.
    """
    rows = _train_rows(source, table, until_us)
    values = source.values(table.name, rows) if table.columns else {}
    found = []
    for column in table.columns:
        if column.name in excluded:
            continue
        dictionary = source.dictionary(table.name, column.name) if column.is_coded else None
        encoder = choose_encoder(
            f"{table.name}.{column.name}",
            column.stype,
            RawColumn(values[column.name], dictionary),
            options,
            separator=(separators or {}).get(column.name),
            sentences=sentences,
        )
        if encoder is not None:
            found.append(EncodedColumn(column.name, column.dtype.value, encoder))  # type: ignore[arg-type]
    return TableEncoder(table.name, tuple(found))


def check_columns(encoder: TableEncoder, source: GraphSource) -> GraphTable:
    """Return the table that an encoder reads, once it is known to have what is read."""
    table = next((t for t in source.tables if t.name == encoder.table), None)
    if table is None:
        raise _misfit(f"there is no table '{encoder.table}'")
    present = {c.name: c.dtype.value for c in table.columns}
    missing = [repr(c.name) for c in encoder.columns if c.name not in present]
    wrong = [
        f"'{c.name}' is {present[c.name]} instead of {c.dtype}"
        for c in encoder.columns
        if present.get(c.name, c.dtype) != c.dtype
    ]
    if missing or wrong:
        parts = [f"it lacks {', '.join(missing)}"] if missing else []
        raise _misfit(f"of '{table.name}', {'; '.join(parts + wrong)}")
    return table


def _misfit(how: str) -> UserError:
    return UserError(
        "LEARN041",
        f"the graph does not fit the model: {how}.",
        "use tables of the schema that the model was fitted on, or fit it again.",
    )


def _train_rows(source: GraphSource, table: GraphTable, until_us: int) -> Array:
    """Return rows of the train period, spread evenly where there are many."""
    rows = np.arange(table.num_rows, dtype=np.uint32)
    if len(rows) > 4 * _MOST_ROWS:
        rows = np.linspace(0, table.num_rows - 1, 4 * _MOST_ROWS).astype(np.uint32)
    times = source.times_us(table.name, rows)
    rows = np.asarray(rows[(times == NO_TIME) | (times <= until_us)])
    if len(rows) > _MOST_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, _MOST_ROWS).astype(np.int64)]
    return rows
