"""Curves of cost against size, both axes logarithmic: ``plot.py FILE`` draws those of a JSON file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

PANELS = (
    ("build_cpu_s", "CPU seconds of a build"),
    ("edge_ns", "CPU nanoseconds of a drawn edge, 3 hops"),
    ("row_ns", "CPU nanoseconds of a gathered row"),
)


def draw_curves(curve: Sequence[dict[str, Any]], beside: Path) -> list[Path]:
    """Write the curves as SVG and PNG beside a file; return both paths."""
    figure, axes = plt.subplots(1, len(PANELS), figsize=(12, 3.6), layout="constrained")
    edges = [p["directed_edges"] for p in curve]
    for axis, (name, title) in zip(axes, PANELS, strict=True):
        costs = [p[name] for p in curve]
        axis.loglog(edges, costs, "o-", color="#2a6fb0")
        if name == "build_cpu_s":
            linear = [costs[-1] * e / edges[-1] for e in edges]
            axis.loglog(edges, linear, ":", color="#888888", label="linear")
            axis.legend(frameon=False)
        else:
            axis.set_ylim(min(costs) / 3, max(costs) * 3)
        for ticks in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
            ticks(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else "")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("directed edges")
        axis.grid(True, which="both", alpha=0.2)
    paths = [beside.with_suffix(suffix) for suffix in (".svg", ".png")]
    for path in paths:
        figure.savefig(path, dpi=120)
    plt.close(figure)
    return paths


def main() -> None:
    """Draw the curves of the JSON file that the command line names."""
    path = Path(sys.argv[1])
    for drawn in draw_curves(json.loads(path.read_text())["curve"], path):
        print(f"drawn: {drawn}")


if __name__ == "__main__":
    main()
