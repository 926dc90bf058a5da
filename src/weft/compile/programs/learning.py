"""From features to a verdict: programs that call the compute engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

import weft.data as data
import weft.graph as graph
import weft.learn as learn
from weft.compile.opening import (
    FEATURES,
    GIVEN,
    LABELS,
    lay_out_all,
    open_tables,
    read_features,
    read_labels,
    read_table,
)
from weft.compile.programs.company import helped
from weft.compile.programs.sentences import hold_sentences
from weft.compile.programs.tables import decisions_of
from weft.core import History, Schema, Split, TaskType, from_plain, to_plain
from weft.flow import Context, Output
from weft.flow.folder import lay_out
from weft.pql import compile_query

CANDIDATE = "candidate["
SEARCH = "search"
WARM = "warm"
GRAPH = "graph"


def propose_trials(context: Context) -> dict[str, Any]:
    """Say what the trials of a round of a search are, from those of the rounds before."""
    training = read_training_data(context)
    rung: Any = learn.get_rung(context.parameters["rung"])
    finished = lay_out_all(context.inputs, CANDIDATE, context.scratch)
    asked = (context.parameters["config"], finished, context.parameters["space"], context.parameters["seed"])
    beside = _beside(context)
    warm = {"warm": Path(beside["warm"])} if "warm" in beside else {}
    configs = rung.propose(training, *asked, **warm)
    context.report(rows=len(configs))
    return {"configs": configs}


def fit_candidate(context: Context) -> dict[str, Any]:
    """Fit one configuration of one rung, or the one that a search proposes.

    All processes of a launch fit what reads a graph.
    """
    rung: Any = learn.get_rung(context.parameters["rung"])
    if not getattr(rung, "reads_graph", False):
        return _fit_candidate(context)
    with helped(context, f"{__name__}:fit_candidate"):
        return _fit_candidate(context)


def _fit_candidate(context: Context) -> dict[str, Any]:
    training = read_training_data(context)
    members = lay_out_all(context.inputs, CANDIDATE, context.scratch)
    config = context.parameters["config"]
    asked = (training, context.parameters["rung"])
    if SEARCH in context.inputs:
        proposed = context.inputs[SEARCH].value["configs"]
        if config["place"] >= len(proposed):
            reason, seed = "the search did without this trial", context.parameters["seed"]
            return _plain(learn.leave_out(*asked, config, seed, context.directory, reason, is_idle=True))
        config = {**config, **proposed[config["place"]]}
    candidate = learn.fit_candidate(
        *asked,
        config,
        context.parameters["seed"],
        context.directory,
        resources=context.resources,
        progress=context.progress,
        members=[m for m in members if not learn.read_candidate(m).left_out],
        unfinished=context.unfinished,
        beside=_beside(context),
    )
    context.report(rows=candidate.num_train)
    return _plain(candidate)


def _beside(context: Context) -> dict[str, Any]:
    """Return what a trial is given beside its configuration: what it goes on from, and earlier origins."""
    given: dict[str, Any] = {}
    if WARM in context.digests:
        given["warm"] = str(_lay_out_warm(context))
    if count := context.parameters["config"].get("origins"):
        planned = data.plan_origins(read_labels(context.inputs["labels"]).layout, count - 1)
        given["origins"] = [[list(o.train), list(o.val)] for o in planned]
    return given


def _lay_out_warm(context: Context) -> Path:
    """Lay out the candidate of an earlier run that the node goes on from."""
    digest, store = context.digests[WARM], context.inputs["tables"].store
    earlier = Output(context.node, digest, digest, {}, store.get_tree(digest), store)
    return lay_out(earlier, context.scratch / WARM)


def _plain(candidate: learn.Candidate) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(candidate)
    return plain


def evaluate_candidates(context: Context) -> dict[str, Any]:
    """Choose on val, score on test, compare, and explain the winner globally."""
    training = read_training_data(context)
    folders = lay_out_all(context.inputs, CANDIDATE, context.scratch)
    evaluation = learn.evaluate(
        training,
        folders,
        seed=context.parameters["seed"],
        directory=context.directory,
        history=_find_history(context, training),
    )
    context.report(rows=len(training.val) + len(training.test))
    plain: dict[str, Any] = to_plain(evaluation)
    return plain


def _find_history(context: Context, training: Any) -> dict[Split, Any]:
    """Say of val and test rows whether their entity had history; nothing where there can be none."""
    if "audit" not in context.inputs:
        return {}  # A Plan of a run that knew no cold start, run again since the store lost its outputs.
    decided = decisions_of(context)
    if context.parameters.get("labels") == GIVEN:
        decided["past_labels"] = read_labels(context.inputs["labels"]).table
    found = {}
    with open_tables(context.inputs["tables"], context.resources, context.scratch / "tables") as tables:
        query = compile_query(context.parameters["query"], tables.schema)
        for split, rows in ((Split.VAL, training.val), (Split.TEST, training.test)):
            history = data.find_history(tables, query, rows.seeds, **decided)
            if history is not None:
                found[split] = history
    return found


def explain_cohorts(context: Context) -> dict[str, Any]:
    """Say what moves predictions of val rows, cohort by cohort of a column of the entity's table."""
    training, column = read_training_data(context), context.parameters["column"]
    with open_tables(context.inputs["tables"], context.resources, context.scratch / "tables") as tables:
        task = compile_query(context.parameters["query"], tables.schema).task
        read = tables.table(task.entity_table).select(task.entity_column, column)
        known = tables.fetch(read)
    place = pc.index_in(training.val.seeds["entity"], value_set=known[task.entity_column].combine_chunks())
    values = known[column].combine_chunks().take(place.combine_chunks())
    told = learn.measure_cohorts(
        open_predictor(context, "model"),
        training,
        f"{task.entity_table}.{column}",
        values,
        seed=context.parameters["seed"],
    )
    context.report(rows=0 if told is None else told.num_rows)
    return {"cohorts": to_plain(told)}


