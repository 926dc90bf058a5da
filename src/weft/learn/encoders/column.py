"""What an encoder of one column takes and gives.

A column of a graph holds numbers, or codes of a dictionary of texts. `RawColumn` is some of its values with
that dictionary; a `ColumnEncoder` is fitted on those of the train period, is plain data, and is bound to the
dictionary of one graph before it encodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, Any]
NO_TIME = np.iinfo(np.int64).min
MISSING, UNSEEN, FIRST = 0, 1, 2
_MOST = 1e100


@dataclass(frozen=True)
class RawColumn:
    """Values of a column as a graph stores them.

    Attributes:
        values: ``(n,)`` or, of a vector, ``(n, width)``: float32, float64, int64, int32 (codes of the
            dictionary, -1 missing) or uint8 (0, 1; 255 missing).
        dictionary: The distinct texts, by code; ``None`` where values are no codes.
    """

    values: Array
    dictionary: pa.Array | None = None

    @property
    def is_missing(self) -> Array:
        """Which values are missing, bool ``(n,)``."""
        values = self.values
        if self.dictionary is not None:
            return np.asarray(values < 0)
        if values.dtype.kind == "f":
            missing = np.isnan(values)
            return np.asarray(missing if values.ndim == 1 else missing.all(axis=1))
        return np.asarray(values == (255 if values.dtype == np.uint8 else np.iinfo(values.dtype).min))

    def numbers(self) -> Array:
        """Return the values as float64 ``(n,)`` within ±1e100, NaN where missing or not finite."""
        found = np.where(self.is_missing, np.nan, self.values.astype(np.float64))
        # Beyond that a sum of squares would leave the type.
        return np.clip(np.where(np.isfinite(found), found, np.nan), -_MOST, _MOST)

    def texts(self) -> pa.Array:
        """Return the values as text, null where missing."""
        if self.dictionary is not None:
            codes = pa.array(self.values, mask=self.values < 0)
            return self.dictionary.cast(pa.string()).take(codes)
        return pa.array(self.values, mask=self.is_missing).cast(pa.string())


@dataclass(frozen=True)
class Encoded:
    """Encoded values of some rows; any of the parts may be of width 0.

    Attributes:
        dense: Numbers without NaN, float32 ``(n, width)``.
        codes: Places in vocabularies, int64 ``(n, columns)``: 0 missing, 1 not seen in the train period.
        instants: Times that are to be told relative to the anchor, microseconds UTC, int64 ``(n, columns)``,
            the least integer where missing.
    """

    dense: Array
    codes: Array
    instants: Array

    @staticmethod
    def of(
        num_rows: int, dense: Array | None = None, codes: Array | None = None, instants: Array | None = None
    ) -> Encoded:
        """Make one, with empty arrays for the parts left out."""
        return Encoded(
            np.zeros((num_rows, 0), np.float32) if dense is None else dense,
            np.zeros((num_rows, 0), np.int64) if codes is None else codes,
            np.zeros((num_rows, 0), np.int64) if instants is None else instants,
        )

    def take(self, rows: Array) -> Encoded:
        """Copy the given rows."""
        return Encoded(self.dense[rows], self.codes[rows], self.instants[rows])

    def with_unknown(self) -> Encoded:
        """Add a row of which nothing is known: all of it is missing, and no number says so."""
        return Encoded(
            np.pad(self.dense, ((0, 1), (0, 0))),
            np.pad(self.codes, ((0, 1), (0, 0)), constant_values=MISSING),
            np.pad(self.instants, ((0, 1), (0, 0)), constant_values=NO_TIME),
        )

    @property
    def num_bytes(self) -> int:
        """Return the bytes of all parts."""
        return self.dense.nbytes + self.codes.nbytes + self.instants.nbytes

    @staticmethod
    def side_by_side(parts: list[Encoded], num_rows: int) -> Encoded:
        """Put the parts of several columns next to each other."""
        empty = Encoded.of(num_rows)
        return Encoded(
            np.concatenate([empty.dense, *(p.dense for p in parts)], axis=1),
            np.concatenate([empty.codes, *(p.codes for p in parts)], axis=1),
            np.concatenate([empty.instants, *(p.instants for p in parts)], axis=1),
        )


class BoundColumn(Protocol):
    """An encoder that knows the dictionary of the values it is given."""

    def encode(self, values: Array) -> Encoded:
        """Encode values of the storage that `RawColumn` lists."""
        ...


class ColumnEncoder(Protocol):
    """How one column is encoded: frozen plain data (a dataclass that `weft.core.to_plain` can write).

    Attributes:
        width: Columns of `Encoded.dense`.
        sizes: Length of the vocabulary of each column of `Encoded.codes`.
        num_instants: Columns of `Encoded.instants`.
    """

    @property
    def width(self) -> int:
        """Columns of `Encoded.dense`."""
        ...

    @property
    def sizes(self) -> tuple[int, ...]:
        """Length of the vocabulary of each column of `Encoded.codes`."""
        ...

    @property
    def num_instants(self) -> int:
        """Columns of `Encoded.instants`."""
        ...

    def bind(self, dictionary: pa.Array | None) -> BoundColumn:
        """Return what encodes values; ``dictionary`` is that of their codes."""
        ...


class Plain:
    """What most encoders of a column are: no codes, no instants, no dictionary."""

    @property
    def width(self) -> int:
        """Nothing dense."""
        return 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """No codes."""
        return ()

    @property
    def num_instants(self) -> int:
        """No instants."""
        return 0

    def bind(self, dictionary: pa.Array | None) -> Any:
        """Encode values as they are."""
        return self


@dataclass(frozen=True)
class Looked:
    """Encodes codes by what was computed once for each value of their dictionary; the last row is missing."""

    table: Encoded

    def encode(self, values: Array) -> Encoded:
        """Look the codes up; -1 is the last row."""
        return self.table.take(values.astype(np.int64))
