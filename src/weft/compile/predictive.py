"""From a predictive query to a Plan.

```
snapshot ─ profile ─ tables ─┬─ labels ─ audit ─ features ─ encoded ─┬─ candidate[…] ─┬─ evaluate
                             └─ graph ───────────────────────────────┴─ candidate[blend]┘
```

Where a sentence model reads texts, ``texts`` and ``sentences`` stand between ``graph`` and candidates.

A rung that searches has a node ``search[…]`` before the trials of each round; it reads the trials of the
rounds before.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from weft.compile.ladder import (
    FIT,
    GRAPH_INPUTS,
    LEARNING,
    LEARNING_INPUTS,
    OF_GRAPHS,
    SENTENCE_INPUTS,
    FitSpec,
    SentenceSpec,
    graph_inputs,
    make_candidates,
    reads_graph,
)
from weft.compile.opening import GIVEN
from weft.compile.versions import code_version
from weft.core import Resources, TaskType, to_plain
from weft.flow import Node, Plan
from weft.version import __version__

RANKING = {TaskType.LINK_PREDICTION}
# Rooms whose code reads the tables, to tell which entities had history.
READING = ("data", "pql")


class Answer(enum.StrEnum):
    """What a model can be asked for entities, by the program that does it."""

    PREDICT = "predict_seeds"
    EXPLAIN = "explain_entity"
    EMBED = "embed_seeds"


@dataclass(frozen=True)
class TablesSpec:
    """Which tables: their content, and what is said about them.

    Attributes:
        source: Name under which `hold_source` keeps the source in this process.
        fingerprints: Table → digest of its content.
        declared: Plain form of what the source declares.
        overrides: Plain form of what the user says about tables and links.
        derived: Name → SQL of derived tables.
    """

    source: str
    fingerprints: Mapping[str, str]
    declared: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)


def compile_tables(spec: TablesSpec, resources: Resources) -> tuple[Node, ...]:
    """Make the nodes that every query over the same tables shares."""
    version = code_version("data")
    snapshot = Node(
        "snapshot",
        "weft.compile.programs:take_snapshot",
        version,
        parameters={"derived": dict(spec.derived)},
        digests=dict(spec.fingerprints),
        hints={"source": spec.source},
        resources=resources,
    )
    profile = Node(
        "profile",
        "weft.compile.programs:profile_tables",
        version,
        parameters={"declared": dict(spec.declared), "overrides": dict(spec.overrides)},
        inputs={"snapshot": "snapshot"},
        resources=resources,
    )
    tables = Node(
        "tables",
        "weft.compile.programs:prepare_tables",
        version,
        inputs={"snapshot": "snapshot", "profile": "profile"},
        resources=resources,
    )
    return snapshot, profile, tables


def compile_labels(tables: tuple[Node, ...], spec: FitSpec, resources: Resources) -> tuple[Node, ...]:
    """Make the nodes from the tables to an audited label table."""
    shared = {"tables": "tables"}
    version = code_version("data", "pql")
    labels = Node(
        "labels",
        "weft.compile.programs:make_labels",
        version,
        parameters={
            "query": spec.query,
            "options": to_plain(spec.options),
            "history": spec.history.value,
        },
        inputs=shared,
        digests={"label_table": spec.label_table} if spec.label_table else {},
        resources=resources,
    )
    audit = Node(
        "audit",
        "weft.compile.programs:audit_tables",
        version,
        parameters={"query": spec.query, "decisions": dict(spec.decisions)},
        inputs=shared | {"profile": "profile", "labels": "labels"},
        resources=resources,
    )
    return *tables, labels, audit


def compile_fit(tables: tuple[Node, ...], spec: FitSpec, resources: Resources) -> Plan:
    """Make the whole Plan of a fit; its last node is ``evaluate``."""
    nodes = list(compile_labels(tables, spec, resources))
    program = "make_candidates" if spec.task.type in RANKING else "make_features"
    features = Node(
        "features",
        f"weft.compile.programs:{program}",
        code_version("data", "pql"),
        parameters={"query": spec.query, "seed": spec.seed},
        inputs={name: name for name in ("tables", "profile", "labels", "audit")},
        resources=resources,
    )
    encoded = Node(
        "encoded",
        "weft.compile.programs:encode_features",
        code_version("learn"),
        parameters={"query": spec.query, "history": spec.history.value, "metric": spec.metric},
        inputs={name: name for name in ("tables", "labels", "features")},
        resources=resources,
    )
    nodes += [features, encoded, *_graph(spec, resources)]
    candidates = make_candidates(spec, resources)
    fitted = {node.name: node.name for node in candidates if node.program == FIT}
    given = {"labels": GIVEN} if spec.label_table else {}
    evaluate = Node(
        "evaluate",
        "weft.compile.programs:evaluate_candidates",
        code_version(*LEARNING, *(OF_GRAPHS if reads_graph(spec.models) else READING)),
        parameters={"query": spec.query, "history": spec.history.value, "seed": spec.seed} | given,
        inputs=LEARNING_INPUTS | {"audit": "audit"} | _graph_inputs(spec) | fitted,
        resources=resources,
    )
    return Plan(f"fit {spec.query}", (*nodes, *candidates, evaluate))


def _graph(spec: FitSpec, resources: Resources) -> list[Node]:
    """Make the nodes that lay the tables out as a graph and read its texts, where a rung reads one."""
    if not reads_graph(spec.models):
        return []
    made = [graph_node("graph", "tables", resources)]
    return [*made, *_sentences(spec.sentences, resources)] if spec.sentences else made


def _sentences(spec: SentenceSpec, resources: Resources) -> list[Node]:
    """Make the nodes that list texts and let a sentence model read each once.

    What is read follows from texts and model alone: the same texts beside other rows are not read again.
    """
    texts = Node(
        "texts",
        "weft.compile.programs:list_texts",
        code_version("graph"),
        parameters={"columns": list(spec.columns)},
        inputs={"graph": "graph"},
        resources=resources,
    )
    read = Node(
        "sentences",
        "weft.compile.programs:read_sentences",
        f"{__version__}+sentences-1",
        parameters={"model": dict(spec.model), "tree": spec.tree},
        inputs={"texts": "texts"},
        digests={"sentence_model": spec.tree},
        resources=resources,
    )
    return [texts, read]


def graph_node(name: str, tables: str, resources: Resources) -> Node:
    """Make the node that lays prepared tables out as a graph."""
    return Node(
        name,
        "weft.compile.programs:materialize_graph",
        code_version("graph"),
        inputs={"tables": tables},
        resources=resources,
    )


def _graph_inputs(spec: FitSpec) -> dict[str, str]:
    return graph_inputs(spec) if reads_graph(spec.models) else {}


def compile_answer(
    fit: Plan,
    query: str,
    model: str,
    *,
    at_us: int | None,
    entities: tuple[Any, ...] | None,
    kind: Answer = Answer.PREDICT,
    quantiles: tuple[float, ...] = (),
    wanted: Mapping[str, Any] | None = None,
    source: TablesSpec | None = None,
    resources: Resources,
) -> Plan:
    """Make the Plan that predicts, embeds, or explains one prediction, with a model that ``fit`` made.

    Args:
        fit: The Plan of the finished run; its nodes are found in the store.
        query: Text of the query.
        model: Name of the candidate that is asked.
        at_us: Anchor, microseconds UTC; ``None`` is the last fact time.
        entities: Keys; ``None`` for all.
        kind: What is asked of it; of several entities only the first is explained.
        quantiles: Levels of the quantiles to predict beside the number itself.
        wanted: Which items are recommended, as `weft.learn.Wanted` says it; ``None`` for those of the query.
        source: Newer tables to predict from, read as the fit read its own; ``None`` for those of the fit.
        resources: Limits.
    """
    seeds = _seeds({"query": query, "at_us": at_us, "entities": entities and list(entities)}, resources)
    answer = _answer(query, model, kind, quantiles=quantiles, wanted=wanted, resources=resources)
    if has_graph := _graph_of(fit, model):
        answer = replace(answer, inputs={**answer.inputs, **has_graph})
    asked = (seeds, _seed_features(query, resources), answer)
    newer = () if source is None else _read_newer(fit, source, resources, graph=has_graph)
    return Plan(fit.name, (*fit.nodes, *newer, *(map(_of_newer, asked) if newer else asked)))


def compile_cohorts(
    fit: Plan, query: str, model: str, column: str, *, history: str, seed: int, resources: Resources
) -> Plan:
    """Make the Plan that says what moves predictions, cohort by cohort of a column of the entity's table.

    Args:
        fit: The Plan of the finished run; its nodes are found in the store.
        query: Text of the query.
        model: Name of the candidate that is explained.
        column: The column.
        history: That of the run.
        seed: Of the sample of val rows.
        resources: Limits.
    """
    graph = _graph_of(fit, model)
    node = Node(
        "cohorts",
        "weft.compile.programs:explain_cohorts",
        code_version(*LEARNING, *OF_GRAPHS),
        parameters={"query": query, "column": column, "history": history, "seed": seed},
        inputs=LEARNING_INPUTS | graph | {"model": f"candidate[{model}]"},
        resources=resources,
    )
    return Plan(fit.name, (*fit.nodes, node))


def _graph_of(fit: Plan, model: str) -> dict[str, str]:
    """Return what of the graph a candidate of a fit was given."""
    given = next((node.inputs for node in fit.nodes if node.name == f"candidate[{model}]"), {})
    return {
        name: of
        for name, of in (GRAPH_INPUTS | SENTENCE_INPUTS).items()
        if name in given and "graph" in given
    }


def _of_newer(node: Node) -> Node:
    """Let a node read the newer tables, and the labels on them, where it reads those of the fit."""
    read = {name: f"newer_{name}" for name in ("tables", "labels", "graph", "texts", "sentences")}
    return replace(node, inputs={name: read.get(of, of) for name, of in node.inputs.items()})


def _read_newer(
    fit: Plan, source: TablesSpec, resources: Resources, *, graph: Mapping[str, str]
) -> tuple[Node, ...]:
    """Make the nodes that give other tables the schema of the fit, and compute its labels on them.

    The labels are for features of past labels: they go up to the newer last fact.
    """
    snapshot, _, tables = compile_tables(source, resources)
    labels = next(node for node in fit.nodes if node.name == "labels")
    return (
        replace(snapshot, name="newer_snapshot"),
        replace(tables, name="newer_tables", inputs={"snapshot": "newer_snapshot", "profile": "profile"}),
        replace(labels, name="newer_labels", inputs={"tables": "newer_tables"}),
        *([graph_node("newer_graph", "newer_tables", resources)] if graph else []),
        *(_newer_sentences(fit) if "sentences" in graph else ()),
    )


def _newer_sentences(fit: Plan) -> tuple[Node, ...]:
    """Make the nodes that read newer texts; those that the fit had read are not read again."""
    texts, read = (next(n for n in fit.nodes if n.name == name) for name in SENTENCE_INPUTS)
    known = {"known_texts": "texts", "known_sentences": "sentences"}
    return (
        replace(texts, name="newer_texts", inputs={"graph": "newer_graph"}),
        replace(read, name="newer_sentences", inputs={"texts": "newer_texts"} | known),
    )


def _answer(
    query: str,
    model: str,
    kind: Answer,
    *,
    quantiles: tuple[float, ...],
    wanted: Mapping[str, Any] | None,
    resources: Resources,
) -> Node:
    asked: dict[str, Any] = {"quantiles": list(quantiles), "model": model} if quantiles else {}
    if wanted:
        asked["wanted"] = dict(wanted)
    read = ["tables", "labels", "features", "seeds", "seed_features", *(["evaluate"] if quantiles else [])]
    return Node(
        "answer",
        f"weft.compile.programs:{kind.value}",
        code_version(*LEARNING, *OF_GRAPHS),
        parameters={"query": query} | asked,
        inputs={n: n for n in read} | {"model": f"candidate[{model}]"},
        resources=resources,
    )


def _seeds(asked: dict[str, Any], resources: Resources) -> Node:
    return Node(
        "seeds",
        "weft.compile.programs:make_seeds",
        code_version("data", "pql"),
        parameters=asked,
        inputs={"tables": "tables"},
        resources=resources,
    )


def _seed_features(query: str, resources: Resources) -> Node:
    return Node(
        "seed_features",
        "weft.compile.programs:make_seed_features",
        code_version("data", "pql"),
        parameters={"query": query},
        inputs={n: n for n in ("tables", "labels", "audit", "features", "seeds")},
        resources=resources,
    )
