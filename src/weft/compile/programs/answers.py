"""From a fitted model to answers: predictions and explanations."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import weft.data as data
import weft.learn as learn
from weft.compile.opening import (
    FEATURES,
    open_tables,
    read_features,
    read_labels,
    read_table,
    write_table,
)
from weft.compile.programs.learning import open_predictor, read_graph
from weft.compile.programs.recommending import write_candidates, write_recommendations
from weft.core import TaskType, to_plain
from weft.flow import Context
from weft.pql import compile_query

SEEDS = "seeds.parquet"
PREDICTIONS = "predictions.parquet"
EMBEDDINGS = "embeddings.parquet"
_ROWS_PER_LINK = 8


def make_seeds(context: Context) -> dict[str, Any]:
    """List the entities to predict for, at one anchor."""
    with open_tables(context.inputs["tables"], context.resources, context.scratch) as tables:
        query = compile_query(context.parameters["query"], tables.schema)
        seeds = data.build_seeds(
            tables, query, at_us=context.parameters["at_us"], entities=context.parameters["entities"]
        )
    write_table(seeds, context.directory / SEEDS)
    context.report(rows=seeds.num_rows)
    return {"rows": seeds.num_rows}


def make_seed_features(context: Context) -> None:
    """Compute for the seeds the features that the model reads, or their candidate items."""
    seeds = read_table(context.inputs["seeds"], SEEDS)
    features = read_features(context.inputs["features"])
    with open_tables(context.inputs["tables"], context.resources, context.scratch) as tables:
        query = compile_query(context.parameters["query"], tables.schema)
        if query.task.type is TaskType.LINK_PREDICTION:
            excluded = frozenset((t, c) for t, c in context.inputs["audit"].value["excluded"])
            rows = write_candidates(context, tables, query, seeds, excluded, context.directory / FEATURES)
            context.report(rows=rows)
            return
        labels = read_labels(context.inputs["labels"]).table
        seeds = _with_frames(query, seeds)
        values = data.compute_features(tables, seeds, features, query=query, labels=labels)
    write_table(values, context.directory / FEATURES)
    context.report(rows=values.num_rows)


def predict_seeds(context: Context) -> dict[str, Any]:
    """Predict for the seeds with the chosen model, in the columns that the task promises."""
    seeds = read_table(context.inputs["seeds"], SEEDS)
    with open_tables(context.inputs["tables"], context.resources, context.scratch / "tables") as tables:
        query = compile_query(context.parameters["query"], tables.schema)
        if query.task.type is TaskType.LINK_PREDICTION:
            return _recommend(context, tables, query, seeds)
    values = read_table(context.inputs["seed_features"], FEATURES)
    predictor = open_predictor(context, "model")
    levels = context.parameters.get("quantiles")
    conformal = _conformal(context, tuple(levels)) if levels else None
    table = learn.predict_table(predictor, query.task, seeds, values, conformal, _graph(context))
    write_table(table, context.directory / PREDICTIONS)
    context.report(rows=table.num_rows)
    return {"rows": table.num_rows}


def _recommend(context: Context, tables: Any, query: Any, seeds: pa.Table) -> dict[str, Any]:
    rows = write_recommendations(
        context,
        open_predictor(context, "model"),
        tables,
        query,
        seeds,
        _graph(context),
        context.inputs["seed_features"].path(FEATURES),
        context.directory / PREDICTIONS,
    )
    context.report(rows=rows)
    return {"rows": rows, "entities": seeds.num_rows}


def embed_seeds(context: Context) -> dict[str, Any]:
    """Write the embeddings of the seeds, block by block."""
    seeds = read_table(context.inputs["seeds"], SEEDS)
    values = read_table(context.inputs["seed_features"], FEATURES)
    with open_tables(context.inputs["tables"], context.resources, context.scratch / "tables") as tables:
        query = compile_query(context.parameters["query"], tables.schema)
    predictor, done = open_predictor(context, "model"), 0
    writer: pq.ParquetWriter | None = None
    try:
        for block in learn.embed_blocks(predictor, query.task, seeds, values, _graph(context)):
            writer = writer or pq.ParquetWriter(context.directory / EMBEDDINGS, block.schema)
            writer.write_table(block)
            done += block.num_rows
            context.progress.update(done, seeds.num_rows, "entities")
    finally:
        if writer is not None:
            writer.close()
    context.report(rows=done)
    return {"rows": done}


def _graph(context: Context) -> learn.GraphView | None:
    return read_graph(context) if "graph" in context.inputs else None


def _conformal(context: Context, levels: tuple[float, ...]) -> learn.Conformal:
    """Learn from the val rows of the evaluation how far the model's predictions are off."""
    scored = read_table(context.inputs["evaluate"], PREDICTIONS)
    val = scored.filter(pc.equal(scored["split"], "val"))
    frame = val["frame"].to_numpy() if "frame" in val.column_names else None
    model = val[f"model {context.parameters['model']}"].to_numpy()
    return learn.Conformal.fit(levels, val["label"].to_numpy(), model, frame)


