"""Accuracy of the ladder on the real data sets: mean and spread over seeds, chosen on val.

    python bench/accuracy.py [--seeds 5] [--only TEXT] [--json FILE]

Reads the folder that WEFT_TEST_DATA names. Every run is the command a user would type, in a process of its
own, so seconds and memory are those of a whole run; the first seed runs in an empty project. The score is the
test score of the candidate that is best on val. The data sets' licences allow measuring, not shipping.

A row "alone" is of the search over networks, without any other rung. A row "shop" is of the generated shop,
held against its best possible score. What is to be reached is reached when the mean is there; "within sd"
says that the mean falls short by less than the spread over seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
LOWER_IS_BETTER = {"mae", "rmse"}
ALONE = ["--models", "network", "--budget", "5m"]
NETWORKS = {"blend", "graph_transformer", "hybrid", "id_gnn", "network", "relgnn", "sage", "two_tower"}


@dataclass
class Row:
    """One line of the table: a task under a history."""

    name: str
    history: str
    metric: str
    value: float
    sd: float
    val: float
    reach: float | None
    reached: str
    seconds: float
    cpu_s: float
    memory_gb: float
    limits: dict[str, float]
    models: list[str]
    values: list[float] = field(default_factory=list)
    against: dict[str, Any] = field(default_factory=dict)
    over_plain: list[float] | None = None


def main() -> int:
    """Run every task and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="tasks whose name and history contain this text")
    parser.add_argument("--json", help="file for the rows as JSON")
    options = parser.parse_args()
    data = os.environ.get("WEFT_TEST_DATA")
    if not data:
        print("WEFT_TEST_DATA is not set: the real data sets are not here", file=sys.stderr)
        return 1
    rows = []
    for name, measured in measurements(Path(data), options.seeds):
        if options.only in name:
            rows.append(measured())
            print(line(rows[-1]), flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps({"rows": [asdict(r) for r in rows]}, indent=1))
    return 0


