"""The graph engine: how fast it draws, gathers and builds, beside the machine's limits and its peers.

    python bench/graph.py [--scale 1.0] [--json FILE] [--work FOLDER] [--only PART,…] [--strict]

At scale 1 the graph has 11.1 M nodes and 40 M directed edges (`bench/graph_data.py`). Every measurement runs
in a process of its own, one thread unless its name says otherwise, and counts that process's CPU seconds;
a value is the median of its rounds. ``limit`` is what the machine itself does in the same run, ``target``
holds at full size. With ``--json`` the curves over sizes are drawn into files beside it. Peers that can be
imported take part: kumo-engine and pyg-lib.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Row = dict[str, Any]
POINTS = (0.01, 0.03, 0.1, 0.3, 1.0)
FRESH_ROUNDS = {"build": 5, "append": 5, "change": 5, "first": 5}
CURVE_ROUNDS = 3
PARTS = {
    "build": ("read", "build", "append", "change"),
    "draw": ("reads", "seeds", "first", "draw", "threads", "batches"),
    "gather": ("reads", "gather"),
    "service": ("service",),
    "topk": ("topk",),
    "peers": ("numpy", "diskgraph_build", "diskgraph", "pyg_lib"),
    "curve": ("curve",),
}


def main() -> int:
    """Run the bench; return 1 when a target is missed and ``--strict`` was given."""
    options = arguments()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as scratch:
        work = options.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        print(header(load))
        rows, curve = run(options, work)
    warn(load, rows)
    if options.json:
        write(options.json, rows, curve, load)
    missed = [r["name"] for r in rows if verdict(r) == "below"]
    print(f"below target: {', '.join(missed)}" if missed else "no target was missed")
    return 1 if missed and options.strict else 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size")
    parser.add_argument(
        "--threads", type=int, default=2, help="of a build, and of the search of the best items"
    )
    parser.add_argument("--memory-limit", default="192MiB", help="of a build")
    parser.add_argument("--rounds", type=int, default=7, help="repetitions of a measurement")
    parser.add_argument("--work", type=Path, help="folder to work in and keep; a temporary one by default")
    parser.add_argument("--only", default="", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("--json", type=Path, help="file for the rows as JSON; curves are drawn beside it")
    options = parser.parse_args()
    options.only = options.only.split(",") if options.only else list(PARTS)
    if unknown := [name for name in options.only if name not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return options


def run(options: argparse.Namespace, work: Path) -> tuple[list[Row], list[Row]]:
    """Run the parts; return their rows and the points of the curves."""
    stages = list(dict.fromkeys(stage for name in options.only for stage in PARTS[name]))
    needs_graph = set(stages) - {"reads", "gather", "topk", "curve"}
    if needs_graph:
        call("tables", setting(options, work, options.scale))
        if "build" not in stages:
            call("build", setting(options, work, options.scale))
    rows: list[Row] = []
    for stage in stages:
        if stage != "curve":
            rounds = min(FRESH_ROUNDS.get(stage, 1), options.rounds)
            rows += show(finish(measured(stage, setting(options, work, options.scale), rounds), rows))
    curve = points(options, work) if "curve" in stages else []
    return rows + show(slopes(curve)), curve


def setting(options: argparse.Namespace, work: Path, scale: float) -> str:
    """Write what a stage is told."""
    same = {name: getattr(options, name) for name in ("threads", "memory_limit", "rounds")}
    return json.dumps({"work": str(work), "scale": scale, **same})


def call(stage: str, told: str) -> list[Row]:
    """Run one stage in a process of its own."""
    paths = [str(HERE), str(HERE / "graph"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in paths if p)}
    command = [sys.executable, str(HERE / "graph" / "stages.py"), stage, told]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{stage} failed:\n{done.stderr}")
    return list(json.loads(done.stdout.splitlines()[-1]))


def measured(stage: str, told: str, rounds: int = 1) -> list[Row]:
    """Run a stage some times, each in a fresh process, and join what they measured."""
    runs = [call(stage, told) for _ in range(rounds)]
    return [join([one[i] for one in runs]) for i in range(len(runs[0]))]


def join(same: Sequence[Row]) -> Row:
    """Make one row of the same measurement by several processes."""
    if len(same) == 1:
        return same[0]
    values = sorted(r["value"] for r in same)
    return {
        **same[0],
        "value": values[len(values) // 2],
        "low": values[0],
        "high": values[-1],
        "rounds": len(values),
    }


def finish(fresh: list[Row], earlier: list[Row]) -> list[Row]:
    """Fill in limits that an earlier stage measured."""
    by_name = {r["name"]: r["value"] for r in earlier}
    limits = {"edges/CPU-s": by_name.get("random_reads_4k_per_cpu_s")}
    for one in fresh:
        if one["limit"] is None:
            one["limit"] = (
                by_name.get("read_cpu_s") if one["name"] == "build_cpu_s" else limits.get(one["unit"])
            )
    return fresh


def points(options: argparse.Namespace, work: Path) -> list[Row]:
    """Build and draw at sizes over two decades."""
    found = []
    for share in POINTS:
        told = setting(options, work / "curve", share * options.scale)
        call("tables", told)
        measures = [*measured("build", told, min(CURVE_ROUNDS, options.rounds)), *call("curve", told)]
        found.append({"scale": share * options.scale, **{r["name"]: r["value"] for r in measures}})
    return found


def slopes(curve: list[Row]) -> list[Row]:
    """Fit the exponents of the curves: cost against directed edges, least squares of logarithms."""
    if not curve:
        return []
    edges = [math.log(p["directed_edges"]) for p in curve]
    wanted = {"build_cpu_s": (None, 1.15), "edge_ns": (None, None), "row_ns": (None, None)}
    rows = []
    for name, (least, most) in wanted.items():
        costs = [math.log(p[name]) for p in curve]
        note = "1 is linear, below it a fixed cost shows" if most else "0 is flat; caches end"
        exponent = slope(edges, costs)
        rows.append(
            {
                "name": f"{name.rpartition('_')[0]}_exponent",
                "value": exponent,
                "unit": "of size",
                "limit": None,
                "low": exponent,
                "high": exponent,
                "rounds": len(curve),
                "least": least,
                "most": most,
                "note": note,
            }
        )
    misfit = line_misfit([p["directed_edges"] for p in curve], [p["build_cpu_s"] for p in curve])
    told = "of a fixed cost and a cost per edge, at the worst size"
    shape = {"unit": "of the cost", "limit": None, "low": misfit, "high": misfit, "rounds": len(curve)}
    rows.append(
        {"name": "build_line_misfit", "value": misfit, "least": None, "most": 0.25, "note": told, **shape}
    )
    return rows


def line_misfit(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the largest relative distance from the line of least relative squares."""
    # Each point counts by its relative error: 1 = (a + b x) / y.
    u, v = [1 / c for c in y], [n / c for n, c in zip(x, y, strict=True)]
    uu, uv, vv = (sum(p * q for p, q in zip(s, t, strict=True)) for s, t in ((u, u), (u, v), (v, v)))
    determinant = uu * vv - uv * uv
    a, b = (vv * sum(u) - uv * sum(v)) / determinant, (uu * sum(v) - uv * sum(u)) / determinant
    return max(abs(a * p + b * q - 1) for p, q in zip(u, v, strict=True))


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the slope of the line of least squares."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return above / sum((a - mean_x) ** 2 for a in x)


