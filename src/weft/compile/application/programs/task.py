"""What a task's process finds: folders, parameters and inputs, named by environment variables."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from weft.compile.application.kinds import KINDS, program_fault
from weft.compile.application.programs.child import free_port, run_children
from weft.compile.application.sources import lay_out_sources
from weft.compile.application.variables import check_variables, variable_name
from weft.core import UserError
from weft.flow import Context, Output
from weft.flow.folder import copy_out, lay_out
from weft.flow.worker.tree import MARK

ARTIFACT = "artifact"
HIDDEN = "hidden"
RESULT = "result.json"
# Linux takes 128 KiB in one variable or argument, and at least a quarter of an 8 MiB stack in all of them.
_LARGEST_VARIABLE, _ALL_VARIABLES = 100_000, 500_000
_RANK_VARIABLES = (
    *("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE"),
    *("LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE"),
)
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Task:
    """A task at work: its folders and its environment.

    The folder ``sources`` holds the artifact, and is where the process runs.
    """

    def __init__(self, context: Context, kind: str) -> None:
        self.context = context
        own = KINDS[kind].own
        fault = program_fault(KINDS[kind], context.parameters)
        if fault:
            raise UserError("APP014", f"task {context.node}: {fault[1]}", fault[2])
        self.own = {name: value for name, value in context.parameters.items() if name in own}
        self.parameters = {name: value for name, value in context.parameters.items() if name not in own}
        self.scratch = context.scratch
        self.sources = self.scratch / "sources"
        if ARTIFACT in context.digests:
            lay_out_sources(context.store, context.digests[ARTIFACT], self.sources)
        self.sources.mkdir(exist_ok=True)
        (self.scratch / "work").mkdir()
        self._environment = self._make_environment()

    def run(self, command: Callable[[Path], Sequence[str]]) -> dict[str, Any]:
        """Run the task's processes; return the value that the task left.

        Args:
            command: Output folder → program and arguments; no shell sees them.

        Raises:
            UserError: ``APP022`` when what was left as ``result.json`` is no JSON object.
        """
        commands = [self._command(command, rank) for rank in self._ranks()]
        run_children(self.context, commands, self.sources)
        return read_result(self.context)

    def arguments(self, name: str = "args") -> list[str]:
        """Return a list of the program's own, with ``${parameter}`` replaced by its value.

        Raises:
            UserError: ``APP023`` for a name that is no parameter of the task.
        """
        values = {n: v if isinstance(v, str) else json.dumps(v) for n, v in self.parameters.items()}
        try:
            return [_Template(text).substitute(values) for text in self.own.get(name, ())]
        except (KeyError, ValueError) as error:
            unknown = error.args[0] if isinstance(error, KeyError) else "$"
            raise UserError(
                "APP023",
                f"task '{self.context.node}': '{name}' names ${{{unknown}}}, which it has no parameter for.",
                f"choose one of: {', '.join(values) or 'none are given'}; write $$ for a dollar sign.",
            ) from None

    def file(self, name: str) -> Path:
        """Return the path of a file of the artifact.

        Raises:
            UserError: ``APP024`` when the artifact has no such file.
        """
        path = self.sources / name
        if not path.is_file() or not path.resolve().is_relative_to(self.sources.resolve()):
            raise UserError(
                "APP024",
                f"task '{self.context.node}': the artifact has no file '{name}'.",
                "name a file of the project that artifact.json includes.",
            )
        return path

    def _ranks(self) -> list[int | None]:
        """Return the workers that run here: all of them, unless the backend started one on each machine."""
        if self.context.nodes == 1 or self._is_ranked:
            return [None]
        self._port = free_port()
        return list(range(self.context.nodes))

    def _command(
        self, command: Callable[[Path], Sequence[str]], rank: int | None
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        output = self.context.directory
        environment = dict(self._environment)
        if rank is not None:
            environment |= self._torchrun(rank)
        # What the workers have in common is left by the first; only its output is kept.
        if rank or int(environment.get("RANK", "0")) > 0:
            output = self.scratch / f"output-{environment['RANK']}"
            output.mkdir()
        environment["WEFT_OUTPUT"] = str(output)
        return command(output), environment

    @property
    def _is_ranked(self) -> bool:
        """Whether a worker has said which of several machines this is."""
        return self.context.nodes > 1 and MARK in os.environ and "RANK" in os.environ

    def _torchrun(self, rank: int) -> dict[str, str]:
        total = str(self.context.nodes)
        return {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(self._port),
            "RANK": str(rank),
            "WORLD_SIZE": total,
            "LOCAL_RANK": str(rank),
            "LOCAL_WORLD_SIZE": total,
            "GROUP_RANK": "0",
            "GROUP_WORLD_SIZE": "1",
        }

    def _make_environment(self) -> dict[str, str]:
        context = self.context
        for names, what in ((self.parameters, "parameters"), (context.inputs, "tasks before it")):
            check_variables(context.node, names, what)
        inputs = {name: str(self._lay_out(name, output)) for name, output in context.inputs.items()}
        text = json.dumps(self.parameters)
        file = self.scratch / "parameters.json"
        file.write_text(text, encoding="utf-8")
        made = {n: v for n, v in os.environ.items() if n == MARK or not n.startswith("WEFT_")}
        for name in set(context.hints.get(HIDDEN, ())) - context.secrets.keys():
            made.pop(name, None)
        if not self._is_ranked:
            # Those of whoever started the job would make a task on one machine a part of something else.
            for name in _RANK_VARIABLES:
                made.pop(name, None)
        made |= dict.fromkeys(_THREAD_VARIABLES, str(context.resources.threads))
        # Relative places are meant from here; the task runs elsewhere.
        places = [str(Path(p).absolute()) for p in made.get("PYTHONPATH", "").split(os.pathsep) if p]
        made["PYTHONPATH"] = os.pathsep.join([str(self.sources), *places])
        made |= {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        made |= context.variables
        made |= {f"WEFT_INPUT_{variable_name(name)}": folder for name, folder in inputs.items()}
        made |= _parameter_variables(self.parameters)
        made |= {
            "WEFT_TASK": context.node,
            "WEFT_SECRETS": " ".join(sorted(context.secrets)),
            "WEFT_ATTEMPT": str(context.attempt),
            "WEFT_INPUTS": json.dumps(inputs),
            "WEFT_PARAMETERS_FILE": str(file),
            "WEFT_SCRATCH": str(self.scratch / "work"),
            "WEFT_CHECKPOINTS": str(context.unfinished),
            "WEFT_NODES": str(context.nodes),
            "WEFT_THREADS": str(context.resources.threads),
            "WEFT_MEMORY_BYTES": str(context.resources.memory_bytes),
            "WEFT_GPUS": str(context.resources.gpus),
        }
        if len(text) < _LARGEST_VARIABLE:  # JSON of ASCII alone
            made["WEFT_PARAMETERS"] = text
        return made

    def _lay_out(self, name: str, output: Output) -> Path:
        return lay_out(output, self.scratch / "inputs" / name)


class _Template(Template):
    """``${name}``, where a name may hold any character but a brace."""

    pattern = r"\$(?:(?P<escaped>\$)|\{(?P<braced>[^{}]+)\}|(?P<named>(?!))|(?P<invalid>(?=\{)))"  # type: ignore[assignment]


def read_result(context: Context) -> dict[str, Any]:
    """Return what a task left as ``result.json``; empty when it left nothing.

    Raises:
        UserError: ``APP022`` when it is no JSON object.
    """
    path = context.directory / RESULT
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        reason = "" if isinstance(value, dict) else f"it is a {type(value).__name__}, not an object"
    except (OSError, ValueError) as error:
        value, reason = {}, str(error)
    if reason:
        raise UserError(
            "APP022",
            f"task '{context.node}' left a {RESULT} that cannot be read: {reason}.",
            "write one JSON object, or give the file another name.",
        )
    found: dict[str, Any] = value
    return found


def gather_inputs(context: Context) -> dict[str, Any]:
    """Keep what the tasks before made, each in a folder of its name; for a sink that no task describes."""
    for name, output in context.inputs.items():
        if output.files or output.folders:
            copy_out(output, context.directory / name)
    return {name: output.value for name, output in context.inputs.items() if output.value}


def _parameter_variables(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return one variable for each parameter that fits: what a process can be given has a limit.

    The smallest go first; the file of parameters has all.
    """
    texts = {n: v if isinstance(v, str) else json.dumps(v) for n, v in parameters.items()}
    made, left = {}, _ALL_VARIABLES
    for name, text in sorted(texts.items(), key=lambda item: len(item[1])):
        size = len(text.encode(errors="surrogateescape"))
        if "\0" not in text and size < min(_LARGEST_VARIABLE, left):
            made[f"WEFT_PARAMETER_{variable_name(name)}"] = text
            left -= size
    return made
