"""Dictionaries: the distinct values of columns, in memory or, where they do not fit, found on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from weft.core import Column, Dtype, path_name
from weft.graph import _native
from weft.graph.build.job import Job, SegmentWork
from weft.graph.build.keys import write_segment
from weft.graph.layout import KeyKind, KeySegment, Words
from weft.graph.words import read_words

_CHUNK_VALUES = 4096


class Dictionaries:
    """The dictionaries of one table while its rows are packed.

    Args:
        job: The build.
        segment: The rows that are packed.
        columns: Columns of codes, by name.
        stored: Words of segments before this one, by column, which keep their codes.
        folder: Where those lie: of an earlier build, or of this one where all is packed anew.

    Attributes:
        held: Dictionaries in memory.
        codes: Scratch files with the code of each row, of columns whose values memory does not hold.
    """

    def __init__(
        self,
        job: Job,
        segment: SegmentWork,
        columns: dict[str, Column],
        stored: dict[str, tuple[KeySegment, ...]],
        folder: Path,
    ) -> None:
        self.job = job
        self.segment = segment
        self.columns = columns
        self.stored = stored
        self.folder = folder
        self.held: dict[str, _native.Dictionary] = {}
        self.codes: dict[str, str] = {}
        self.firsts: dict[str, str] = {}
        self.restart()

    def restart(self) -> None:
        """Begin again with what was stored before."""
        self.held = {n: self._new(n) for n in self.columns if n not in self.codes}

    def fit(self) -> bool:
        """Say whether the dictionaries in memory are within the limit."""
        return sum(d.size_bytes for d in self.held.values()) <= self._limit() or not self.held

    def _limit(self) -> int:
        # The least dictionary that there is must fit: it says nothing about the values.
        return max(self.job.lookup_bytes, 4096 * max(1, len(self.held)))

    def _new(self, name: str) -> _native.Dictionary:
        known = self.job.stored(self.stored[name], self.folder) if self.stored[name] else None
        return _native.Dictionary(self.columns[name].dtype is Dtype.STRING, known)

    def move_largest_to_disk(self) -> None:
        """Find the codes of the column with the largest dictionary in bounded memory.

        Each pass finds the first row with the same value for the values whose hashes lie in a range; the
        codes are the numbers of those first rows.
        """
        name = max(self.held, key=lambda n: (self.held[n].size_bytes, n))
        del self.held[name]
        firsts, least = "", 0
        while True:
            out = self.job.temporary("firsts")
            rows = _native.FirstRows(least, firsts, out, self.job.lookup_bytes)
            for batch in self._batches(name):
                rows.add(batch, 0)
            self.job.forget(firsts)
            firsts, least = out, rows.finish()
            if least == 0:
                break
        count = self._num_values(name)
        numbers, codes = self.job.temporary("numbers"), self.job.temporary("codes")
        _native.number_first_rows(firsts, count, numbers)
        _native.translate_parents(firsts, count, numbers, count, 0, codes, self.job.stage_bytes)
        self.job.forget(numbers)
        self.firsts[name] = firsts
        self.codes[name] = self._codes_of_rows(name, codes, count)

    def _num_values(self, name: str) -> int:
        return self.segment.count + self._num_stored(name)

    def _num_stored(self, name: str) -> int:
        return sum(words.num_rows for words in self.stored[name])

    def _codes_of_rows(self, name: str, codes: str, count: int) -> str:
        """Leave out the codes of the stored values, which were put before the rows."""
        skipped = count - self.segment.count
        if not skipped:
            return codes
        rows = self.job.temporary("codes")
        with open(codes, "rb") as source, open(rows, "wb") as out:
            source.seek(4 * skipped)
            while chunk := source.read(1 << 20):
                out.write(chunk)
        return rows

    def _batches(self, name: str) -> Iterator[pa.RecordBatch]:
        if self.stored[name]:
            known = read_words(self.folder, self.stored[name], self.columns[name].dtype)
            yield from pa.table({name: known}).to_batches(_CHUNK_VALUES)
        yield from self.job.rows(self.segment.table.name, [name], self.segment.first, self.segment.count)

    def write(self, name: str) -> tuple[Words, ...]:
        """Write the values of a column that were not stored before.

        A column of which none were has a part, even where all its rows are null.
        """
        is_text = self.columns[name].dtype is Dtype.STRING
        kind = pa.string() if is_text else pa.int64()
        values = self._held_values(name, kind) if name in self.held else self._values_on_disk(name, kind)
        stem, num_stored = self.job.temporary("words"), self._num_stored(name)
        spill = _native.KeySpill(stem, not is_text, num_stored)
        for array in values:
            spill.add(pa.record_batch([array], [name]), [0])
        shape = spill.finish()
        if not shape.num_keys and self.stored[name]:
            return ()
        kind_of_keys = KeyKind.BYTES if is_text else KeyKind.INTEGER
        what = f"{self.segment.table.name}.{name}"
        source = _native.KeySource(stem, f"{stem}.rows", shape, self.job.stage_bytes, what, num_stored)
        folder = ("nodes", path_name(self.segment.table.name), str(self.segment.number), "dictionary")
        written = write_segment(self.job, source, shape, kind_of_keys, (*folder, path_name(name)))
        return (Words(self.segment.number, written),)

    def _held_values(self, name: str, kind: pa.DataType) -> Iterator[pa.Array]:
        dictionary = self.held[name]
        for first in range(0, len(dictionary), _CHUNK_VALUES):
            last = min(first + _CHUNK_VALUES, len(dictionary))
            ends, data = dictionary.values(first, last)
            if kind == pa.string():
                buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
                yield pa.Array.from_buffers(kind, last - first, buffers)
            else:
                yield pa.array(np.ascontiguousarray(data).view(np.int64))

    def _values_on_disk(self, name: str, kind: pa.DataType) -> Iterator[pa.Array]:
        firsts = np.memmap(self.firsts[name], np.uint32, "r", shape=(self._num_values(name),))
        done = 0
        for batch in self._batches(name):
            numbers = np.arange(done, done + len(batch), dtype=np.uint64)
            is_new = (firsts[done : done + len(batch)] == numbers) & (numbers >= self._num_stored(name))
            found = batch.column(0).filter(pa.array(is_new))
            yield found if found.type == kind else found.view(kind)
            done += len(batch)
