"""Read the files of an application, and check what one file says about another."""

from __future__ import annotations

import difflib
import json
import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from weft.compile.application.formats import ApplicationSpec, ArtifactSpec, DeploymentSpec, RunSpec
from weft.compile.application.kinds import check_program, find_kind, is_generic
from weft.compile.application.marks import Document, did_you_mean, read_document
from weft.core import UserError

F = TypeVar("F", bound=BaseModel)
APPLICATION_FILE = "mlapplication.json"
ARTIFACT_FILE = "artifact.json"
RUN_FILE = "run.json"
DEPLOYMENT_FILE = "deployment.json"
_NEAR = 0.8
_LONGEST_SHOWN = 40


@dataclass(frozen=True)
class Specifications:
    """The files of an application, read and checked against each other.

    Attributes:
        application: The tasks and flows.
        artifact: Which files belong to it.
        run: Of one run.
        deployment: What tasks run on.
        documents: Format → the file it was read from, for errors and origins.
    """

    application: ApplicationSpec
    artifact: ArtifactSpec = field(default_factory=ArtifactSpec)
    run: RunSpec = field(default_factory=RunSpec)
    deployment: DeploymentSpec = field(default_factory=DeploymentSpec)
    documents: dict[str, Document] = field(default_factory=dict, repr=False)

    @property
    def flow_names(self) -> tuple[str, ...]:
        """Names of the flows; an application without any has one, ``default``, of all its tasks."""
        return tuple(self.application.flows) or ("default",)

    def flow_of(self, name: str | None = None) -> str:
        """Return the flow that is run: the one asked for, of the run, of the application, or the only one.

        Raises:
            UserError: ``APP010`` when there is no such flow, ``APP011`` when several can be meant.
        """
        for wanted, document in (
            (name, ""),
            (self.run.flow, "run"),
            (self.application.flow, "mlapplication"),
        ):
            if wanted is None:
                continue
            if wanted in self.flow_names:
                return wanted
            message = f"there is no flow '{wanted}'."
            hint = did_you_mean(wanted, self.flow_names)
            if document in self.documents:
                raise self.documents[document].error("APP010", ("flow",), message, hint)
            raise UserError("APP010", message, hint)
        if len(self.flow_names) > 1:
            raise UserError(
                "APP011",
                f"there are {len(self.flow_names)} flows, {', '.join(self.flow_names)}, and none is chosen.",
                'name one with --flow, or as "flow" in mlapplication.json.',
            )
        return self.flow_names[0]

    def successors(self, flow: str) -> dict[str, tuple[str, ...]]:
        """Return for every task of a flow the tasks that follow it; a sink has none."""
        said = self.application.flows.get(flow)
        if said is None:
            return {name: () for name in self.application.tasks}
        names = list(dict.fromkeys([*said, *(n for after in said.values() for n in after)]))
        return {name: tuple(dict.fromkeys(said.get(name, ()))) for name in names}


def read_specifications(
    folder: Path,
    *,
    run: str | Path | None = None,
    deployment: str | Path | None = None,
    application: Document | None = None,
) -> Specifications:
    """Read ``mlapplication.json`` and what stands beside it.

    Args:
        folder: Of the project.
        run: A run specification, relative to the folder; ``run.json`` where there is one.
        deployment: A deployment; ``deployment.json`` where there is one.
        application: In place of the file.

    Raises:
        UserError: ``APP001`` to ``APP015``; each names file, line and field.
    """
    documents = {"mlapplication": application or read_document(folder / APPLICATION_FILE)}
    for kind, given, usual in (
        ("artifact", None, ARTIFACT_FILE),
        ("run", run, RUN_FILE),
        ("deployment", deployment, DEPLOYMENT_FILE),
    ):
        path = folder / (given or usual)
        if given is not None or path.exists():
            documents[kind] = read_document(path, str(given) if given is not None else usual)
    return check_specifications(documents)


def check_specifications(documents: dict[str, Document]) -> Specifications:
    """Turn documents into specifications and check that they fit each other."""
    empty = {kind: Document(kind, {}) for kind in ("artifact", "run", "deployment")} | documents
    made = Specifications(
        validated(documents["mlapplication"], ApplicationSpec),
        validated(empty["artifact"], ArtifactSpec),
        validated(empty["run"], RunSpec),
        validated(empty["deployment"], DeploymentSpec),
        documents,
    )
    for name, task in made.application.tasks.items():
        check_program(name, task, documents["mlapplication"])
    for name in made.application.flows:
        _check_flow(made, name)
    made.flow_of() if made.application.flow is not None else None
    _check_run(made, empty)
    return made


def check_files(made: Specifications, names: Collection[str], given: Mapping[str, Any]) -> None:
    """Refuse what names a file that the artifact has not.

    Args:
        made: The specifications.
        names: Of the artifact's files.
        given: Parameters of the command line; a file that they name is looked for when the task runs.

    Raises:
        UserError: ``APP024`` for a task's program, ``APP070`` for a Dockerfile, or one without an image.
    """
    for task, spec in made.application.tasks.items():
        kind = find_kind(spec.program)
        if kind is None or "file" not in kind.own or {"file", f"{task}.file"} & given.keys():
            continue
        run = made.run.tasks.get(task)
        layers = (
            ("run", ("tasks", task, "taskParameters"), run.taskParameters if run else {}),
            ("run", ("applicationParameters",), made.run.applicationParameters),
            ("mlapplication", ("tasks", task, "parameters"), spec.parameters),
        )
        document, place, file = next(((d, p, v["file"]) for d, p, v in layers if "file" in v), ("", (), ""))
        if document and str(file) not in names:
            message = f"the artifact has no file '{file}', which task '{task}' is to run."
            hint = did_you_mean(str(file), names) if names else "write the file."
            raise made.documents[document].error("APP024", (*place, "file"), message, hint)
    if made.artifact.dockerfile is not None:
        _check_dockerfile(made, made.artifact.dockerfile, names)