def verdict(one: Row) -> str:
    """Say whether a row meets its target."""
    if one["least"] is None and one["most"] is None:
        return ""
    is_met = (one["least"] is None or one["value"] >= one["least"]) and (
        one["most"] is None or one["value"] <= one["most"]
    )
    return "ok" if is_met else "below"


def header(load: float) -> str:
    """Return the machine and the head of the table."""
    return (
        f"{machine()['processor']}, {os.cpu_count()} cores, load {load:.2f}\n"
        f"{'name':<38}{'value':>10}{'low … high':>21}{'limit':>9}{'of limit':>9}{'target':>9}  "
    )


def show(rows: list[Row]) -> list[Row]:
    """Print rows."""
    for one in rows:
        limit = one["limit"]
        beside = f"{short(limit):>9}{one['value'] / limit:>9.2f}" if limit else " " * 18
        target = "" if one["least"] is None else f"≥ {short(one['least'])}"
        target = target if one["most"] is None else f"≤ {short(one['most'])}"
        if one["least"] is not None and one["most"] is not None:
            target = f"{one['least']}…{one['most']}"
        spread = f"{short(one['low'])} … {short(one['high'])}" if one["rounds"] > 1 else ""
        print(
            f"{one['name']:<38}{short(one['value']):>10}{spread:>21}{beside}"
            f"{target:>9}  {verdict(one):<6}{one['unit']}{'; ' + one['note'] if one['note'] else ''}",
            flush=True,
        )
    return rows


def short(value: float) -> str:
    """Write a number in three digits."""
    if math.isnan(value):
        return "–"
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


def warn(load: float, rows: Sequence[Row]) -> None:
    """Say when others used the machine, and which rows vary."""
    after = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine was not idle (load {load:.2f}, then {after:.2f}): take no figure from this run")
    wide = [r["name"] for r in rows if r["rounds"] > 1 and r["low"] > 0 and r["high"] > 1.3 * r["low"]]
    if wide:
        print(f"rounds differ by more than 30 %: {', '.join(wide)}")


def machine() -> dict[str, Any]:
    """Describe where this ran."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def write(path: Path, rows: list[Row], curve: list[Row], load: float) -> None:
    """Write rows and curves as JSON, and draw the curves beside it."""
    told = {**machine(), "load_before": load, "load_after": os.getloadavg()[0]}
    path.write_text(
        json.dumps({"rows": [without_nan(r) for r in rows], "machine": told, "curve": curve}, indent=1)
    )
    if curve:
        subprocess.run([sys.executable, str(HERE / "graph" / "plot.py"), str(path)], check=True)


def without_nan(one: Row) -> Row:
    """Return a row whose numbers JSON can hold."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in one.items()}


if __name__ == "__main__":
    sys.exit(main())
