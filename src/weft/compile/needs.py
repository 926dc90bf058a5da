"""What trials need of a machine, so that a cluster can pick one.

`python bench/needs.py PROJECT` prints what the trials of a project would be given and what they took, where
each ran in a process of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from weft.compile.programs.learning import GRAPH, SEARCH
from weft.core import Resources
from weft.flow.needs import Reading
from weft.learn import is_combining

# An interpreter with what trees or networks import, and room for half as much again.
_TREES = 400_000_000
_NETWORKS = 800_000_000
# Inputs as they are read, and what is made of them beside.
_COPIES = 3
# Numbers per row and channel of a step: the states of all layers, their gradients, and one more of each; with
# attention, also of what each row makes for the others.
_STATES = {"graph_transformer": 64}
_USUAL_STATES, _NUMBER = 8, 4
# Of the graph on disk per row, at least: a row is in a batch once, however often it is drawn.
_ROW = 32
_USUAL = {"batch_size": 512, "channels": 64, "fanouts": (32, 16)}


def trial_needs(reading: Reading) -> Resources:
    """Estimate the memory, threads and GPUs of a trial from its configuration and the sizes of its inputs.

    Half of the threads of the run, so that two trials go side by side on one machine; a GPU for one that
    reads the graph, where the run has any; memory at most that of the run.
    """
    read = _COPIES * sum(output.size_bytes for output in reading.inputs.values())
    most, rung = reading.most, reading.parameters["rung"]
    threads = max(1, most.threads // 2)
    if GRAPH not in reading.inputs:
        return Resources(min(_TREES + read, most.memory_bytes), threads)
    if is_combining(rung):
        return Resources(min(_NETWORKS + read, most.memory_bytes), threads)
    config = {**_USUAL, **_configuration(reading)}
    step = _step_bytes(config.get("network") or rung, config, reading.inputs[GRAPH].size_bytes)
    return Resources(min(_NETWORKS + read + step, most.memory_bytes), threads, min(1, most.gpus))


def _step_bytes(network: str, config: Mapping[str, Any], graph_bytes: int) -> int:
    """Bytes of a step of training; where rows attend to each other, seeds share none of them."""
    rows = config["batch_size"] * math.prod(config["fanouts"])
    if network not in _STATES:
        rows = min(rows, max(config["batch_size"], graph_bytes // _ROW))
    return int(rows * config["channels"] * _STATES.get(network, _USUAL_STATES) * _NUMBER)


def _configuration(reading: Reading) -> Mapping[str, Any]:
    """Return what a trial is configured with, also where a search has proposed it."""
    config: dict[str, Any] = reading.parameters["config"]
    if SEARCH not in reading.inputs:
        return config
    proposed = reading.inputs[SEARCH].value["configs"]
    return {**config, **proposed[config["place"]]} if config["place"] < len(proposed) else config
