"""Applications: their files, how one flow becomes a Plan, and the programs that tasks name."""

from weft.compile.application.compiler import CompiledFlow, compile_flow
from weft.compile.application.formats import (
    ApplicationSpec,
    ArtifactSpec,
    DeploymentSpec,
    ModelSpec,
    Placement,
    RunSpec,
    TaskSpec,
    json_schema,
)
from weft.compile.application.kinds import KINDS, find_kind
from weft.compile.application.marks import Document, parse_document, read_document
from weft.compile.application.parameters import Chosen, parse_assignments, task_parameters
from weft.compile.application.reading import (
    APPLICATION_FILE,
    ARTIFACT_FILE,
    DEPLOYMENT_FILE,
    RUN_FILE,
    Specifications,
    check_files,
    check_specifications,
    read_specifications,
)
from weft.compile.application.sources import keep_sources, lay_out_sources

__all__ = [
    "APPLICATION_FILE",
    "ARTIFACT_FILE",
    "DEPLOYMENT_FILE",
    "KINDS",
    "RUN_FILE",
    "ApplicationSpec",
    "ArtifactSpec",
    "Chosen",
    "CompiledFlow",
    "DeploymentSpec",
    "Document",
    "ModelSpec",
    "Placement",
    "RunSpec",
    "Specifications",
    "TaskSpec",
    "check_files",
    "check_specifications",
    "compile_flow",
    "find_kind",
    "json_schema",
    "keep_sources",
    "lay_out_sources",
    "parse_assignments",
    "parse_document",
    "read_document",
    "read_specifications",
    "task_parameters",
]
