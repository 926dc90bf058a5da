"""What is asked becomes a Plan; the programs its nodes name."""

from weft.compile.held import hold_source
from weft.compile.ladder import FitSpec, SentenceSpec, reads_graph
from weft.compile.opening import (
    open_tables,
    read_features,
    read_labels,
    read_table,
    read_value,
)
from weft.compile.predictive import (
    Answer,
    TablesSpec,
    compile_answer,
    compile_cohorts,
    compile_fit,
    compile_labels,
    compile_tables,
)

__all__ = [
    "Answer",
    "FitSpec",
    "SentenceSpec",
    "TablesSpec",
    "compile_answer",
    "compile_cohorts",
    "compile_fit",
    "compile_labels",
    "compile_tables",
    "hold_source",
    "open_tables",
    "read_features",
    "read_labels",
    "read_table",
    "read_value",
    "reads_graph",
]
