"""Real databases, opened by way of their manifests, and a small shop."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from weft.core import ROW, TIME, Column, Dtype, Link, Schema, Stype, Table
from weft.data.prepare.casts import source_dtype
from weft.testing.tiny import ARROW_TYPES, open_frames

CODES = re.compile(r"(TypeId|statusId)$")


def stype_of(name: str, dtype: Dtype, is_key: bool) -> Stype:
    if is_key:
        return Stype.ID
    if dtype is Dtype.TIMESTAMP:
        return Stype.TIMESTAMP
    if dtype in (Dtype.INT, Dtype.FLOAT) and not CODES.search(name):
        return Stype.NUMERICAL
    return Stype.CATEGORICAL


def open_real(folder: Path, directory: Path, keys: dict, times: dict, links: list[Link]):
    """Prepare a folder of Parquet files in which every key and time is in order."""
    frames, tables = {}, []
    for path in sorted(folder.glob("*.parquet")):
        name, raw = path.stem, pq.read_table(path)
        in_links = {c for k in links if k.table == name for c in k.columns}
        columns = tuple(
            Column(
                f.name,
                source_dtype(f.type),
                stype_of(f.name, source_dtype(f.type), f.name in in_links or f.name in keys.get(name, ())),
            )
            for f in raw.schema
        )
        tables.append(Table(name, columns, keys.get(name, ()), times.get(name)))
        cast = pa.table({c.name: raw[c.name].cast(ARROW_TYPES[c.dtype]) for c in columns})
        time = cast[times[name]] if name in times else pa.nulls(cast.num_rows, pa.timestamp("us"))
        frame = cast.append_column(ROW, pa.array(range(cast.num_rows), pa.int64())).append_column(TIME, time)
        frames[name] = frame.filter(pc.is_valid(frame[times[name]])) if name in times else frame
    return open_frames(Schema(tuple(tables), tuple(links)), frames, directory, memory_bytes=2 * 10**9)


def expected_keys(folder: Path) -> tuple[dict, dict, list[Link]]:
    expected = yaml.safe_load((folder / "expected.yaml").read_text())
    keys = {t: (k,) if isinstance(k, str) else tuple(k) for t, k in expected["primary_keys"].items()}
    links = []
    for text in expected["links"]:
        table, column, parent = re.match(r"(\w+)\.(\w+) -> (\w+)", text).groups()
        links.append(Link(table, (column,), parent, keys[parent]))
    return keys, expected["time_columns"], links


@pytest.fixture(scope="session")
def rel_f1(real_data, tmp_path_factory):
    keys, times, links = expected_keys(real_data / "rel_f1")
    with open_real(
        real_data / "rel_f1" / "db", tmp_path_factory.mktemp("rel_f1"), keys, times, links
    ) as tables:
        yield tables


@pytest.fixture(scope="session")
def travel(real_data, tmp_path_factory):
    keys, times, links = expected_keys(real_data / "travel")
    with open_real(real_data / "travel", tmp_path_factory.mktemp("travel"), keys, times, links) as tables:
        yield tables


@pytest.fixture(scope="session")
def travel_without_user_time(real_data, tmp_path_factory):
    keys, times, links = expected_keys(real_data / "travel")
    del times["users"]
    with open_real(real_data / "travel", tmp_path_factory.mktemp("timeless"), keys, times, links) as tables:
        yield tables
