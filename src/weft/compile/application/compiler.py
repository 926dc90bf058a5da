"""From an application, a run specification and a deployment to a Plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weft.compile.application.formats import Placement
from weft.compile.application.kinds import KINDS, Kind, find_kind, program_fault
from weft.compile.application.parameters import Chosen, split_assignments, task_parameters
from weft.compile.application.reading import Specifications
from weft.compile.application.variables import check_variables
from weft.core import Resources, UserError, parse_duration_s, parse_size
from weft.flow import Node, Plan

ARTIFACT = "artifact"
HIDDEN = "hidden"
_VERSION = "1"


@dataclass(frozen=True)
class CompiledFlow:
    """A flow as a Plan.

    Attributes:
        flow: Its name.
        plan: What runs.
        parameters: Task → parameter → value and where it was said.
        gathers: Sinks that no task describes.
        models: Task → name and path of the model that it makes.
    """

    flow: str
    plan: Plan
    parameters: dict[str, dict[str, Chosen]]
    gathers: tuple[str, ...]
    models: dict[str, tuple[str, str]]


def compile_flow(
    made: Specifications,
    *,
    artifact: str,
    usual: Resources,
    flow: str | None = None,
    given: Mapping[str, Any] | None = None,
    name: str = "application",
    environment: str | None = None,
) -> CompiledFlow:
    """Compile one flow of an application.

    The same specifications, artifact and parameters give the same Plan; resources, retries, time limits,
    image and number of machines are in it and not part of any key.

    Args:
        made: The specifications.
        artifact: Digest of the sources in the store.
        usual: The machine; a task that asks for cores alone gets that share of its memory.
        flow: Name of the flow; as `Specifications.flow_of` chooses when left out.
        given: Parameters from the command line, see `split_assignments`.
        name: Of the project, where the application has none.
        environment: Digest of what the tasks' dependencies are.

    Raises:
        UserError: ``APP010``, ``APP011``, ``APP014``, ``APP017``, ``APP080``.
    """
    chosen_flow = made.flow_of(flow)
    successors = made.successors(chosen_flow)
    split = split_assignments(made, successors, given or {})
    parameters = {task: task_parameters(made, task, split[task]) for task in successors}
    digests = {ARTIFACT: artifact} | ({"environment": environment} if environment else {})
    before = {task: {t: t for t, after in successors.items() if task in after} for task in successors}
    nodes = [_node(made, task, parameters[task], before[task], digests, usual) for task in successors]
    tasks = made.application.tasks
    models = {t: (s.model.name, s.model.path) for t, s in tasks.items() if s.model and t in successors}
    plan = Plan(f"{made.application.name or name} {chosen_flow}", tuple(nodes))
    gathers = tuple(t for t in successors if t not in tasks)
    return CompiledFlow(chosen_flow, plan, parameters, gathers, models)


def _node(
    made: Specifications,
    task: str,
    parameters: Mapping[str, Chosen],
    inputs: dict[str, str],
    digests: dict[str, str],
    usual: Resources,
) -> Node:
    spec = made.application.tasks.get(task)
    values = {name: chosen.value for name, chosen in parameters.items()}
    if spec is None:
        return Node(task, KINDS["gather"].program, _VERSION, inputs=inputs)
    kind = find_kind(spec.program)
    assert kind is not None  # the specifications were checked
    _check_own(task, kind, parameters)
    check_variables(task, (name for name in values if name not in kind.own), "parameters")
    check_variables(task, inputs, "tasks before it")
    placed = _placement(made, task)
    return Node(
        task,
        kind.program,
        _VERSION,
        parameters=values,
        inputs=inputs,
        digests=dict(digests),
        hints={HIDDEN: hidden} if (hidden := _secret_sources(made)) else {},
        resources=_resources(placed, usual),
        retries=placed.retries or 0,
        timeout_s=_seconds(placed.timeout),
        variables=dict(placed.variables),
        secrets=dict(placed.secrets),
        image=placed.image or made.artifact.image,
        nodes=placed.nodes or 1,
    )


def _secret_sources(made: Specifications) -> list[str]:
    """Return the environment variables where secrets of any task are looked up; no other task sees them."""
    placed = [_placement(made, task) for task in made.application.tasks]
    references = [r for p in placed for r in p.secrets.values() if r.startswith("env:")]
    return sorted({r.removeprefix("env:") for r in references})


def _check_own(task: str, kind: Kind, parameters: Mapping[str, Chosen]) -> None:
    fault = program_fault(kind, {name: chosen.value for name, chosen in parameters.items()})
    if fault:
        name, message, hint = fault
        said = f" ({parameters[name].origin})" if name in parameters else ""
        raise UserError("APP014", f"task {task}{said}: {message}", hint)


def _placement(made: Specifications, task: str) -> Placement:
    """Put together what a task runs on: its own words < the deployment's defaults < its deployment."""
    layers = (
        made.application.tasks[task],
        made.deployment.defaults,
        made.deployment.tasks.get(task, Placement()),
    )
    merged: dict[str, Any] = {}
    for layer in layers:
        said = {name: getattr(layer, name) for name in Placement.model_fields}
        for name in ("variables", "secrets"):
            said[name] = {**merged.get(name, {}), **said[name]}
        merged |= {name: value for name, value in said.items() if value is not None}
    return Placement.model_validate(merged)


def _resources(placed: Placement, usual: Resources) -> Resources | None:
    """Return what a task asks for; of what it does not name, its share by the cores it asks for."""
    nodes = placed.nodes or 1
    if placed.cpu is None and placed.memory is None and not placed.gpus:
        # Several workers may share one machine.
        share = Resources(usual.memory_bytes // nodes, max(1, usual.threads // nodes))
        return share if nodes > 1 else None
    threads = math.ceil(placed.cpu or 1)
    memory = parse_size(placed.memory) if isinstance(placed.memory, str) else placed.memory
    usual_bytes = usual.memory_bytes * min(threads, usual.threads) // usual.threads
    return Resources(memory or usual_bytes, threads, placed.gpus or 0)


def _seconds(timeout: str | float | None) -> float | None:
    return parse_duration_s(timeout) if isinstance(timeout, str) else timeout
