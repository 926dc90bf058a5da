"""The packed rows of a table: which column lies where, and the bytes themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from weft.core import Column, Dtype, Schema, Stype, path_name
from weft.graph import _native
from weft.graph.build.dictionaries import Dictionaries
from weft.graph.build.job import Job, RowLayout, SegmentWork
from weft.graph.layout import File, PackedColumn, Section, Storage, TableLayout

_SIZE = {Storage.INT64: 8, Storage.FLOAT64: 8, Storage.FLOAT32: 4, Storage.INT32: 4, Storage.UINT8: 1}
_PACKING = {s: getattr(_native.Packing, s.value) for s in Storage}
_STORAGE = {p: s for s, p in _PACKING.items()}
_WIDENING = (Storage.FLOAT32, Storage.FLOAT64, Storage.INT64)


def offset_of(layout: RowLayout, column: PackedColumn) -> int:
    """Return where a column's first value lies in a row, in bytes."""
    section = next(s for s in layout.sections if s.storage is column.storage)
    return section.offset + column.position * _SIZE[column.storage]


def packed_columns(schema: Schema, table: str) -> list[Column]:
    """Return the columns of a table that are packed: not its keys, foreign keys and ids."""
    one = schema.table(table)
    keys = {*one.primary_key, *(c for k in schema.links_from(table) for c in k.columns)}
    return [c for c in one.columns if c.name not in keys and c.stype is not Stype.ID]


def is_coded(column: Column) -> bool:
    """Say whether the values of a column are stored as codes."""
    return _first_storage(column) is Storage.INT32


def is_widened(column: Column) -> bool:
    """Say whether how a column is stored depends on its values."""
    return column.dtype in (Dtype.INT, Dtype.FLOAT) and column.stype is Stype.NUMERICAL


def _first_storage(column: Column) -> Storage:
    if column.dtype is Dtype.VECTOR:
        return Storage.FLOAT32
    if column.dtype is Dtype.BOOL:
        return Storage.UINT8
    if column.dtype is Dtype.TIMESTAMP:
        return Storage.INT64
    return Storage.FLOAT32 if is_widened(column) else Storage.INT32


