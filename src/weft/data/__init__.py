"""The data engine: connect, snapshot, profile, prepare, label, audit, describe, export."""

from weft.data.audit import QUERY_READS_LATEST, Decisions, audit_tables, decide
from weft.data.candidates import CandidateOptions, Candidates, build_candidates, find_seen
from weft.data.datasets import gather_files, open_views, parquet_tables, read_batches, source_path
from weft.data.declared import Declared
from weft.data.engine import engine_errors
from weft.data.evidence import EntityRows, entity_rows
from weft.data.export import Exported, export_frame
from weft.data.features import FeatureOptions, compute_features, own_target, plan_features, stale_cutoffs
from weft.data.frames import like_input, to_arrow
from weft.data.history import find_history
from weft.data.labels import (
    Labels,
    Layout,
    build_labels,
    build_seeds,
    plan_layout,
    plan_origins,
    use_label_table,
)
from weft.data.pace import Pace, measure_pace
from weft.data.prepare import PreparedInfo, prepare_tables
from weft.data.profile import (
    ColumnStatistics,
    LinkStatistics,
    Overrides,
    Profile,
    TableStatistics,
    parse_overrides,
    profile_snapshot,
)
from weft.data.relbench import RelbenchFolder, RelbenchLabels, read_relbench, write_relbench
from weft.data.shop import generate_shop
from weft.data.snapshot import SnapshotInfo, read_snapshot, take_snapshot
from weft.data.sources import Source, connect, is_table_file, url_path
from weft.data.tables import Tables

__all__ = [
    "QUERY_READS_LATEST",
    "CandidateOptions",
    "Candidates",
    "ColumnStatistics",
    "Decisions",
    "Declared",
    "EntityRows",
    "Exported",
    "FeatureOptions",
    "Labels",
    "Layout",
    "LinkStatistics",
    "Overrides",
    "Pace",
    "PreparedInfo",
    "Profile",
    "RelbenchFolder",
    "RelbenchLabels",
    "SnapshotInfo",
    "Source",
    "TableStatistics",
    "Tables",
    "audit_tables",
    "build_candidates",
    "build_labels",
    "build_seeds",
    "compute_features",
    "connect",
    "decide",
    "engine_errors",
    "entity_rows",
    "export_frame",
    "find_history",
    "find_seen",
    "gather_files",
    "generate_shop",
    "is_table_file",
    "like_input",
    "measure_pace",
    "open_views",
    "own_target",
    "parquet_tables",
    "parse_overrides",
    "plan_features",
    "plan_layout",
    "plan_origins",
    "prepare_tables",
    "profile_snapshot",
    "read_batches",
    "read_relbench",
    "read_snapshot",
    "source_path",
    "stale_cutoffs",
    "take_snapshot",
    "to_arrow",
    "url_path",
    "use_label_table",
    "write_relbench",
]
