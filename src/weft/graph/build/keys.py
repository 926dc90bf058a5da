"""Keys of tables: spilled once, looked up by links, written as files in order of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from weft.core import Dtype, Link, Table, UserError, path_name
from weft.graph import _native
from weft.graph.build.job import Job, SegmentWork, TableWork
from weft.graph.keyfiles import STORED
from weft.graph.layout import KeyKind, KeySegment

_FILES = ("direct", "slots", "values", "offsets", "bytes")


@dataclass(frozen=True)
class SpilledKeys:
    """Keys of a table on disk.

    Attributes:
        name: Of the table and its key columns.
        table: Name of the table.
        stem: Of the scratch files.
        shape: What is known about the keys.
        num_rows_known: Of the first key here: it and those after it are numbered as in the prepared table;
            those before it are rows of an earlier build, and not here.
    """

    name: str
    table: str
    stem: str
    shape: _native.KeyShape
    num_rows_known: int


def key_name(table: str, columns: tuple[str, ...]) -> str:
    """Return the name that keys of some columns have during a build."""
    return f"{table}({', '.join(columns)})"


def link_keys(parent: Table, link: Link) -> tuple[str, tuple[str, ...]]:
    """Return the name of the keys that a link points to, and its foreign key columns in their order.

    Raises:
        UserError: ``GRAPH028`` when the two sides are of different types.
    """
    wanted = parent.primary_key
    if sorted(link.parent_columns) != sorted(wanted):
        wanted = link.parent_columns
    return key_name(parent.name, wanted), tuple(link.columns[link.parent_columns.index(c)] for c in wanted)


def check_link(child: Table, parent: Table, link: Link) -> None:
    """Refuse a link whose two sides are of different types, or of vectors."""
    for left, right in zip(link.columns, link.parent_columns, strict=True):
        dtypes = child.column(left).dtype, parent.column(right).dtype
        if dtypes[0] != dtypes[1]:
            raise UserError(
                "GRAPH028",
                f"the link '{link.name}' compares {child.name}.{left} ({dtypes[0]}) with "
                f"{parent.name}.{right} ({dtypes[1]}).",
                "prepare the tables again, which gives both sides of a link one type.",
            )
        if Dtype.VECTOR in dtypes:
            raise UserError(
                "GRAPH027",
                f"the link '{link.name}' compares vectors.",
                "choose other columns for the link, or remove it.",
            )


def spill_primary_keys(job: Job, work: TableWork) -> SpilledKeys:
    """Put the primary keys of the new rows of a table on disk.

    Raises:
        UserError: ``GRAPH021`` when a row has no key, or that of a row of an earlier build.
    """
    new = SegmentWork(work, 0, work.num_kept, work.num_rows - work.num_kept)
    stem, shape = _spill(job, work.table.primary_key, new, work.base.keys.segments if work.base else ())
    if shape.num_null:
        raise UserError(
            "GRAPH021",
            f"{shape.num_null:,} rows of '{work.name}' have no key.",
            "choose key columns without missing values, or prepare the tables again.",
        )
    return SpilledKeys(key_name(work.name, work.table.primary_key), work.name, stem, shape, work.num_kept)


def spill_other_keys(job: Job, work: TableWork, columns: tuple[str, ...]) -> SpilledKeys:
    """Put the values of columns that a link points to, and that are not the primary key, on disk."""
    stem, shape = _spill(job, columns, SegmentWork(work, 0, 0, work.num_rows), ())
    return SpilledKeys(key_name(work.name, columns), work.name, stem, shape, 0)


def key_dtypes(table: Table) -> tuple[Dtype, ...]:
    """Return the types of the columns of the primary key, in order."""
    return tuple(table.column(c).dtype for c in table.primary_key)


def _is_integer(table: Table, columns: tuple[str, ...]) -> bool:
    return len(columns) == 1 and table.column(columns[0]).dtype in (Dtype.INT, Dtype.TIMESTAMP, Dtype.BOOL)


def _spill(
    job: Job, columns: tuple[str, ...], segment: SegmentWork, known: Sequence[KeySegment]
) -> tuple[str, _native.KeyShape]:
    """Put the keys of some rows on disk; refuse those that are known."""
    table, stem = segment.table.table, job.temporary("keys")
    spill = _native.KeySpill(stem, _is_integer(table, columns), segment.first)
    places = list(range(len(columns)))
    for batch in job.rows(table.name, columns, segment.first, segment.count):
        if known:
            _native.refuse_known_keys(job.stored(known), batch, places, key_name(table.name, columns))
        spill.add(batch, places)
    return stem, spill.finish()


def write_key_files(job: Job, work: TableWork, segment: SegmentWork, spilled: SpilledKeys) -> KeySegment:
    """Write the key files of the new rows of a table, which are numbered.

    Raises:
        UserError: ``GRAPH021`` when two rows have the same key.
    """
    rows, shape = spilled.stem + ".rows", spilled.shape
    if segment.inverse:
        numbers, rows = rows, job.temporary("rows")
        size, first = segment.count, segment.first
        _native.translate_parents(
            numbers, shape.num_keys, segment.inverse, size, first, rows, job.stage_bytes
        )
    source = _native.KeySource(spilled.stem, rows, shape, job.stage_bytes, spilled.name, segment.first)
    stem = ("nodes", path_name(work.name), str(segment.number), "keys")
    return write_segment(job, source, shape, _kind_of(shape), stem)


def write_segment(
    job: Job, source: _native.KeySource, shape: _native.KeyShape, kind: KeyKind, stem: tuple[str, ...]
) -> KeySegment:
    """Write the files of one segment of keys, or of words: ``<stem>.values`` and so on.

    Raises:
        UserError: ``GRAPH021`` when two rows have the same key.
    """
    path = {n: job.path(*stem[:-1], f"{stem[-1]}.{n}") for n in _FILES}
    keys = KeySegment(kind, shape.num_keys)
    if kind is KeyKind.DIRECT:
        direct = job.file(path["direct"], _native.write_key_direct(source, path["direct"]))
        keys = replace(keys, first=shape.least, direct=direct)
    else:
        root = _native.write_key_slots(source, STORED[kind], path["slots"])
        keys = replace(keys, slots=job.file(path["slots"], root))
    if kind is KeyKind.BYTES:
        offsets, texts = _native.write_key_bytes(source, path["offsets"], path["bytes"])
        return replace(keys, offsets=job.file(path["offsets"], offsets), bytes=job.file(path["bytes"], texts))
    values = _native.write_key_values(source, STORED[kind], path["values"])
    return replace(keys, values=job.file(path["values"], values))


def _kind_of(shape: _native.KeyShape) -> KeyKind:
    if shape.is_dense:
        return KeyKind.DIRECT
    if shape.is_integer:
        return KeyKind.INTEGER
    return KeyKind.UUID if shape.all_uuid else KeyKind.BYTES
