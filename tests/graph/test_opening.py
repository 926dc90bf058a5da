"""An opened graph: values, times, refusals by name, and what is left after damage."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from toy_graph import Toy, ToyLink, ToyTable, write_toy

from weft.core import UserError
from weft.graph import Residency, SampleOptions, Sampler, Store, Strategy
from weft.graph.manifest import read_manifest, write_manifest


@pytest.fixture
def toy():
    times = [5, 3, None, 9, 1, 7]
    return Toy(
        [ToyTable("user", [None, None]), ToyTable("event", times, order_by=0, unit_factor=3)],
        [ToyLink(1, 0, [0, 1, 0, None, 1, 0])],
    )


@pytest.fixture
def folder(toy, tmp_path):
    write_toy(toy, tmp_path / "graph")
    return tmp_path / "graph"


@pytest.mark.parametrize("residency", list(Residency))
def test_values_times_and_prepared_rows(toy, folder, residency):
    store = Store(folder, residency=residency)
    source = toy.source[1]
    rows = np.arange(6)
    assert store.source_rows("event", rows).tolist() == source
    assert store.values("event", rows)["value"].tolist() == [s + 0.5 for s in source]
    none = np.iinfo(np.int64).min
    wanted = [none if toy.tables[1].times[s] is None else toy.tables[1].times[s] for s in source]
    assert store.times_us("event", rows).tolist() == wanted
    assert store.values("event", [])["value"].shape == (0,)


def test_rows_and_tables_that_do_not_exist_are_refused(folder):
    store = Store(folder)
    with pytest.raises(UserError, match=r"GRAPH040.*has no row 6"):
        store.values("event", [6])
    with pytest.raises(UserError, match=r"GRAPH040.*a key that no row has"):
        store.values("event", [0xFFFFFFFF])
    with pytest.raises(UserError, match="GRAPH040"):
        store.times_us("event", [-1])
    with pytest.raises(UserError, match=r"GRAPH042[^$]*user, event"):
        store.values("basket", [0])
    with pytest.raises(UserError, match="GRAPH042"):
        store.dictionary("event", "value")


@pytest.mark.parametrize(
    "options",
    [
        {"fanouts": ()},
        {"fanouts": (1,) * 7},
        {"fanouts": (-2,)},
        {"fanouts": ({"link0": 1.5},)},
        {"fanouts": ({"event.user -> user": 1},)},
        {"crossed": ("basket",)},
        {"columns": ("basket",)},
        {"seed": -1},
    ],
)
def test_options_that_do_not_fit_are_refused(folder, options):
    with pytest.raises(UserError, match="GRAPH042"):
        Sampler(Store(folder), SampleOptions(**options))


def test_a_window_needs_a_length():
    with pytest.raises(UserError, match=r"GRAPH042.*window_us"):
        Strategy("window")


def files(folder: Path):
    return sorted(p for p in folder.rglob("*") if p.is_file())


def use_everything(folder: Path) -> None:
    store = Store(folder)
    Sampler(store, SampleOptions((-1, -1))).sample("user", [0, 1], [100, 100])
    for table in ("user", "event"):
        store.values(table, np.arange(store.table(table).num_rows))
    store.verify()


@pytest.mark.parametrize("residency", list(Residency))
def test_every_damaged_file_is_refused_by_name(folder, tmp_path, residency):
    use_everything(folder)
    for index, path in enumerate(files(folder)):
        size = path.stat().st_size
        spoils = {
            "truncated": lambda b: b[: len(b) // 2],
            "empty": lambda b: b"",
            "foreign": lambda b: b"PAR1" + b[4:],
            "newer": lambda b: b[:8] + b"\x02" + b[9:],
            "flipped": lambda b: b[:-3] + bytes([b[-3] ^ 4]) + b[-2:],
        }
        for name, spoil in spoils.items():
            copy = tmp_path / f"{index}-{name}"
            shutil.copytree(folder, copy)
            target = copy / path.relative_to(folder)
            target.write_bytes(spoil(path.read_bytes()))
            with pytest.raises(UserError, match="GRAPH00") as caught:
                use_everything(copy)
            assert path.name in str(caught.value), (name, size)


def test_a_file_of_another_graph_is_refused(folder, toy, tmp_path):
    toy.tables[1].times[0] = 6
    write_toy(toy, tmp_path / "other")
    shutil.copy(tmp_path / "other/nodes/event/0/time.bin", folder / "nodes/event/0/time.bin")
    with pytest.raises(UserError, match=r"GRAPH005.*time\.bin"):
        Store(folder)


def test_a_manifest_of_other_sizes_is_refused(folder):
    import dataclasses

    layout = read_manifest(folder)
    table = layout.tables[1]
    shorter = dataclasses.replace(table.segments[0], num_rows=5)
    table = dataclasses.replace(table, segments=(shorter,), num_rows=5)
    write_manifest(folder, dataclasses.replace(layout, tables=(layout.tables[0], table)))
    with pytest.raises(UserError, match=r"GRAPH006.*6 items.*promises 5"):
        Store(folder)


def test_folders_without_a_graph_are_refused(tmp_path, folder):
    with pytest.raises(UserError, match="GRAPH007"):
        Store(tmp_path / "nowhere")
    with pytest.raises(UserError, match="GRAPH007"):
        Store(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "an app"}))
    with pytest.raises(UserError, match="GRAPH007"):
        Store(tmp_path)
    manifest = folder / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"version": 2', '"version": 9'))
    with pytest.raises(UserError, match=r"GRAPH002.*version 9"):
        Store(folder)
    manifest.write_text(text.replace('"num_rows":6', '"num_rows":7'))
    with pytest.raises(UserError, match="GRAPH008"):
        Store(folder)