def _check_dockerfile(made: Specifications, file: str, names: Collection[str]) -> None:
    document = made.documents["artifact"]
    if file not in names:
        message = f"the artifact has no file '{file}'."
        raise document.error("APP070", ("dockerfile",), message, "write it, or leave the field out.")
    if made.artifact.image is None:
        message = f"an image is to be made of '{file}', and Weft makes none."
        hint = f"run docker build -f {file} -t REGISTRY/NAME . and write REGISTRY/NAME as image."
        raise document.error("APP070", ("dockerfile",), message, hint)


def validated(document: Document, model: type[F]) -> F:
    """Check the fields of a document against its format.

    Raises:
        UserError: ``APP005`` for an unknown field, ``APP006`` for a wrong value.
    """
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        raise _field_error(document, model, error.errors()[0]) from None


_WORDS = {
    "model_type": "an object is wanted",
    "dict_type": "an object is wanted",
    "list_type": "a list is wanted",
    "string_type": "a text is wanted",
    "int_type": "a whole number is wanted",
    "float_type": "a number is wanted",
    "too_short": "it is empty",
}
_NAME_HINT = "use letters, digits, '_', '.' and '-', a letter, digit or '_' first."
_SECRET = "a secret stands here by reference alone"


def _field_error(document: Document, model: type[BaseModel], found: Any) -> UserError:
    place, kind = tuple(found["loc"]), found["type"]
    if kind == "extra_forbidden":
        known = _fields_at(model, place[:-1])
        word = str(place[-1])
        return document.error("APP005", place, f"'{word}' is no field here.", did_you_mean(word, known))
    if kind == "missing":
        message = f"the field '{place[-1]}' is missing."
        return document.error("APP006", place[:-1], message, f"add '{place[-1]}'.")
    if place[-1:] == ("[key]",):
        return document.error("APP006", place[:-1], f"'{place[-2]}' cannot be a name.", _NAME_HINT)
    if "secrets" in place:
        # What stands there may be the secret itself, so it is not shown.
        return document.error("APP006", place, f"{_SECRET}.", "write env:NAME, file:/path or k8s:name/key.")
    reason = _WORDS.get(kind) or found["msg"].removeprefix("Value error, ").rstrip(".")
    reason = reason[:1].lower() + reason[1:]
    message = f"{reason}, and {_shown(found.get('input'))} was given."
    return document.error("APP006", place, message, "correct the value.")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def _fields_at(model: type[BaseModel], place: Iterable[str | int]) -> list[str]:
    """Return the fields that the format has at a place."""
    at: Any = model
    for part in place:
        if isinstance(at, type) and issubclass(at, BaseModel):
            at = at.model_fields[str(part)].annotation
        else:
            at = typing.get_args(at)[1]
        options = [o for o in typing.get_args(at) if isinstance(o, type) and issubclass(o, BaseModel)]
        at = options[0] if options and typing.get_origin(at) is not dict else at
    return [f.alias or name for name, f in at.model_fields.items()]


def _check_flow(made: Specifications, flow: str) -> None:
    """Refuse a flow that names no task, or whose tasks wait for each other.

    A sink that no task describes gathers what the tasks before it made, so its name may be new; one that is
    nearly the name of a task that this flow leaves out is taken for a slip.
    """
    document, tasks = made.documents["mlapplication"], made.application.tasks
    said = made.application.flows[flow]
    if not said:
        raise document.error(
            "APP007", ("flows", flow), "the flow is empty.", "write task: [what follows it]."
        )
    unused = [t for t in tasks if t not in made.successors(flow)]
    for task, after in said.items():
        if task not in tasks:
            place = ("flows", flow, task)
            raise document.error("APP007", place, f"there is no task '{task}'.", did_you_mean(task, tasks))
        for position, follower in enumerate(after):
            if follower in tasks or not difflib.get_close_matches(follower, unused, n=1, cutoff=_NEAR):
                continue
            message = f"there is no task '{follower}'."
            at = ("flows", flow, task, position)
            raise document.error("APP007", at, message, did_you_mean(follower, unused))
    circle = find_circle(made.successors(flow))
    if circle:
        message = f"these tasks wait for each other: {' → '.join(circle)}."
        raise document.error("APP008", ("flows", flow, circle[0]), message, "remove one of these steps.")


def find_circle(successors: dict[str, tuple[str, ...]]) -> list[str]:
    """Return tasks that wait for each other, the first one again at the end; empty when there are none."""
    left = {name: set(after) for name, after in successors.items()}
    while ends := [name for name, after in left.items() if not after]:
        for name in ends:
            del left[name]
        for after in left.values():
            after.difference_update(ends)
    if not left:
        return []
    path = [next(iter(left))]
    while True:
        follower = min(left[path[-1]])
        if follower in path:
            return [*path[path.index(follower) :], follower]
        path.append(follower)


def _check_run(made: Specifications, documents: dict[str, Document]) -> None:
    names = {n for flow in made.flow_names for n in made.successors(flow)} | set(made.application.tasks)
    for kind, tasks in (("run", made.run.tasks), ("deployment", made.deployment.tasks)):
        for task in tasks:
            if task not in names:
                message = f"the application has no task '{task}'."
                raise documents[kind].error("APP009", ("tasks", task), message, did_you_mean(task, names))
    application = made.run.mlApplication
    if not is_generic(application):
        message = f"there is no application '{application}' to run the tasks by."
        raise documents["run"].error("APP012", ("mlApplication",), message, 'write "generic".')
