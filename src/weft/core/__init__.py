"""The words every room shares: schema, time, task, features, findings, errors, digests."""

from weft.core.codec import from_json, from_plain, to_json, to_plain
from weft.core.digest import digest_bytes, digest_file, digest_table, digest_value
from weft.core.errors import InvariantError, UnavailableError, UserError, WeftError, missing_extra
from weft.core.feature import Feature, FeatureKind
from weft.core.finding import Evidence, Finding, Severity
from weft.core.progress import Progress, Silent
from weft.core.resources import (
    Resources,
    machine_memory_bytes,
    parse_size,
    peak_memory_bytes,
    reset_peak_memory,
)
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
    "METRICS",
    "MICROSECONDS_PER_DAY",
    "Column",
    "Dtype",
    "Evidence",
    "Feature",
    "FeatureKind",
    "Finding",
    "History",
    "InvariantError",
    "Link",
    "Offset",
    "Progress",
    "Resources",
    "Schema",
    "Severity",
    "Silent",
    "Split",
    "SplitOptions",
    "Stype",
    "Table",
    "Task",
    "TaskType",
    "UnavailableError",
    "Unit",
    "UserError",
    "WeftError",
    "digest_bytes",
    "digest_file",
    "digest_table",
    "digest_value",
    "format_time",
    "from_json",
    "from_plain",
    "machine_memory_bytes",
    "missing_extra",
    "parse_duration_s",
    "parse_offset",
    "parse_size",
    "parse_time",
    "peak_memory_bytes",
    "reset_peak_memory",
    "to_datetime",
    "to_json",
    "to_micros",
    "to_plain",
]
