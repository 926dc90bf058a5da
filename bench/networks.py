"""What a network costs: an epoch at RelBench's settings, what feeds it, inference, and the estimate of steps.

    python bench/networks.py [--only epoch|cost|compile] [--json FILE]

Reads the folder that WEFT_TEST_DATA names and runs one job on `rel_f1`, driver-position, up to the fit of the
network, whose place the measurements take. `epoch`: `sage` with 128 channels, fanouts of 128 and 64 and 512
seeds a batch, on one thread; inference also with the usual settings. `cost`: CPU seconds of steps beside what
`weft.learn.networks.cost` estimates, and the constants that fit best. `compile`: steps with `torch.compile`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from scipy.optimize import nnls

import weft
from weft.core import peak_memory_bytes, reset_peak_memory
from weft.learn.networks import cost
from weft.learn.networks.batch import NetworkBatch
from weft.learn.networks.fitting import Fit
from weft.learn.networks.predictor import predict
from weft.learn.networks.training import Trainer

HERE = Path(__file__).parent
TASK = "rel_f1 driver-position"
RELBENCH = {"channels": 128, "fanouts": (128, 64), "batch_size": 512}
REACH = {"epoch_cpu_s": 15.0, "memory_gb": 2.0, "fed_share": 0.10, "entities_per_s": 5_000.0}
SIZES = (
    (32, (8, 4), 128),
    (64, (8, 4), 256),
    (64, (16,), 512),
    (64, (16, 8), 256),
    (128, (16,), 512),
    (128, (8, 4), 512),
)
NETWORKS = ("sage", "relgnn", "graph_transformer")


class Measured(Exception):
    """Ends the job: what was wanted of it is known."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=tuple(PARTS), default="")
    parser.add_argument("--json", help="file for the rows as JSON")
    options = parser.parse_args()
    data = os.environ.get("WEFT_TEST_DATA")
    if not data:
        print("WEFT_TEST_DATA is not set: the real data sets are not here", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    told: dict[str, Any] = {}
    fit = catch_fit(Path(data))
    for name, measure in PARTS.items():
        if options.only in ("", name):
            told[name] = measure(fit)
    if options.json:
        Path(options.json).write_text(json.dumps(told, indent=1))
    return 0


def catch_fit(data: Path) -> Fit:
    """Run the job up to the fit of the network, and return that fit."""
    task = next(t for t in yaml.safe_load((HERE / "tasks.yaml").read_text()) if t["name"] == TASK)
    caught: list[Fit] = []

    def catch(self: Fit, *_: Any) -> Any:
        caught.append(self)
        raise Measured

    run, Fit.run = Fit.run, catch  # type: ignore[method-assign]
    folder = tempfile.mkdtemp(prefix="weft-networks-")
    graph = weft.connect(str(data / task["folder"]), project=folder).graph()
    try:
        graph.query(" ".join(task["query"].split())).fit(models=("sage",), **task["splits"])
    except Exception as error:
        if not caught:
            raise error
    finally:
        Fit.run = run  # type: ignore[method-assign]
    return caught[0]


def with_config(fit: Fit, name: str, **config: Any) -> Fit:
    """Return the same fit of another configuration."""
    other = Fit.__new__(Fit)
    other.__dict__.update(fit.__dict__)
    other.name, other.config = name, replace(fit.config, budget_s=0.0, **config)
    return other


def measure_epoch(fit: Fit) -> dict[str, float]:
    """Measure an epoch of `sage` at RelBench's settings, and inference."""
    reset_peak_memory()
    with tempfile.TemporaryDirectory() as folder:
        fitted = with_config(fit, "sage", epochs=1, **RELBENCH)
        trainer = fitted._trainer(Path(folder))
        trainer._start()
        size, order = RELBENCH["batch_size"], trainer.course.rows.order(0)
        parts = [order[i : i + size] for i in range(0, len(order), size)]
        spent = {"sample": 0.0, "encode": 0.0, "step": 0.0}
        feeder = trainer.course.feeder
        for number, part in enumerate(parts):
            began = time.process_time()
            sampled = feeder.neighborhoods.sample(
                feeder.table, trainer.course.train.rows[part], trainer.course.train.cutoffs_us[part], epoch=0
            )
            drawn = time.process_time()
            batch = feeder.maker.make(
                sampled, trainer.course.train.terms[part], trainer.course.train.targets[part]
            )
            made = time.process_time()
            trainer._stepper.step([batch], len(part), number)
            done = time.process_time()
            spent["sample"] += drawn - began
            spent["encode"] += made - drawn
            spent["step"] += done - made
    told = {
        "train_rows": float(len(order)),
        "epoch_cpu_s": sum(spent.values()),
        "sample_cpu_s": spent["sample"],
        "encode_cpu_s": spent["encode"],
        "fed_share": (spent["sample"] + spent["encode"]) / sum(spent.values()),
        "memory_gb": peak_memory_bytes() / 1e9,
    }
    told["entities_per_s_of_wide"] = infer(trainer)
    with tempfile.TemporaryDirectory() as folder:
        told["entities_per_s"] = infer(with_config(fit, "sage")._trainer(Path(folder)))
    for name, value in told.items():
        reach = REACH.get(name)
        print(f"{name:<16} {value:>10,.3f}" + (f"   of {reach:g}" if reach else ""), flush=True)
    return told


def infer(trainer: Trainer) -> float:
    """Return how many entities a CPU second predicts for, all of train and val."""
    began = time.process_time()
    for seeds in (trainer.course.train, trainer.course.val):
        predict(trainer.network, trainer.course.feeder, seeds, trainer.device)
    return (len(trainer.course.train) + len(trainer.course.val)) / (time.process_time() - began)


def steps_of(fit: Fit, name: str, num: int, **config: Any) -> tuple[list[NetworkBatch], list[float]]:
    """Make some steps; return their batches, and the CPU seconds of each step alone."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = with_config(fit, name, epochs=1, **config)._trainer(Path(folder))
        trainer._start()
        order, size = trainer.course.rows.order(0), trainer.config.batch_size
        parts = [order[i * size : (i + 1) * size] for i in range(num)]
        batches = [trainer.course.feeder.make(trainer.course.train, part, 0) for part in parts if len(part)]
        spent = []
        for number, batch in enumerate(batches):
            began = time.process_time()
            trainer._stepper.step([batch], len(batch.seeds), number)
            spent.append(time.process_time() - began)
        return batches, spent


def measure_cost(fit: Fit) -> list[dict[str, Any]]:
    """Compare steps of several configurations with their estimates, and fit the constants to them."""
    rows = []
    for name in NETWORKS:
        for channels, fanouts, size in SIZES:
            config = {"channels": channels, "fanouts": fanouts, "batch_size": size}
            batches, spent = steps_of(fit, name, 4, **config)
            seconds = min(spent[1:])
            work = cost.work_of(batches[1 + spent[1:].index(seconds)], channels)
            rows.append({"name": name, **config, "seconds": seconds, "work": work})
            told = f"{name:<18} {channels:>4} {fanouts!s:>10} {size:>4}  {seconds:>8.4f} s"
            print(f"{told}  estimated {cost.seconds_of(name, work):.4f}", flush=True)
    for name in NETWORKS:
        own = [row for row in rows if row["name"] == name]
        # Relative errors count, so that small steps are fitted as well as large ones.
        seconds = np.array([[row["seconds"]] for row in own])
        design = np.array([[1.0, *row["work"]] for row in own]) / seconds
        fitted, _ = nnls(design, np.ones(len(own)))
        off = design @ fitted
        told = ", ".join(f"{c:.2g}" for c in fitted)
        print(f"{name}: ({told}) estimates {off.min():.2f} to {off.max():.2f} times what was measured")
    return rows


def measure_compiled(fit: Fit) -> dict[str, float]:
    """Compare steps with and without `torch.compile`."""
    told = {}
    for compiled in (False, True):
        began = time.perf_counter()
        _, spent = steps_of(fit, "sage", 12, batch_size=512, compiled=compiled)
        word = "compiled" if compiled else "plain"
        told[f"{word}_first_s"] = spent[0]
        told[f"{word}_step_s"] = float(np.median(spent[6:]))
        told[f"{word}_all_s"] = time.perf_counter() - began
    for name, value in told.items():
        print(f"{name:<18} {value:>8.3f}")
    return told


PARTS: dict[str, Callable[[Fit], Any]] = {
    "epoch": measure_epoch,
    "cost": measure_cost,
    "compile": measure_compiled,
}

if __name__ == "__main__":
    sys.exit(main())