def explain_entity(context: Context) -> dict[str, Any]:
    """Say what moved one prediction: features, and the rows whose absence would change it most."""
    seeds = read_table(context.inputs["seeds"], SEEDS)
    features = read_features(context.inputs["features"])
    values = read_table(context.inputs["seed_features"], FEATURES)
    predictor = open_predictor(context, "model")
    with open_tables(context.inputs["tables"], context.resources, context.scratch / "tables") as tables:
        query = compile_query(context.parameters["query"], tables.schema)
        rows: list[dict[str, Any]] = []
        ranked = query.task.type is TaskType.LINK_PREDICTION
        asked, graph = _with_frames(query, seeds), _graph(context)
        told = learn.explain_rows(predictor, values, asked, graph)
        # What a network read is told row by row with its amounts.
        if not ranked and not predictor.model.reads_graph:
            labels = read_labels(context.inputs["labels"]).table
            rows = _rows_that_matter(tables, query, seeds, features, labels, predictor)
    anchor_us = seeds["anchor_time"].cast("int64")[0].as_py()
    return {"anchor_us": anchor_us, "contributions": to_plain(told), "rows": rows}


def _rows_that_matter(
    tables: Any,
    query: Any,
    seeds: pa.Table,
    features: Any,
    labels: pa.Table,
    predictor: Any,
) -> list[dict[str, Any]]:
    """Leave out one row at a time, all in one computation, and see how the prediction moves."""
    entity = seeds["entity"][0].as_py()
    cutoff_us = seeds["cutoff"].cast("int64")[0].as_py()
    task = query.task
    found = data.entity_rows(
        tables, task.entity_table, task.entity_column, entity, cutoff_us, limit=_ROWS_PER_LINK
    )
    left_out = [(group, index) for group in found for index in range(group.rows.num_rows)]
    if not left_out:
        return []
    variants = pa.concat_tables([seeds.slice(0, 1)] * (len(left_out) + 1))
    variants = _with_frames(query, variants, first_only=True)
    without = pa.table(
        {
            "seed": pa.array(range(1, len(left_out) + 1), pa.int64()),
            "table": [group.link.table for group, _ in left_out],
            "row": pa.array([group.rows["__row"][i].as_py() for group, i in left_out], pa.int64()),
        }
    )
    values = data.compute_features(tables, variants, features, query=query, labels=labels, without=without)
    predicted = learn.first_output(predictor.predict(values, variants))
    shown = [
        _shown_row(group, index, float(predicted[0] - without_it))
        for (group, index), without_it in zip(left_out, predicted[1:], strict=True)
    ]
    return sorted(shown, key=lambda r: -abs(r["effect"]))


def _shown_row(group: Any, index: int, effect: float) -> dict[str, Any]:
    """Return one row with what leaving it out does to the prediction."""
    row = {k: v for k, v in group.rows.slice(index, 1).to_pylist()[0].items() if not k.startswith("__")}
    return {
        "table": group.link.table,
        "link": group.link.name,
        "num_rows": group.num_rows,
        "effect": effect,
        "row": {k: _printable(v) for k, v in row.items()},
    }


def _with_frames(query: Any, seeds: pa.Table, *, first_only: bool = False) -> pa.Table:
    if query.task.type is not TaskType.FORECASTING:
        return seeds
    if first_only:
        return seeds.append_column("frame", pa.array([0] * seeds.num_rows, pa.int64()))
    return learn.expand_frames(seeds, query.task.num_frames or 1)


def _printable(value: Any) -> Any:
    return value if value is None or isinstance(value, (int, float, str, bool)) else str(value)
