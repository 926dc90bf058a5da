"""The models of a project: what a run registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from weft.core import Task
from weft.flow import Output
from weft.hub import LOWER_IS_BETTER, TEST_ROWS, Edge, Published, RunRecord
from weft.learn import Evaluation, get_metric

if TYPE_CHECKING:
    from weft.project.folder import ProjectFolder


def register_winner(
    folder: ProjectFolder, run: RunRecord, task: Task, made: Evaluation, outputs: Mapping[str, Output]
) -> Published:
    """Register the model that is best on val, with what a later promotion compares."""
    winner = outputs[f"candidate[{made.winner}]"]
    digest = folder.store.put_tree(winner.files)
    score = made.chosen.test
    facts = {
        TEST_ROWS: outputs["labels"].digest,
        LOWER_IS_BETTER: [] if get_metric(made.metric).higher_is_better else [made.metric],
        "model": made.winner,
        "query": run.query,
    }
    folder.hub.add_edges([Edge(digest, winner.digest, winner.node, run.id)])
    return folder.hub.register_model(
        folder.settings.name or task.entity_table,
        run=run.id,
        digest=digest,
        store=folder.store,
        metrics={} if score is None else {made.metric: score},
        facts=facts,
    )
