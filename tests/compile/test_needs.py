"""What trials are estimated to need."""

from types import SimpleNamespace

import pytest

from weft.compile.needs import trial_needs
from weft.core import Resources
from weft.flow.needs import Reading

MOST = Resources(64 * 10**9, 8, gpus=2)


def reading(rung, config, *, most=MOST, **sizes):
    inputs = {label: SimpleNamespace(size_bytes=size, value={}) for label, size in sizes.items()}
    return Reading({"rung": rung, "config": config}, inputs, most)


def test_trees_need_what_they_read_and_no_gpu():
    small = trial_needs(reading("lightgbm", {}, encoded=10**7))
    large = trial_needs(reading("lightgbm", {}, encoded=10**9))
    assert large.memory_bytes - small.memory_bytes == pytest.approx(3 * 99 * 10**7)
    assert (small.threads, small.gpus) == (4, 0)


def test_networks_need_more_the_wider_they_are_and_a_gpu_where_there_is_one():
    graph = {"encoded": 10**7, "graph": 10**9}
    narrow, wide = (trial_needs(reading("sage", {"channels": c}, **graph)) for c in (32, 128))
    assert 10**9 < narrow.memory_bytes < wide.memory_bytes
    assert narrow.gpus == 1
    assert trial_needs(reading("sage", {}, most=Resources(10**10, 2), **graph)).gpus == 0
    assert trial_needs(reading("blend", {}, **graph)).gpus == 0


def test_a_batch_holds_a_row_once_so_a_small_graph_bounds_it():
    huge = {"batch_size": 512, "fanouts": [128, 64], "channels": 128}
    assert trial_needs(reading("sage", huge, graph=10**6)).memory_bytes < 10**9
    assert trial_needs(reading("sage", huge, graph=10**10)).memory_bytes > 10**10


def test_where_rows_attend_to_each_other_seeds_share_none():
    graph = {"graph": 10**5}
    shared, own = (trial_needs(reading(name, {}, **graph)) for name in ("sage", "graph_transformer"))
    assert own.memory_bytes > shared.memory_bytes + 512 * 32 * 16 * 64 * 4


def test_a_trial_of_a_search_needs_what_was_proposed_for_its_place():
    asked = reading("network", {"place": 1}, graph=10**9, search=0)
    asked.inputs["search"].value = {"configs": [{"channels": 8}, {"channels": 256}]}
    second = trial_needs(asked).memory_bytes
    assert second == trial_needs(reading("network", {"channels": 256}, graph=10**9)).memory_bytes
    asked.parameters["config"]["place"] = 5
    assert trial_needs(asked).memory_bytes < second


def test_never_more_is_asked_for_than_the_run_may_use():
    most = Resources(500_000_000, 1)
    assert trial_needs(reading("lightgbm", {}, most=most, encoded=10**12)) == most
