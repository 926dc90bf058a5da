"""The nodes of the ladder: one per configuration, and before each round of a search what proposes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from weft.compile.versions import code_version
from weft.core import History, Resources, SplitOptions, Task
from weft.flow import Node
from weft.learn import Budget, Outline, Rung, appetite_of, get_rung, heard_settings, is_combining

GRAPH_INPUTS = {"graph": "graph", "audit": "audit"}
SENTENCE_INPUTS = {"texts": "texts", "sentences": "sentences"}
LEARNING = ("learn",)
# Rooms whose code decides what of a graph may be read, and reads it.
OF_GRAPHS = ("compile", "data", "graph", "pql")
LEARNING_INPUTS = {name: name for name in ("tables", "labels", "features", "encoded")}
FIT = "weft.compile.programs:fit_candidate"
_PROPOSE = "weft.compile.programs:propose_trials"
_NEEDS = "weft.compile.needs:trial_needs"


@dataclass(frozen=True)
class SentenceSpec:
    """Which texts a sentence model reads.

    Attributes:
        model: Plain form of the `weft.learn.SentenceModel`.
        tree: Digest of its files, as a tree of the store; empty where nothing is to be run.
        columns: Names ``table.column``, in order.
        seconds: CPU seconds that reading them takes, about.
    """

    model: Mapping[str, Any]
    tree: str
    columns: tuple[str, ...]
    seconds: float = 0.0


@dataclass(frozen=True)
class FitSpec:
    """What is to be fitted on the tables.

    Attributes:
        query: Text of the query.
        task: The task that the query states.
        options: How anchors are laid out and divided.
        history: How much of the past a row may see.
        models: Rungs of the ladder, in order of cost.
        budget_s: CPU seconds for the search, all rungs together; each takes the share of its appetite.
        trials: Trials of a search over networks instead; 0 is to go by ``budget_s``.
        space: What the user says about the space of a search; see `weft.learn.search`.
        origins: Val windows, val among them, that a search scores its trials on; 0 is val alone.
        warm: Rung → digest of the candidate of an earlier run, as a tree of the store, that it goes on from.
        seed: For everything random.
        decisions: ``table.column`` → ``"drop"``, ``"keep"`` or ``{"as_of": time}``.
        label_table: Digest of the user's own label table, ``None`` when the query makes the labels.
        metric: What candidates are chosen by; empty is the task's own.
        sentences: What a sentence model reads for networks; ``None`` for nothing.
    """

    query: str
    task: Task
    options: SplitOptions
    history: History
    models: tuple[str, ...]
    budget_s: float
    seed: int = 0
    decisions: Mapping[str, Any] = field(default_factory=dict)
    label_table: str | None = None
    metric: str = ""
    trials: int = 0
    space: Mapping[str, Any] = field(default_factory=dict)
    warm: Mapping[str, str] = field(default_factory=dict)
    origins: int = 0
    sentences: SentenceSpec | None = None


def graph_inputs(spec: FitSpec) -> dict[str, str]:
    """Return what is read by whoever reads the graph."""
    return GRAPH_INPUTS | (SENTENCE_INPUTS if spec.sentences else {})


def reads_graph(models: Iterable[str]) -> bool:
    """Whether one of some rungs reads the graph."""
    return any(getattr(get_rung(name), "reads_graph", False) for name in models)


def make_candidates(spec: FitSpec, resources: Resources) -> list[Node]:
    """Make a node per configuration; those of a rung that combines others come after all others."""
    outline = Outline(spec.task, spec.history)
    share = Resources(resources.memory_bytes // 2, max(1, resources.threads // 2))
    rungs = sorted((get_rung(name) for name in spec.models), key=lambda r: r.cost)
    nodes: list[Node] = []
    for rung in rungs:
        read = dict(LEARNING_INPUTS)
        if reads_graph([rung.name]) or (is_combining(rung.name) and reads_graph(spec.models)):
            read |= graph_inputs(spec)
        if is_combining(rung.name):
            read |= {n.name: n.name for n in nodes if n.program == FIT}
        configs = rung.variants(outline, Budget(_share(spec, rungs, rung), spec.trials))
        if spec.origins and getattr(rung, "rolls", False):
            configs = [{**config, "origins": spec.origins} for config in configs]
        if getattr(rung, "takes_fixed", False):
            configs = [{**heard_settings(rung, spec.space), **config} for config in configs]
        nodes += _trials(spec, rung.name, configs, read, share)
    return nodes


def _share(spec: FitSpec, rungs: Sequence[Rung], rung: Rung) -> float:
    """Return the CPU seconds of a rung: the budget, divided by appetite."""
    whole = sum(appetite_of(r) for r in rungs)
    return spec.budget_s * appetite_of(rung) / whole if whole else 0.0


def _trials(
    spec: FitSpec, rung: str, configs: list[dict[str, Any]], read: dict[str, str], share: Resources
) -> list[Node]:
    """Make the nodes of a rung: before the trials of each round of a search, what proposes them."""
    nodes: list[Node] = []
    earlier: dict[str, str] = {}
    asked = {"query": spec.query, "history": spec.history.value, "rung": rung, "seed": spec.seed}
    version = code_version(*LEARNING, *(OF_GRAPHS if "graph" in read else ()))
    for config in configs:
        given, inputs = asked | {"config": config}, dict(read)
        rest: dict[str, Any] = {"resources": share, "digests": _warm(spec, rung, config)}
        if "round" in config:
            proposing = f"search[{rung}:{config['round']}]"
            if config["place"] == 0:
                earlier = {n.name: n.name for n in nodes if n.program == FIT}
                told = given | {"space": dict(spec.space)}
                reads = read | earlier
                nodes.append(Node(proposing, _PROPOSE, version, parameters=told, inputs=reads, **rest))
            inputs |= earlier | {"search": proposing}
        name = f"{rung}:{config['variant']}" if config.get("variant") else rung
        made = Node(f"candidate[{name}]", FIT, version, parameters=given, inputs=inputs, **rest)
        nodes.append(replace(made, needs=_NEEDS))
    return nodes


def _warm(spec: FitSpec, rung: str, config: Mapping[str, Any]) -> dict[str, str]:
    """Name what a trial goes on from: of a search, only the first goes on from an earlier run."""
    is_first = not config.get("round") and not config.get("place")
    return {"warm": spec.warm[rung]} if rung in spec.warm and is_first else {}
