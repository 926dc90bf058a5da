"""The parameters of a task: four places may name one, the last that does wins, and its place is kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from weft.compile.application.kinds import KINDS, find_kind
from weft.compile.application.marks import did_you_mean
from weft.compile.application.reading import Specifications
from weft.core import UserError


@dataclass(frozen=True)
class Chosen:
    """The value of a parameter, and where it was said: ``run.json:7 (application parameters)``."""

    value: Any
    origin: str


def task_parameters(
    made: Specifications, task: str, given: Mapping[str, Any] | None = None
) -> dict[str, Chosen]:
    """Return the parameters of a task.

    Task defaults < application parameters < task parameters of the run specification < those given on the
    command line. A value replaces the one before it as a whole.

    Args:
        made: The specifications.
        task: Name of the task.
        given: Parameter → value from the command line, for this task.
    """
    spec = made.application.tasks.get(task)
    run = made.run.tasks.get(task)
    layers = (
        (spec.parameters if spec else {}, "mlapplication", ("tasks", task, "parameters"), "task default"),
        (made.run.applicationParameters, "run", ("applicationParameters",), "application parameter"),
        (run.taskParameters if run else {}, "run", ("tasks", task, "taskParameters"), "task parameter"),
    )
    chosen: dict[str, Chosen] = {}
    for values, kind, place, words in layers:
        document = made.documents.get(kind)
        for name, value in values.items():
            line = document.lines.get((*place, name)) if document else None
            where = f"{words}, {document.name}:{line}" if document and line else words
            chosen[name] = Chosen(value, where)
    for name, value in (given or {}).items():
        chosen[name] = Chosen(value, "-p")
    return chosen


def parse_assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Read ``name=value`` as written after ``-p``: a value that is JSON is that, any other a text.

    Raises:
        UserError: ``APP016`` for a text without a name or ``=``.

    Example:
        >>> parse_assignments(["lr=0.1", "train.name=ann"])
        {'lr': 0.1, 'train.name': 'ann'}
    """
    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise UserError("APP016", f"'{text}' is no parameter.", "write it as name=value.")
        try:
            found[name.strip()] = json.loads(value, parse_constant=lambda word: word)
        except ValueError:
            found[name.strip()] = value
    return found


def split_assignments(
    made: Specifications, tasks: Iterable[str], given: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Say which task gets which of the parameters from the command line.

    ``task.name`` is meant for that task, ``name`` for all tasks that know it. A task knows what the files
    name, and what is its program's own; a program that a package registers knows what it knows.

    Raises:
        UserError: ``APP017`` for a name that no task knows.
    """
    known = {task: set(task_parameters(made, task)) for task in tasks}
    split: dict[str, dict[str, Any]] = {task: {} for task in known}
    for name, value in given.items():
        task, separator, inner = name.partition(".")
        if separator and inner and task in known:
            _check_name(made, task, inner, known[task])
            split[task][inner] = value
            continue
        takers = [t for t in known if name in known[t] or name in _own(made, t)]
        if not takers:
            raise _unknown(name, "no task knows", {n for names in known.values() for n in names})
        for taker in takers:
            split[taker][name] = value
    return split


def _check_name(made: Specifications, task: str, name: str, known: set[str]) -> None:
    spec = made.application.tasks.get(task)
    kind = find_kind(spec.program) if spec else None
    is_registered = kind is not None and kind.name not in KINDS
    if not is_registered and name not in known | _own(made, task):
        raise _unknown(name, f"task '{task}' does not know", known)


def _own(made: Specifications, task: str) -> frozenset[str]:
    spec = made.application.tasks.get(task)
    kind = find_kind(spec.program) if spec else None
    return kind.own if kind else frozenset()


def _unknown(name: str, words: str, known: set[str]) -> UserError:
    hint = did_you_mean(name, known).rstrip(".")
    return UserError(
        "APP017",
        f"{words} a parameter '{name}'.",
        f"{hint} A new one is first given a default in mlapplication.json."
        if hint.endswith("?")
        else f"{hint}; a new one is first given a default in mlapplication.json.",
    )
