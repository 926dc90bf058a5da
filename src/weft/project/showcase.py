"""``weft demo``: a shop whose best possible score is known, and the main job on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from weft.data import generate_shop
from weft.project.folder import ProjectFolder
from weft.project.graph import connect
from weft.project.run import Run


@dataclass(frozen=True)
class Showcase:
    """A finished run on a generated shop, and what no model could beat."""

    run: Run
    metric: str
    best_possible: float


def make_demo(folder: Path, *, num_users: int, budget: str | None, seed: int) -> Showcase:
    """Generate a shop in ``folder/shop``, ask who will not order, and write the report beside it."""
    shop = generate_shop(folder / "shop", num_users=num_users, seed=seed)
    graph = connect(str(folder / "shop"), project=ProjectFolder(folder)).graph()
    run = graph.query(shop.queries["churn"]).fit(budget=budget, seed=seed)
    run.report(folder / "report.html")
    metric = run.evaluation.metric
    return Showcase(run, metric, shop.best_scores["churn"][metric])
