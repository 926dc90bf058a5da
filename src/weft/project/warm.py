"""Warm starts: which network of an earlier run each network of a new run begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weft.core import TaskType, UserError
from weft.flow import RunResult, Store
from weft.flow.folder import lay_out
from weft.learn import get_rung, is_search
from weft.project.embedding import choose_network
from weft.project.folder import ProjectFolder

if TYPE_CHECKING:
    from weft.project.run import Run


@dataclass(frozen=True)
class WarmStart:
    """What the networks of a new run begin with.

    Attributes:
        run: Name of the earlier run; empty for none.
        models: Rung of the new run → network of the earlier run.
        digests: Rung of the new run → that network's candidate, as a tree of the store.
        cold: Rung of the new run → why it begins anew.
    """

    run: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    cold: Mapping[str, str] = field(default_factory=dict)

    def keep(self, store: Store, run: str) -> None:
        """Let the store keep what a run began with, for as long as it keeps the run's results."""
        for rung, digest in self.digests.items():
            store.set_ref(f"results/{run}/warm-{rung}", digest)


def plan_warm_start(project: ProjectFolder, query: str, models: Sequence[str], run: Run | None) -> WarmStart:
    """Choose the networks of an earlier run that a new one goes on from.

    A search goes on from the network that was best on val, a network of one kind from the best of that kind.

    Args:
        project: Of the new run.
        query: Of the new run.
        models: Rungs of the new run.
        run: The earlier run; ``None`` to begin anew.

    Raises:
        UserError: ``DATA134`` when no network is tried, or the earlier run answers another query;
            ``LEARN047`` when it has no network.
    """
    if run is None:
        return WarmStart()
    rungs = [name for name in models if getattr(get_rung(name), "goes_on", False)]
    if run.task.type is TaskType.LINK_PREDICTION:
        raise _refused(run, "networks that rank items begin anew every time", "leave it out.")
    if run.query != query:
        raise _refused(run, f"it answers another query, {run.query}", "name a run of the same query.")
    if not rungs:
        raise _refused(
            run, "no network is tried", "give a larger budget, or name one: --models lightgbm,network."
        )
    best = choose_network(run, None)
    chosen = {rung: best if is_search(rung) else _best_of(run, rung) for rung in rungs}
    found = {rung: name for rung, name in chosen.items() if name}
    cold = {rung: f"the run {run.name} has no network of that kind" for rung in rungs if not chosen[rung]}
    return WarmStart(run.name, found, {r: _keep(project, run, name) for r, name in found.items()}, cold)


def warm_facts(warm: WarmStart, result: RunResult) -> dict[str, Any]:
    """Say of each network that was to begin warm how it began, as plain data; empty without a warm start."""
    if not warm.run:
        return {}
    told = dict(warm.cold)
    for rung in warm.models:
        # Of a search only the first trial is to go on.
        node = f"candidate[{rung}:1]" if is_search(rung) else f"candidate[{rung}]"
        value = result.outputs[node].value
        told[node[10:-1]] = value["curve"]["start"] or value["left_out"]
    models = {f"{r}:1" if is_search(r) else r: m for r, m in warm.models.items()}
    return {"run": warm.run, "models": models, "told": told}


def warm_lines(facts: Mapping[str, Any]) -> list[str]:
    """Say in lines what `warm_facts` tells."""
    lines = []
    for model, words in facts.get("told", {}).items():
        earlier = facts["models"].get(model)
        source = f" of {facts['run']}, {earlier}" if earlier else ""
        lines.append(f"Warm start{source}: {model}: {words}.")
    return lines


def _best_of(run: Run, rung: str) -> str:
    """Return the network of a kind that is best on val; empty where there is none."""
    for row in run.evaluation.leaderboard:
        if row.left_out or not getattr(get_rung(row.rung), "goes_on", False):
            continue
        config = run.output(f"candidate[{row.model}]").value["config"]
        if rung in (row.rung, config.get("network")):
            return row.model
    return ""


def _keep(project: ProjectFolder, run: Run, model: str) -> str:
    """Put a candidate of a run, which may be of another project, into the store; return its digest."""
    with project.store.scratch("warm") as scratch:
        return project.store.put_tree(lay_out(run.output(f"candidate[{model}]"), scratch / "candidate"))


def _refused(run: Run, reason: str, hint: str) -> UserError:
    return UserError("DATA134", f"networks cannot begin with those of the run {run.name}: {reason}.", hint)
