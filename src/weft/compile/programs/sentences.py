"""Texts of a graph and what a sentence model makes of them: each distinct text is read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import weft.graph as graph
import weft.learn as learn
from weft.core import from_plain
from weft.flow import Context, Output
from weft.flow.folder import lay_out

GRAPH = "graph"


def list_texts(context: Context) -> dict[str, Any]:
    """Write the distinct texts of some columns of the graph, in its order."""
    folder = lay_out(context.inputs["graph"], context.scratch / GRAPH)
    source = graph.Source(graph.Store(folder / GRAPH))
    files = {}
    for number, column in enumerate(context.parameters["columns"]):
        table, _, name = column.partition(".")
        texts = source.dictionary(table, name).cast(pa.large_string())
        files[column] = f"{number}.arrow"
        schema = pa.schema({"text": pa.large_string()})
        with pa.ipc.new_file(str(context.directory / files[column]), schema) as writer:
            writer.write_table(pa.table({"text": texts}, schema), max_chunksize=65_536)
        context.report(rows=len(texts))
    return {"files": files}


def read_sentences(context: Context) -> dict[str, Any]:
    """Let a sentence model read texts; those that were read before are taken from there."""
    model = from_plain(learn.SentenceModel, context.parameters["model"])
    folder = _lay_out_model(context, context.digests["sentence_model"])
    files, num_new = {}, 0
    for column, file in context.inputs["texts"].value["files"].items():
        files[column] = f"{Path(file).stem}.npy"
        num_new += learn.write_vectors(
            folder,
            model,
            _texts(context.inputs["texts"], file),
            context.directory / files[column],
            known=_known(context, column),
            step=lambda done, total: context.progress.update(done, total, "texts"),
        )
    context.report(rows=num_new)
    tree = context.digests["sentence_model"]
    return {"files": files, "model": context.parameters["model"], "tree": tree}


def hold_sentences(context: Context) -> learn.Sentences | None:
    """Tell this process what a sentence model has read; ``None`` where the node was given nothing of it."""
    if "sentences" not in context.inputs:
        return None
    texts, read = context.inputs["texts"], context.inputs["sentences"]
    model = from_plain(learn.SentenceModel, read.value["model"])
    learn.hold_model(model.digest, _lay_out_model(context, read.value["tree"]))
    for column, file in texts.value["files"].items():
        learn.hold_vectors(_texts(texts, file), model.digest, read.path(read.value["files"][column]))
    return learn.Sentences(model, frozenset(read.value["files"]))


def _lay_out_model(context: Context, tree: str) -> Path:
    """Lay the files of a sentence model out as the store keeps them, so that it need not be installed."""
    folder, store = context.scratch / "sentence-model", context.inputs["texts"].store
    if folder.exists():
        return folder
    return lay_out(Output(context.node, tree, tree, {}, store.get_tree(tree), store), folder)


def _texts(output: Output, file: str) -> pa.Array:
    with pa.memory_map(str(output.path(file))) as mapped:
        return pa.ipc.open_file(mapped).read_all()["text"].cast(pa.string()).combine_chunks()


def _known(context: Context, column: str) -> tuple[pa.Array, Any] | None:
    if "known_texts" not in context.inputs:
        return None
    texts, read = context.inputs["known_texts"], context.inputs["known_sentences"]
    vectors = np.load(read.path(read.value["files"][column]), mmap_mode="r")
    return _texts(texts, texts.value["files"][column]), vectors
