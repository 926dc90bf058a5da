"""Open what earlier nodes made: tables, labels, features, folders."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from weft.core import Feature, Finding, Resources, Schema, from_json, from_plain, to_json
from weft.data import Labels, Layout, Tables, engine_errors
from weft.flow import Output
from weft.flow.folder import lay_out

T = TypeVar("T")

LABELS = "labels.parquet"
FEATURES = "features.parquet"
FEATURE_LIST = "features.json"
# Of a label table that the user gave, in the parameters of a node that must know.
GIVEN = "given"


@contextlib.contextmanager
def open_tables(output: Output, resources: Resources, scratch: Path) -> Iterator[Tables]:
    """Yield the prepared tables that the node ``tables`` made.

    Raises:
        UserError: ``DATA046`` when the memory limit is too low for what is done with them.
        UnavailableError: ``DATA043`` when the disk is full.
    """
    schema = from_plain(Schema, output.value["schema"])
    paths = {name: output.path(file) for name, file in output.value["files"].items()}
    with engine_errors("reading the tables"), Tables(schema, paths, resources, scratch) as tables:
        yield tables


def read_value(output: Output, cls: type[T], name: str) -> T:
    """Read a dataclass that a node wrote as a JSON file."""
    return from_json(cls, output.path(name).read_bytes())


def write_value(directory: Path, name: str, value: Any) -> None:
    """Write plain data or dataclasses as a JSON file."""
    (directory / name).write_text(to_json(value), encoding="utf-8")


def read_labels(output: Output) -> Labels:
    """Read what the node ``labels`` made."""
    value = output.value
    return Labels(
        read_table(output, LABELS),
        from_plain(Layout, value["layout"]),
        value["counts"],
        tuple(from_plain(Finding, f) for f in value["findings"]),
    )


def read_features(output: Output) -> tuple[Feature, ...]:
    """Read the list of features that the node ``features`` planned."""
    return tuple(from_plain(Feature, f) for f in json.loads(output.path(FEATURE_LIST).read_bytes()))


def read_table(output: Output, name: str) -> pa.Table:
    """Read a Parquet file that a node made."""
    with open(output.path(name), "rb") as file:
        return pq.read_table(file)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as zstd Parquet; equal tables give equal bytes."""
    pq.write_table(table, path, compression="zstd")


def lay_out_all(inputs: Mapping[str, Output], prefix: str, scratch: Path) -> list[Path]:
    """Lay out every input whose name begins with ``prefix``, in order."""
    return [
        lay_out(output, scratch / f"in-{number}")
        for number, (name, output) in enumerate(inputs.items())
        if name.startswith(prefix)
    ]
