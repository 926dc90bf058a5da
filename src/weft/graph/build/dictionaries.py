"""Dictionaries: the distinct values of columns, in memory or, where they do not fit, found on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from weft.core import Column, Dtype
from weft.graph import _native
from weft.graph.build.job import Job, SegmentWork

_CHUNK_VALUES = 4096
_TYPES = {Dtype.STRING: pa.string(), Dtype.INT: pa.int64(), Dtype.FLOAT: pa.float64()}


class Dictionaries:
    """The dictionaries of one table while its rows are packed.

    Args:
        job: The build.
        segment: The rows that are packed.
        columns: Columns of codes, by name.
        stored: Dictionary files of an earlier build, by column, whose values keep their codes.

    Attributes:
        held: Dictionaries in memory.
        codes: Scratch files with the code of each row, of columns whose values memory does not hold.
    """

    def __init__(
        self, job: Job, segment: SegmentWork, columns: dict[str, Column], stored: dict[str, Path]
    ) -> None:
        self.job = job
        self.segment = segment
        self.columns = columns
        self.stored = stored
        self.held: dict[str, _native.Dictionary] = {}
        self.codes: dict[str, str] = {}
        self.firsts: dict[str, str] = {}
        self.restart()

    def restart(self) -> None:
        """Begin again with what an earlier build stored."""
        self.held = {n: self._new(n) for n in self.columns if n not in self.codes}

    def fit(self) -> bool:
        """Say whether the dictionaries in memory are within the limit."""
        return sum(d.size_bytes for d in self.held.values()) <= self._limit() or not self.held

    def _limit(self) -> int:
        # The least dictionary that there is must fit: it says nothing about the values.
        return max(self.job.lookup_bytes, 4096 * max(1, len(self.held)))

    def _new(self, name: str) -> _native.Dictionary:
        column = self.columns[name]
        dictionary = _native.Dictionary(column.dtype is Dtype.STRING)
        if name in self.stored:
            for batch in _stored_values(self.stored[name]):
                dictionary.take_over(batch)
        return dictionary

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
        if name not in self.stored:
            return 0
        return sum(len(batch) for batch in _stored_values(self.stored[name]))

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
        if name in self.stored:
            yield from _stored_values(self.stored[name])
        yield from self.job.rows(self.segment.table.name, [name], self.segment.first, self.segment.count)

    def write(self, name: str, path: str) -> None:
        """Write a column's dictionary as an Arrow IPC file."""
        kind = _TYPES[self.columns[name].dtype]
        schema = pa.schema([pa.field("value", kind)])
        values = self._held_values(name, kind) if name in self.held else self._values_on_disk(name)
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for array in _in_chunks(values):
                writer.write_batch(pa.record_batch([array], schema=schema))

    def _held_values(self, name: str, kind: pa.DataType) -> Iterator[pa.Array]:
        dictionary = self.held[name]
        for first in range(0, len(dictionary), _CHUNK_VALUES):
            last = min(first + _CHUNK_VALUES, len(dictionary))
            ends, data = dictionary.values(first, last)
            if kind == pa.string():
                buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
                yield pa.Array.from_buffers(kind, last - first, buffers)
            else:
                yield pa.array(np.ascontiguousarray(data).view(kind.to_pandas_dtype()))

    def _values_on_disk(self, name: str) -> Iterator[pa.Array]:
        firsts = np.memmap(self.firsts[name], np.uint32, "r", shape=(self._num_values(name),))
        done = 0
        for batch in self._batches(name):
            numbers = np.arange(done, done + len(batch), dtype=np.uint64)
            yield batch.column(0).filter(pa.array(firsts[done : done + len(batch)] == numbers))
            done += len(batch)


def _stored_values(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as source:
        reader = pa.ipc.open_file(source)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def _in_chunks(values: Iterator[pa.Array]) -> Iterator[pa.Array]:
    """Cut successive arrays anew, so that the same values give the same chunks."""
    waiting: list[pa.Array] = []
    num_waiting = 0
    for array in values:
        while num_waiting + len(array) >= _CHUNK_VALUES:
            taken = _CHUNK_VALUES - num_waiting
            yield pa.concat_arrays([*waiting, array.slice(0, taken)])
            array = array.slice(taken)
            waiting, num_waiting = [], 0
        if len(array):
            waiting.append(array)
            num_waiting += len(array)
    if waiting:
        yield pa.concat_arrays(waiting)
