"""Prepared tables from columns, keys, times and links."""

import contextlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.core import Column, Dtype, Link, Resources, Schema, Stype, Table
from weft.data.prepare import prepare_tables
from weft.data.prepare.casts import source_dtype
from weft.data.tables import Tables

RESOURCES = Resources(1_000_000_000, 2)


def stype_of(dtype: Dtype, is_key: bool) -> Stype:
    if is_key:
        return Stype.ID
    if dtype is Dtype.TIMESTAMP:
        return Stype.TIMESTAMP
    return Stype.NUMERICAL if dtype in (Dtype.INT, Dtype.FLOAT) else Stype.CATEGORICAL


@pytest.fixture
def prepare(tmp_path):
    """Prepare tables: ``{name: (columns, key, time)}`` and links written as in a project file."""
    with contextlib.ExitStack() as opened:

        def prepare_all(tables, links=(), ids=(), categories=()):
            made = {n: pa.table(c) for n, (c, _, _) in tables.items()}
            keys = {n: (k,) if isinstance(k, str) else tuple(k) for n, (_, k, _) in tables.items()}
            joined = []
            for text in links:
                child, parent = text.split(" -> ")
                table, column = child.split(".")
                joined.append(Link(table, (column,), parent, keys[parent]))
            linked = {(k.table, k.columns[0]) for k in joined} | set(ids)
            described = []
            for name, (_, _, time) in tables.items():
                columns = []
                for field in made[name].schema:
                    dtype = source_dtype(field.type)
                    is_key = field.name in keys[name] or (name, field.name) in linked
                    stype = stype_of(dtype, is_key)
                    if (name, field.name) in categories:
                        stype = Stype.CATEGORICAL
                    columns.append(Column(field.name, dtype, stype))
                described.append(Table(name, tuple(columns), keys[name], time))
            paths = {}
            for name, table in made.items():
                paths[name] = tmp_path / f"{name}.raw.parquet"
                pq.write_table(table, paths[name])
            schema = Schema(tuple(described), tuple(joined))
            info = prepare_tables(paths, schema, tmp_path, resources=RESOURCES)
            files = {n: tmp_path / f for n, f in info.files.items()}
            return opened.enter_context(Tables(info.schema, files, RESOURCES, tmp_path / "scratch"))

        yield prepare_all
