"""The words every room shares: schema, time, task, features, findings, errors, digests."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from weft.core.arguments import MOST_UINT64, check_integer, check_word
from weft.core.codec import from_json, from_plain, to_json, to_plain
from weft.core.digest import digest_bytes, digest_file, digest_table, digest_value
from weft.core.errors import (
    InvariantError,
    ProgramFailed,
    UnavailableError,
    UserError,
    WeftError,
    missing_extra,
)
from weft.core.names import path_name
from weft.core.progress import Progress, Silent
from weft.core.resources import (
    Resources,
    machine_memory_bytes,
    parse_size,
    peak_memory_bytes,
    reset_peak_memory,
)
from weft.core.threads import one_blas_thread

if TYPE_CHECKING:
    from weft.core.batch import NO_AGE, Batch, BatchEdges, BatchRows, Scope, Toward
    from weft.core.feature import Feature, FeatureKind
    from weft.core.finding import Evidence, Finding, Severity
    from weft.core.fingerprint import Fingerprints, fingerprint_batches
    from weft.core.neighbors import GraphColumn, GraphLink, GraphSource, GraphTable, Negatives, Neighborhoods
    from weft.core.reader import FINGERPRINT_ROWS, ROW, TIME, TableReader
    from weft.core.sampling import ALL, MAX_HOPS, Choice, LinkKey, SampleOptions, Strategy
    from weft.core.schema import Column, Dtype, Link, Schema, Stype, Table
    from weft.core.task import METRICS, History, Split, SplitOptions, Task, TaskType
    from weft.core.time import (
        MICROSECONDS_PER_DAY,
        Offset,
        Unit,
        format_time,
        parse_duration_s,
        parse_offset,
        parse_time,
        to_datetime,
        to_micros,
    )

__all__ = [
    "ALL",
    "FINGERPRINT_ROWS",
    "MAX_HOPS",
    "METRICS",
    "MICROSECONDS_PER_DAY",
    "MOST_UINT64",
    "NO_AGE",
    "ROW",
    "TIME",
    "Batch",
    "BatchEdges",
    "BatchRows",
    "Choice",
    "Column",
    "Dtype",
    "Evidence",
    "Feature",
    "FeatureKind",
    "Finding",
    "Fingerprints",
    "GraphColumn",
    "GraphLink",
    "GraphSource",
    "GraphTable",
    "History",
    "InvariantError",
    "Link",
    "LinkKey",
    "Negatives",
    "Neighborhoods",
    "Offset",
    "ProgramFailed",
    "Progress",
    "Resources",
    "SampleOptions",
    "Schema",
    "Scope",
    "Severity",
    "Silent",
    "Split",
    "SplitOptions",
    "Strategy",
    "Stype",
    "Table",
    "TableReader",
    "Task",
    "TaskType",
    "Toward",
    "UnavailableError",
    "Unit",
    "UserError",
    "WeftError",
    "check_integer",
    "check_word",
    "digest_bytes",
    "digest_file",
    "digest_table",
    "digest_value",
    "fingerprint_batches",
    "format_time",
    "from_json",
    "from_plain",
    "machine_memory_bytes",
    "missing_extra",
    "one_blas_thread",
    "parse_duration_s",
    "parse_offset",
    "parse_size",
    "parse_time",
    "path_name",
    "peak_memory_bytes",
    "reset_peak_memory",
    "to_datetime",
    "to_json",
    "to_micros",
    "to_plain",
]

# Words for arrays and tables bring numpy and pyarrow, which take longer than the start of a worker may. The
# others take a seventh of it, and a program that knows no tables needs none of them.
_LATER = {
    "weft.core.feature": "Feature, FeatureKind",
    "weft.core.finding": "Evidence, Finding, Severity",
    "weft.core.schema": "Column, Dtype, Link, Schema, Stype, Table",
    "weft.core.task": "METRICS, History, Split, SplitOptions, Task, TaskType",
    "weft.core.time": "MICROSECONDS_PER_DAY, Offset, Unit, format_time, "
    "parse_duration_s, parse_offset, parse_time, to_datetime, to_micros",
    "weft.core.batch": "NO_AGE, Batch, BatchEdges, BatchRows, Scope, Toward",
    "weft.core.fingerprint": "Fingerprints, fingerprint_batches",
    "weft.core.neighbors": "GraphColumn, GraphLink, GraphSource, GraphTable, Negatives, Neighborhoods",
    "weft.core.reader": "FINGERPRINT_ROWS, ROW, TIME, TableReader",
    "weft.core.sampling": "ALL, MAX_HOPS, Choice, LinkKey, SampleOptions, Strategy",
}
_MODULES = {name: module for module, names in _LATER.items() for name in names.split(", ")}


def __getattr__(name: str) -> Any:
    """Import what a worker does not always need on first use."""
    if name in _MODULES:
        value = getattr(importlib.import_module(_MODULES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'weft.core' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