def measurements(data: Path, seeds: int) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Name every row, and say how it is measured."""
    for task in yaml.safe_load((HERE / "tasks.yaml").read_text()):
        if "users" in task:
            yield task["name"], partial(measure_shop, task, seeds)
            continue
        for history in task.get("reach", {"seed_time": None}):
            yield f"{task['name']} {history}", partial(measure, task, history, data, seeds)
        for history, reach in task.get("alone", {}).items():
            alone = task | {"name": f"{task['name']} alone", "reach": {history: reach}, "extra": ALONE}
            alone.pop("seconds", None)
            yield f"{alone['name']} {history}", partial(measure, alone, history, data, seeds)


def measure_shop(task: dict[str, Any], seeds: int) -> Row:
    """Run the demo for all seeds: the same shop, held against the best that can be reached on it."""
    answers, costs = [], []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory(prefix="weft-accuracy-") as place:
            command = ["demo", "shop", "--users", str(task["users"]), "--seed", str(seed), "--json"]
            answer, cost = call(command, Path(place), f"{task['name']}, seed {seed}")
        answers.append(answer)
        costs.append(cost)
    # A seed is a shop of its own, so what is to be reached differs as well.
    best = sum(a["best_possible"] for a in answers) / len(answers)
    return summarize(task | {"reach": {"seed_time": best - task["within"]}}, "seed_time", answers, costs)


def measure(task: dict[str, Any], history: str, data: Path, seeds: int) -> Row:
    """Run one task for all seeds."""
    with tempfile.TemporaryDirectory(prefix="weft-accuracy-") as place:
        project = Path(place)
        settings = {"source": str(data / task["folder"])}
        settings |= {k: task[k] for k in ("tables", "links") if k in task}
        (project / "weft.yaml").write_text(yaml.safe_dump(settings))
        answers, costs = [], []
        for seed in range(seeds):
            answer, cost = run(task, history, project, seed)
            answers.append(answer)
            costs.append(cost)
    return summarize(task, history, answers, costs)


def run(
    task: dict[str, Any], history: str, project: Path, seed: int
) -> tuple[dict[str, Any], dict[str, float]]:
    """Run the command once; return its answer and what it cost."""
    command = ["quickstart", str(project), "--json", "--seed", str(seed)]
    command += ["--query", " ".join(task["query"].split()), "--history", history]
    for name, value in task["splits"].items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    return call(command + task.get("extra", []), project, f"{task['name']}, {history}, seed {seed}")


def call(command: list[str], folder: Path, name: str) -> tuple[dict[str, Any], dict[str, float]]:
    """Run a command of Weft that prints JSON; return its answer and what it cost."""
    started = time.monotonic()
    command = [sys.executable, "-m", "weft", *command]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True)
        out = process.stdout.read()  # type: ignore[union-attr]
        _, status, usage = os.wait4(process.pid, 0)
        errors.seek(0)
        if status:
            raise SystemExit(f"{name} failed:\n{errors.read()}\n{out}")
    cost = {
        "seconds": time.monotonic() - started,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "memory_gb": usage.ru_maxrss * 1024 / 1e9,
    }
    return json.loads(out), cost


def summarize(
    task: dict[str, Any], history: str, answers: list[dict[str, Any]], costs: list[dict[str, float]]
) -> Row:
    """Reduce the seeds to a mean and a spread, and hold it against what is to be reached."""
    best = [next(r for r in a["leaderboard"] if r["model"] == a["winner"]["model"]) for a in answers]
    values = [r["test"] for r in best]
    mean = sum(values) / len(values)
    sd = (sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1)) ** 0.5
    reach = task.get("reach", {}).get(history)
    metric = best[0]["metric"]
    sign = -1 if metric in LOWER_IS_BETTER else 1
    against = answers[0].get("comparisons", {}) if "above" in task else {}
    return Row(
        name=task["name"],
        history=history,
        metric=metric,
        value=mean,
        sd=sd,
        val=sum(r["val"] for r in best) / len(best),
        reach=reach,
        reached="" if reach is None else _reached(sign * (mean - reach), sd),
        seconds=costs[0]["seconds"],
        cpu_s=costs[0]["cpu_s"],
        memory_gb=max(c["memory_gb"] for c in costs),
        limits={k: task[k] for k in ("seconds", "memory_gb") if k in task},
        models=[r["model"] for r in best],
        values=values,
        against={k: v for k, v in against.items() if k in task.get("above", [])},
        over_plain=_over_plain(answers, sign) if "above" in task else None,
    )


def line(row: Row) -> str:
    """Write one row for people."""
    reach = "" if row.reach is None else f"  reach {row.reach:.4g} {row.reached}"
    against = "".join(
        f"  over {k} {v['difference']:+.4f} [{v['low']:+.4f}, {v['high']:+.4f}]"
        for k, v in row.against.items()
    )
    if row.over_plain:
        against += f"  over the best rung without torch {', '.join(f'{d:+.4f}' for d in row.over_plain)}"
    seconds, memory = (_within(row.limits.get(k)) for k in ("seconds", "memory_gb"))
    return (
        f"{row.name:<24} {row.history:<10} {row.metric:<8} "
        f"test {row.value:.4f} ± {row.sd:.4f}  val {row.val:.4f}"
        f"{reach}{against}  cold {row.seconds:.0f}{seconds} s, {row.cpu_s:.0f} CPU-s, "
        f"{row.memory_gb:.2f}{memory} GB  {', '.join(sorted(set(row.models)))}"
    )


def _reached(above: float, sd: float) -> str:
    """Say whether a mean is at least what was to be reached."""
    if above >= 0:
        return "yes"
    return "within sd" if above >= -sd else "NO"


def _over_plain(answers: list[dict[str, Any]], sign: int) -> list[float]:
    """Return what the best network gains on test over the best rung without torch, both chosen on val."""
    gains = []
    for answer in answers:
        networks, plain = [], []
        for one in answer["leaderboard"]:
            if one["val"] is not None and one["test"] is not None:
                (networks if one["model"].split(":")[0] in NETWORKS else plain).append(one)
        best = [max(rows, key=lambda r: sign * r["val"])["test"] for rows in (networks, plain) if rows]
        gains += [sign * (best[0] - best[1])] if len(best) == 2 else []
    return gains


def _within(limit: float | None) -> str:
    return "" if limit is None else f" of {limit:g}"


if __name__ == "__main__":
    sys.exit(main())