def encode_features(context: Context) -> None:
    """Encode the features, or the candidate items, once for every candidate model."""
    features = context.inputs["features"]
    query = _query(context)
    is_ranking = query.task.type is TaskType.LINK_PREDICTION
    made = read_table(features, LABELS) if is_ranking else read_labels(context.inputs["labels"]).table
    learn.write_training_data(
        context.directory,
        task=query.task,
        history=History(context.parameters["history"]),
        features=read_features(features),
        feature_path=features.path(FEATURES),
        labels=made,
        metric=context.parameters["metric"],
        alternatives={
            name: (features.path(f"features-{name}.parquet"), read_table(features, f"labels-{name}.parquet"))
            for name in features.value["alternatives"]
        },
    )


def materialize_graph(context: Context) -> dict[str, Any]:
    """Lay the prepared tables out as a graph."""
    with open_tables(context.inputs["tables"], context.resources, context.scratch / "tables") as tables:
        graph.materialize(
            tables, context.directory / GRAPH, resources=context.resources, progress=context.progress
        )
    layout = graph.Store(context.directory / GRAPH).layout
    rows = {table.name: table.num_rows for table in layout.tables}
    context.report(rows=sum(rows.values()))
    return {"rows": rows, "edges": sum(link.num_edges for link in layout.links)}


def read_training_data(context: Context) -> learn.TrainingData | learn.RankingData:
    """Open the encoded features, whose matrices are mapped, and the graph where the node has one."""
    training = learn.load_training_data(lay_out(context.inputs["encoded"], context.scratch / "encoded"))
    if "graph" in context.inputs:
        return replace(training, graph=read_graph(context))
    return training


def read_graph(context: Context) -> learn.GraphView:
    """Open the graph, with what the audit lets be read of it."""
    folder = lay_out(context.inputs["graph"], context.scratch / GRAPH)
    schema = from_plain(Schema, context.inputs["tables"].value["schema"])
    decided = context.inputs["audit"].value
    refused = {(table, column) for table, column in decided["excluded"]}
    refused |= data.own_target(compile_query(context.parameters["query"], schema))
    # A value that is known from some time on only has no place in a row that is read at any anchor.
    refused |= {(table, column) for table, column, _ in decided["as_of"]}
    separators = {(t.name, c.name): c.separator for t in schema.tables for c in t.columns if c.separator}
    source = graph.Source(graph.Store(folder / GRAPH))
    return learn.GraphView(source, frozenset(refused), separators, hold_sentences(context))


def _query(context: Context) -> Any:
    with open_tables(context.inputs["tables"], context.resources, context.scratch / "tables") as tables:
        return compile_query(context.parameters["query"], tables.schema)


def open_predictor(context: Context, model: str) -> learn.Predictor:
    """Open the model of a candidate node."""
    hold_sentences(context)
    folder = lay_out(context.inputs[model], Path(context.scratch) / "model")
    return learn.Predictor.open(folder)
