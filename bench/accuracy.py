"""Accuracy of the ladder on the real data sets: mean and spread over seeds, chosen on val.

    python bench/accuracy.py [--seeds 5] [--only TEXT] [--json FILE]

Reads the folder that WEFT_TEST_DATA names. Every run is the command a user would type, in a process of its
own, so seconds and memory are those of a whole run; the first seed runs in an empty project. The score is the
test score of the candidate that is best on val. The data sets' licences allow measuring, not shipping.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
LOWER_IS_BETTER = {"mae", "rmse"}


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
    is_reached: bool | None
    seconds: float
    cpu_s: float
    memory_gb: float
    limits: dict[str, float]
    models: list[str]
    values: list[float] = field(default_factory=list)
    against: dict[str, Any] = field(default_factory=dict)


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
    for task in yaml.safe_load((HERE / "tasks.yaml").read_text()):
        for history in task.get("reach", {"seed_time": None}):
            if options.only in f"{task['name']} {history}":
                row = measure(task, history, Path(data), options.seeds)
                rows.append(row)
                print(line(row), flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps({"rows": [asdict(r) for r in rows]}, indent=1))
    return 0


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
    command = [sys.executable, "-m", "weft", "quickstart", str(project), "--json", "--seed", str(seed)]
    command += ["--query", " ".join(task["query"].split()), "--history", history]
    for name, value in task["splits"].items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    out, error = process.stdout.read(), process.stderr.read()  # type: ignore[union-attr]
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{task['name']}, {history}, seed {seed} failed:\n{error}\n{out}")
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
    reached = None if reach is None else sign * (mean - reach) >= -sd
    against = answers[0].get("comparisons", {}) if "above" in task else {}
    return Row(
        name=task["name"],
        history=history,
        metric=metric,
        value=mean,
        sd=sd,
        val=sum(r["val"] for r in best) / len(best),
        reach=reach,
        is_reached=reached,
        seconds=costs[0]["seconds"],
        cpu_s=costs[0]["cpu_s"],
        memory_gb=max(c["memory_gb"] for c in costs),
        limits={k: task[k] for k in ("seconds", "memory_gb") if k in task},
        models=[r["model"] for r in best],
        values=values,
        against={k: v for k, v in against.items() if k in task.get("above", [])},
    )


def line(row: Row) -> str:
    """Write one row for people."""
    reach = "" if row.reach is None else f"  reach {row.reach:.4g} {'yes' if row.is_reached else 'NO'}"
    against = "".join(
        f"  over {k} {v['difference']:+.4f} [{v['low']:+.4f}, {v['high']:+.4f}]"
        for k, v in row.against.items()
    )
    seconds, memory = (_within(row.limits.get(k)) for k in ("seconds", "memory_gb"))
    return (
        f"{row.name:<24} {row.history:<10} {row.metric:<8} "
        f"test {row.value:.4f} ± {row.sd:.4f}  val {row.val:.4f}"
        f"{reach}{against}  cold {row.seconds:.0f}{seconds} s, {row.cpu_s:.0f} CPU-s, "
        f"{row.memory_gb:.2f}{memory} GB  {', '.join(sorted(set(row.models)))}"
    )


def _within(limit: float | None) -> str:
    return "" if limit is None else f" of {limit:g}"


if __name__ == "__main__":
    sys.exit(main())
