"""Where a graph is written: links are followed, and what cannot be written says why."""

import pytest
from build_kit import MemoryReader

from weft.core import ROW, TIME, Column, Dtype, Resources, Schema, Stype, Table, UnavailableError
from weft.graph import Store, materialize

SCHEMA = Schema((Table("user", (Column("id", Dtype.INT, Stype.ID),), ("id",)),), ())
RESOURCES = Resources(100_000_000, 1)


def write(target, count=3):
    rows = {"user": [{"id": i, ROW: i, TIME: None} for i in range(count)]}
    materialize(MemoryReader(SCHEMA, rows), target, resources=RESOURCES)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path, is_there):
    if is_there:
        write(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link", 5)
    assert (tmp_path / "link").is_symlink()
    assert Store(tmp_path / "real").table("user").num_rows == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "real"]


def test_links_that_go_round_and_names_that_are_too_long_are_refused(tmp_path):
    (tmp_path / "round").symlink_to(tmp_path / "round")
    for target in (tmp_path / "round" / "graph", tmp_path / ("g" * 300)):
        with pytest.raises(UnavailableError, match="GRAPH010") as caught:
            write(target)
        assert "space" not in caught.value.hint
