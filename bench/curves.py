"""How networks learned in finished runs: the score on val at every look, one panel per run.

    python bench/curves.py NAME=PROJECT [NAME=PROJECT …] --out FILE.svg

A project is a folder in which `weft fit` or `weft quickstart` has run; its newest run is drawn. Dots are the
looks whose weights were kept; the dashed line is the best rung without a network, on the same val.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from weft.project import ProjectFolder, open_run
from weft.project.trials import search_facts

NETWORKS = ("network", "sage", "relgnn", "graph_transformer", "id_gnn", "two_tower", "hybrid", "blend")


def main() -> None:
    """Draw the panels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("projects", nargs="+", metavar="NAME=PROJECT")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    count = len(options.projects)
    plt.rcParams |= {"svg.hashsalt": "weft", "svg.fonttype": "none"}
    figure, panels = plt.subplots(1, count, figsize=(4.4 * count, 3.6), squeeze=False, layout="constrained")
    for panel, text in zip(panels[0], options.projects, strict=True):
        name, _, folder = text.partition("=")
        draw(panel, name, Path(folder))
    figure.savefig(options.out, metadata={"Date": None})


def draw(panel: plt.Axes, name: str, folder: Path) -> None:
    """Draw one run."""
    run = open_run("latest", project=ProjectFolder(folder))
    facts = search_facts(run)
    if facts is None:
        raise SystemExit(f"the newest run in {folder} trained no network")
    for trial in facts.trials:
        if trial.curve.y:
            label = f"{trial.model} {trial.network}"
            (line,) = panel.plot(trial.curve.x, trial.curve.y, linewidth=1.2, label=label)
            kept = [(x, y) for x, y in zip(trial.curve.x, trial.curve.y, strict=True) if x == trial.best]
            for x, y in kept:
                panel.plot([x], [y], "o", color=line.get_color(), markersize=4)
    plain = [r for r in run.evaluation.leaderboard if r.rung not in NETWORKS and r.val is not None]
    best = (max if facts.higher_is_better else min)(plain, key=lambda r: r.val)
    panel.axhline(best.val, color="black", linestyle="--", linewidth=1, label=best.model)
    panel.set(title=name, xlabel="looks at val", ylabel=f"{facts.metric} on val")
    panel.legend(fontsize=6, frameon=False)


if __name__ == "__main__":
    main()
