"""The files of an application as frozen data: their fields, defaults and JSON Schemas."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, field_validator

from weft.core import UserError, parse_duration_s, parse_size

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Secret = Annotated[str, StringConstraints(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|k8s:[^/]+/.+)$")]
GENERIC = "com.ebay.oss.krylov.workflow.app.GenericMLApplication"


class _Format(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Placement(_Format):
    """What a task runs on: the same words in an application, a deployment and a workspace."""

    cpu: float | None = Field(default=None, gt=0, description="Number of processor cores on each machine.")
    memory: str | int | None = Field(
        default=None, description="On each machine: bytes, or such as 4GB or 512MiB."
    )
    gpus: int | None = Field(default=None, ge=0, description="Number of GPUs on each machine.")
    nodes: int | None = Field(
        default=None, ge=1, description="Workers that run the task together and find each other."
    )
    image: str | None = Field(default=None, description="Container image, where the backend has containers.")
    retries: int | None = Field(default=None, ge=0, description="How often a failed attempt is tried again.")
    timeout: str | float | None = Field(default=None, description="For one attempt: seconds, or such as 30m.")
    variables: dict[Variable, str] = Field(default={}, description="Environment variables; no secrets.")
    secrets: dict[Variable, Secret] = Field(
        default={},
        description="Environment variable → env:NAME, file:/path or k8s:name/key, where its value is.",
    )

    @field_validator("memory")
    @classmethod
    def _is_size(cls, value: str | int | None) -> str | int | None:
        if isinstance(value, str):
            _check(parse_size, value)
        if isinstance(value, int) and value <= 0:
            raise ValueError("it must be more than 0")
        return value

    @field_validator("timeout")
    @classmethod
    def _is_duration(cls, value: str | float | None) -> str | float | None:
        seconds = _check(parse_duration_s, value) if isinstance(value, str) else value
        if seconds is not None and not seconds > 0:
            raise ValueError("it must be more than 0")
        return value


class ModelSpec(_Format):
    """What a task makes that is registered in the hub as a model."""

    name: Name = Field(description="Name of the model.")
    path: str = Field(
        default="", description="Folder in the task's output that holds it; all of the output when empty."
    )


class TaskSpec(Placement):
    """One task: a program on one machine."""

    program: str = Field(description="python, jvm, shell, notebook, or a program that is registered.")
    parameters: dict[str, JsonValue] = Field(default={}, description="Defaults of the task's parameters.")
    description: str = ""
    model: ModelSpec | None = None


class ApplicationSpec(_Format):
    """``mlapplication.json``: the tasks of a project and the flows they form."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    schema_: str | None = Field(default=None, alias="$schema")
    name: Name | None = Field(
        default=None, description="Of the application; the folder's name when left out."
    )
    description: str = ""
    tasks: dict[Name, TaskSpec] = Field(min_length=1)
    flows: dict[Name, dict[str, list[str]]] = Field(
        default={}, description="Flow → task → the tasks that follow it."
    )
    flow: str | None = Field(default=None, description="The flow that is run when none is asked for.")


class TaskRunSpec(_Format):
    """What a run specification says about one task."""

    taskParameters: dict[str, JsonValue] = {}  # noqa: N815 - the format's own word


class RunSpec(_Format):
    """The run specification: one run of an application, with its parameters."""

    schema_: str | None = Field(default=None, alias="$schema")
    jobName: str | None = Field(  # noqa: N815
        default=None, description="What the job is called beside the name that it gets."
    )
    artifact: str | None = Field(
        default=None,
        description="What runs; the project's folder where it is that artifact, or none is said.",
    )
    artifactTag: str = Field(default="latest", description="Tag of the artifact.")  # noqa: N815
    mlApplication: str = "generic"  # noqa: N815
    flow: str | None = None
    applicationParameters: dict[str, JsonValue] = {}  # noqa: N815
    tasks: dict[str, TaskRunSpec] = {}


class DeploymentSpec(_Format):
    """The deployment: what each task runs on."""

    schema_: str | None = Field(default=None, alias="$schema")
    defaults: Placement = Placement()
    tasks: dict[str, Placement] = {}
    backends: dict[str, dict[str, JsonValue]] = Field(
        default={}, description="Backend → its settings, such as namespace and queue of kubernetes."
    )


class ArtifactSpec(_Format):
    """``artifact.json``: which files belong to the artifact, and what they need."""

    schema_: str | None = Field(default=None, alias="$schema")
    name: Name | None = Field(
        default=None, description="Of the artifact; the application's name when left out."
    )
    tag: Name = "latest"
    include: list[str] = Field(
        default=[], description="Patterns of the files that belong to it; all when empty."
    )
    exclude: list[str] = Field(default=[], description="Patterns of files that do not.")
    requirements: str = Field(
        default="requirements.txt", description="What the sources need, one package a line."
    )
    lock: str = Field(
        default="requirements.lock", description="The versions that were chosen; written by the build."
    )
    dockerfile: str | None = Field(
        default=None, description="File that the image was made from; Weft makes no images."
    )
    image: str | None = Field(
        default=None, description="Image with the dependencies, for tasks that name none."
    )


FORMATS: dict[str, type[_Format]] = {
    "mlapplication": ApplicationSpec,
    "artifact": ArtifactSpec,
    "run": RunSpec,
    "deployment": DeploymentSpec,
}
FormatName = Literal["mlapplication", "artifact", "run", "deployment"]


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a format: mlapplication, artifact, run or deployment.

    Raises:
        UserError: ``APP004`` when there is no such format.
    """
    if name not in FORMATS:
        raise UserError(
            "APP004", f"there is no format '{name}'.", f"choose one of: {', '.join(sorted(FORMATS))}."
        )
    made = FORMATS[name].model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def _check(read: Any, value: str) -> Any:
    try:
        return read(value)
    except UserError as error:
        raise ValueError(f"{error.message.rstrip('.')}; {error.hint.rstrip('.')}") from None


def is_variable(name: str) -> bool:
    """Whether a shell can read an environment variable of this name."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None
