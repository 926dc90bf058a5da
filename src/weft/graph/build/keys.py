"""Keys of tables: spilled once, looked up by links, written as files in order of rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from weft.core import Dtype, Link, Table, UserError, path_name
from weft.graph import _native
from weft.graph.build.job import Job, SegmentWork, TableWork
from weft.graph.keyfiles import STORED, named_file
from weft.graph.layout import KeyKind, Keys


@dataclass(frozen=True)
class SpilledKeys:
    """Keys of a table on disk.

    Attributes:
        name: Of the table and its key columns.
        table: Name of the table.
        stem: Of the scratch files.
        shape: What is known about the keys.
        num_rows_known: Numbers below this are rows of the graph already; those from it on are numbers in the
            prepared table.
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
    """Put the primary keys of a table on disk: those of an earlier build, then those of new rows.

    Raises:
        UserError: ``GRAPH021`` when a row has no key.
    """
    name = key_name(work.name, work.table.primary_key)
    stem = job.temporary("keys")
    spill = _native.KeySpill(stem, _is_integer(work.table, work.table.primary_key))
    if work.base:
        _take_over(job, spill, work.base.keys)
    new = SegmentWork(work, 0, work.num_kept, work.num_rows - work.num_kept)
    _read_keys(job, spill, work.table.primary_key, new)
    shape = spill.finish()
    if shape.num_null:
        raise UserError(
            "GRAPH021",
            f"{shape.num_null:,} rows of '{work.name}' have no key.",
            "choose key columns without missing values, or prepare the tables again.",
        )
    return SpilledKeys(name, work.name, stem, shape, work.num_kept)


def spill_other_keys(job: Job, work: TableWork, columns: tuple[str, ...]) -> SpilledKeys:
    """Put the values of columns that a link points to, and that are not the primary key, on disk."""
    stem = job.temporary("keys")
    spill = _native.KeySpill(stem, _is_integer(work.table, columns))
    _read_keys(job, spill, columns, SegmentWork(work, 0, 0, work.num_rows))
    return SpilledKeys(key_name(work.name, columns), work.name, stem, spill.finish(), 0)


def key_dtypes(table: Table) -> tuple[Dtype, ...]:
    """Return the types of the columns of the primary key, in order."""
    return tuple(table.column(c).dtype for c in table.primary_key)


def _is_integer(table: Table, columns: tuple[str, ...]) -> bool:
    return len(columns) == 1 and table.column(columns[0]).dtype in (Dtype.INT, Dtype.TIMESTAMP, Dtype.BOOL)


def _read_keys(job: Job, spill: _native.KeySpill, columns: tuple[str, ...], segment: SegmentWork) -> None:
    places = list(range(len(columns)))
    for batch in job.rows(segment.table.name, columns, segment.first, segment.count):
        spill.add(batch, places)


def _take_over(job: Job, spill: _native.KeySpill, keys: Keys) -> None:
    assert job.base_folder is not None
    if keys.kind in (KeyKind.DIRECT, KeyKind.INTEGER):
        spill.add_integers(*named_file(job.base_folder, keys.values))
    elif keys.kind is KeyKind.BYTES:
        spill.add_bytes(*named_file(job.base_folder, keys.offsets), *named_file(job.base_folder, keys.bytes))
    elif keys.kind is KeyKind.UUID:
        spill.add_uuids(*named_file(job.base_folder, keys.values))


def write_key_files(job: Job, work: TableWork, spilled: SpilledKeys) -> Keys:
    """Write the key files of a table whose rows are numbered.

    Raises:
        UserError: ``GRAPH021`` when two rows have the same key.
    """
    rows = spilled.stem + ".rows"
    if work.fresh and work.fresh.inverse:
        rows = job.temporary("rows")
        fresh = work.fresh
        _native.translate_parents(
            spilled.stem + ".rows",
            spilled.shape.num_keys,
            fresh.inverse,
            fresh.count,
            fresh.first,
            rows,
            job.stage_bytes,
        )
    source = _native.KeySource(spilled.stem, rows, spilled.shape, job.stage_bytes, spilled.name)
    kind = _kind_of(spilled.shape)
    folder = ("nodes", path_name(work.name))
    path = {n: job.path(*folder, f"keys.{n}") for n in ("direct", "slots", "values", "offsets", "bytes")}
    keys = Keys(kind, work.table.primary_key, key_dtypes(work.table))
    if kind is KeyKind.DIRECT:
        direct = job.file(path["direct"], _native.write_key_direct(source, path["direct"]))
        keys = replace(keys, first=spilled.shape.least, direct=direct)
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
