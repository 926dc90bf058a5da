"""The kinds of program a task can name, and which of a task's parameters are the program's own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from weft.compile.application.formats import GENERIC, TaskSpec
from weft.compile.application.marks import Document, did_you_mean
from weft.flow.program import GROUP

_PROGRAMS = "weft.compile.application.programs"
_PREFIX = "com.ebay.oss.krylov.workflow."


@dataclass(frozen=True)
class Kind:
    """A kind of program.

    Attributes:
        name: As a task writes it.
        program: What a node names.
        one_of: Parameters of which a task gives exactly one: what is run.
        optional: Further parameters of the program's own. All others are the task's.
        lists: Parameters whose values are lists of texts.
    """

    name: str
    program: str
    one_of: tuple[str, ...]
    optional: tuple[str, ...] = ()
    lists: tuple[str, ...] = ("args",)

    @property
    def own(self) -> frozenset[str]:
        """Parameters that are the program's, not the task's."""
        return frozenset(self.one_of + self.optional)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("python", f"{_PROGRAMS}:run_python", ("file", "function", "module"), ("args",)),
        Kind("shell", f"{_PROGRAMS}:run_shell", ("command", "file"), ("args",)),
        Kind(
            "jvm",
            f"{_PROGRAMS}:run_jvm",
            ("className",),
            ("args", "classPath", "jvmArgs"),
            ("args", "classPath", "jvmArgs"),
        ),
        Kind("notebook", f"{_PROGRAMS}:run_notebook", ("file",), ("kernel",)),
        Kind("gather", f"{_PROGRAMS}:gather_inputs", ()),
    )
}
# The words of the platform that the formats come from.
ALIASES = {
    f"{_PREFIX}PythonProgram": "python",
    f"{_PREFIX}JvmMainProgram": "jvm",
    f"{_PREFIX}ShellProgram": "shell",
    f"{_PREFIX}NotebookProgram": "notebook",
}


def find_kind(program: str) -> Kind | None:
    """Return what a task's ``program`` means: one of ours, an alias of it, or one that is registered.

    A program of a team's own is registered in the entry point group ``weft.programs``; all parameters are its
    own to understand.
    """
    name = ALIASES.get(program, program)
    if name in KINDS:
        return KINDS[name]
    if any(True for _ in entry_points(group=GROUP, name=name)):
        return Kind(name, name, ())
    return None


def is_generic(application: str) -> bool:
    """Whether the name of an application means the one that runs tasks as they are written."""
    return application in ("generic", GENERIC)


def check_program(name: str, task: TaskSpec, document: Document) -> None:
    """Check that a task's program exists and that it is told what to run.

    Raises:
        UserError: ``APP013`` for an unknown program, ``APP014`` for parameters that it cannot use.
    """
    kind = find_kind(task.program)
    if kind is None:
        known = {*KINDS, *ALIASES, *(e.name for e in entry_points(group=GROUP))}
        message = f"there is no program '{task.program}'."
        place = ("tasks", name, "program")
        raise document.error("APP013", place, message, did_you_mean(task.program, known))
    fault = program_fault(kind, task.parameters)
    if fault:
        field, message, hint = fault
        raise document.error("APP014", ("tasks", name, "parameters", field), message, hint)


def program_fault(kind: Kind, parameters: dict[str, Any]) -> tuple[str, str, str] | None:
    """Return field, message and hint of what is wrong with a program's own parameters, if anything is."""
    if kind.one_of:
        given = [p for p in kind.one_of if p in parameters]
        words = " or ".join(f"'{p}'" for p in kind.one_of)
        if not given:
            return "", f"program {kind.name} is not told what to run.", f"give the parameter {words}."
        if len(given) > 1:
            both = " and ".join(f"'{p}'" for p in given)
            return given[1], f"program {kind.name} is given {both}.", "leave out one of them."
    for name in sorted(kind.own & parameters.keys()):
        value = parameters[name]
        is_list = name in kind.lists or (name == "command" and isinstance(value, list))
        if is_list and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            return name, f"'{name}' is not a list of texts.", 'write it as ["a", "b"].'
        if not is_list and not (isinstance(value, str) and value):
            return name, f"'{name}' is not a text.", "write it in quotation marks."
    return None