def lay_out(columns: Sequence[PackedColumn]) -> RowLayout:
    """Place columns side by side, values of the same storage together, wide ones first.

    The stride is a power of two up to 64 bytes, so that a row never straddles two cache lines, and a
    multiple of 32 beyond.
    """
    sections, placed = [], []
    end = 0
    for storage in Storage:
        mine = [c for c in columns if c.storage is storage]
        width = 0
        for column in mine:
            placed.append(replace(column, position=width))
            width += column.width
        if mine:
            sections.append(Section(storage, end, width))
            end += width * _SIZE[storage]
    order = {c.name: i for i, c in enumerate(columns)}
    placed.sort(key=lambda c: order[c.name])
    stride = 0 if not end else max(8, 1 << (end - 1).bit_length()) if end <= 64 else -(-end // 32) * 32
    return RowLayout(stride, tuple(sections), tuple(placed))


def plan_rows(job: Job, segment: SegmentWork, columns: Sequence[Column]) -> tuple[PackedColumn, ...]:
    """Guess how columns are stored from the first rows of a segment; `pack_rows` finds out."""
    first = next(
        iter(job.rows(segment.table.name, [c.name for c in columns], segment.first, segment.count)), None
    )
    plan = []
    for place, column in enumerate(columns):
        storage, width = _first_storage(column), 1
        if first is not None and is_widened(column):
            storage = _STORAGE[_native.width_of(first, place)]
        if column.dtype is Dtype.VECTOR:
            width = _vector_width(job, segment, column)
        dictionary = () if storage is Storage.INT32 else None
        plan.append(PackedColumn(column.name, column.dtype, column.stype, storage, 0, width, dictionary))
    return tuple(plan)


def plan_table(
    job: Job, segments: Sequence[SegmentWork], columns: Sequence[Column]
) -> tuple[PackedColumn, ...]:
    """Return how columns are stored in all segments: a guess for one, what keeps all for several."""
    if len(segments) == 1:
        return plan_rows(job, segments[0], columns)
    work = segments[0].table
    whole = SegmentWork(work, 0, 0, work.num_rows)
    return survey_numbers(job, whole, plan_rows(job, whole, columns))


def _vector_width(job: Job, segment: SegmentWork, column: Column, otherwise: int = 1) -> int:
    for batch in job.rows(segment.table.name, [column.name], segment.first, segment.count):
        length = _native.first_vector_length(batch, 0)
        if length >= 0:
            return max(1, length)
    return otherwise


def pack_rows(
    job: Job, segment: SegmentWork, plan: tuple[PackedColumn, ...], dictionaries: Dictionaries
) -> tuple[RowLayout, File] | None:
    """Write the rows of a segment; return how and where.

    Returns ``None`` when a number did not fit the storage that was planned for it, or a dictionary did not
    fit into memory, which is then known to ``dictionaries``.

    Raises:
        UserError: ``GRAPH022`` for vectors of differing lengths, ``GRAPH023`` for a number that stands for
            null, ``GRAPH029`` for too many different values.
    """
    layout = lay_out(plan)
    names = [c.name for c in layout.columns]
    path = job.path("nodes", path_name(segment.table.name), str(segment.number), "rows.bin")
    writer = _native.RowWriter(
        path,
        layout.stride,
        segment.count,
        segment.inverse,
        segment.first,
        job.temporary("rows"),
        job.stage_bytes,
    )
    packs = [_pack(layout, c, place, segment, dictionaries) for place, c in enumerate(layout.columns)]
    packer = _native.RowPacker(layout.stride, packs, writer, job.threads)
    for batch in job.rows(segment.table.name, names, segment.first, segment.count):
        if not packer.add(batch) or not dictionaries.fit():
            return None
    return layout, job.file(path, writer.finish())


def _pack(
    layout: RowLayout, column: PackedColumn, place: int, segment: SegmentWork, dictionaries: Dictionaries
) -> _native.PackColumn:
    return _native.PackColumn(
        place,
        _PACKING[column.storage],
        offset_of(layout, column),
        column.width,
        f"{segment.table.name}.{column.name}",
        dictionaries.held.get(column.name),
        dictionaries.codes.get(column.name, ""),
    )


def survey_numbers(
    job: Job, segment: SegmentWork, plan: tuple[PackedColumn, ...]
) -> tuple[PackedColumn, ...]:
    """Read every number of a segment and return the plan with the storage that keeps all."""
    columns = [
        c for c in plan if c.storage in _WIDENING and c.width == 1 and c.dtype in (Dtype.INT, Dtype.FLOAT)
    ]
    widest = {c.name: c.storage for c in columns}
    names = list(widest)
    for batch in job.rows(segment.table.name, names, segment.first, segment.count) if names else ():
        for place, name in enumerate(names):
            found = _STORAGE[_native.width_of(batch, place)]
            widest[name] = max(widest[name], found, key=_WIDENING.index)
    return tuple(replace(c, storage=widest.get(c.name, c.storage)) for c in plan)


def fits_layout(job: Job, segment: SegmentWork, base: TableLayout) -> bool:
    """Say whether new rows of a table can be packed as an earlier build packed the others."""
    for column in base.columns:
        if column.dtype is Dtype.VECTOR:
            wanted = next(c for c in segment.table.table.columns if c.name == column.name)
            if _vector_width(job, segment, wanted, column.width) != column.width:
                return False
    return survey_numbers(job, segment, base.columns) == base.columns


def write_rows(
    job: Job, segment: SegmentWork, plan: tuple[PackedColumn, ...], dictionaries: Dictionaries
) -> tuple[RowLayout, File]:
    """Write the rows of a segment, again where the first attempt found that something did not fit."""
    packed = pack_rows(job, segment, plan, dictionaries)
    while packed is None:
        if dictionaries.fit():
            plan = survey_numbers(job, segment, plan)
        else:
            dictionaries.move_largest_to_disk()
        dictionaries.restart()
        packed = pack_rows(job, segment, plan, dictionaries)
    return packed
