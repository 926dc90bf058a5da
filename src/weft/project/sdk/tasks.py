"""Functions as tasks, and calls of them as a flow."""

from __future__ import annotations

import contextvars
import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from weft.core import UserError
from weft.project.sdk.values import is_json, read_value, write_value

_RESERVED = frozenset({"args", "file", "function", "module"})
_TASK, _PATH = "$task", "$path"
_flow: contextvars.ContextVar[Flow | None] = contextvars.ContextVar("flow", default=None)


class Task:
    """A function that may be a task of a flow. Called outside of a flow it is the function.

    Made by `task`. Inside ``with Flow(…):`` a call runs nothing: it adds a task to the flow and stands for
    its result.
    """

    def __init__(self, function: Callable[..., Any], settings: Mapping[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.settings = dict(settings)
        self.name = str(self.settings.pop("name", None) or function.__name__)
        if taken := sorted(_RESERVED & inspect.signature(function).parameters.keys()):
            raise UserError(
                "APP065",
                f"task '{self.name}' has a parameter '{taken[0]}', a word of the program that runs it.",
                f"call it otherwise; taken are: {', '.join(sorted(_RESERVED))}.",
            )

    def __call__(self, *values: Any, **named: Any) -> Any:
        """Call the function, or inside a flow add a task to it."""
        flow = _flow.get()
        return self.function(*values, **named) if flow is None else flow.add(self, values, named)

    def __repr__(self) -> str:
        return f"Task({self.name!r})"

    def with_settings(self, **settings: Any) -> Task:
        """Return the same task under another ``name``, or with other resources."""
        return Task(self.function, {"name": self.name, **self.settings, **settings})

    @property
    def place(self) -> str:
        """``module:function``, where a worker finds it below the project's folder."""
        module, qualified = self.function.__module__, self.function.__qualname__
        if "<locals>" in qualified:
            raise UserError(
                "APP065",
                f"task '{self.name}' is made inside a function, where a worker cannot find it.",
                "define it at the top of a module of the project.",
            )
        if module == "__main__":
            main = getattr(sys.modules["__main__"], "__file__", None)
            if main is None:
                raise UserError(
                    "APP065",
                    f"task '{self.name}' is defined at a prompt, where a worker cannot find it.",
                    "put it into a file of the project and import it.",
                )
            module = Path(main).stem
        return f"{module}:{qualified}"

    def run_in_worker(self, **given: Any) -> dict[str, Any]:
        """Run as a task of a job: results of tasks before are read, what is returned is written."""
        folders = {name: Path(folder) for name, folder in json.loads(os.environ["WEFT_INPUTS"]).items()}
        result = self.function(**{name: _resolved(value, folders) for name, value in given.items()})
        return write_value(result, Path(os.environ["WEFT_OUTPUT"]), os.environ["WEFT_TASK"])


@dataclass(frozen=True, eq=False)
class TaskCall:
    """A task of a flow, standing for what it will return.

    ``call["key"]`` and ``call[0]`` stand for parts of that.
    """

    flow: Flow = field(repr=False)
    name: str
    path: tuple[str | int, ...] = ()

    def __getitem__(self, key: str | int) -> TaskCall:
        """Stand for a part of what the task returns.

        Raises:
            UserError: ``APP065`` for what is neither a text nor a number.
        """
        if not isinstance(key, (str, int)):
            raise UserError(
                "APP065",
                f"a part of what task '{self.name}' returns is asked for by {key!r}.",
                "take parts by a text or a number, and cut lists inside a task.",
            )
        return TaskCall(self.flow, self.name, (*self.path, key))

    def __iter__(self) -> Any:
        raise UserError(
            "APP065",
            f"what task '{self.name}' returns is not known before it runs, so its parts cannot be counted.",
            "take them one by one: result[0], result[1].",
        )

    def after(self, *calls: TaskCall) -> TaskCall:
        """Let the task wait for others from which it takes nothing."""
        for call in calls:
            self.flow.order(call.name, self.name)
        return self


class Flow:
    """A flow of tasks, written as calls of functions.

    Args:
        name: Of the flow.

    Example:
        >>> @task(memory="1GB")
        ... def prepare(rows: int = 100): ...
        >>> @task
        ... def train(data, rate: float = 0.1): ...
        >>> with Flow("learn") as flow:
        ...     model = train(prepare(rows=5000), rate=0.01)
        >>> flow.to_application()["flows"]
        {'learn': {'prepare': ['train'], 'train': []}}
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._tasks: dict[str, dict[str, Any]] = {}
        self._follow: dict[str, list[str]] = {}
        self._entered: contextvars.Token[Flow | None] | None = None

    def __enter__(self) -> Flow:
        self._entered = _flow.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._entered is not None
        _flow.reset(self._entered)

    def add(self, made: Task, values: Sequence[Any], named: Mapping[str, Any]) -> TaskCall:
        """Add a task; what is given to it are its parameters, and results of tasks before.

        Raises:
            UserError: ``APP065`` for arguments that the function does not take, ``APP066`` for one that is
                not plain JSON.
        """
        try:
            bound = inspect.signature(made.function).bind(*values, **named)
        except TypeError as error:
            raise UserError(
                "APP065", f"task '{made.name}' is called wrongly: {error}.", "give what its function takes."
            ) from None
        name = self._new_name(made.name)
        given = self._given(name, bound)
        parameters = {"function": f"{made.place}.run_in_worker", **given}
        self._tasks[name] = {"program": "python", "parameters": parameters, **made.settings}
        self._follow[name] = []
        for before in sorted(_named_in(given)):
            self.order(before, name)
        return TaskCall(self, name)

    def order(self, first: str, second: str) -> None:
        """Let the task ``second`` wait for ``first``."""
        if second not in self._follow[first]:
            self._follow[first].append(second)

    def to_application(self) -> dict[str, Any]:
        """Return the flow as ``mlapplication.json`` holds it."""
        return {"tasks": self._tasks, "flows": {self.name: self._follow}, "flow": self.name}

    def _new_name(self, stem: str) -> str:
        name, number = stem, 2
        while name in self._tasks:
            name, number = f"{stem}-{number}", number + 1
        return name

    def _given(self, name: str, bound: inspect.BoundArguments) -> dict[str, Any]:
        # What is left out is a parameter as well, which a job may set.
        usual = {n: p.default for n, p in bound.signature.parameters.items() if is_json(p.default)}
        given: dict[str, Any] = {n: v for n, v in usual.items() if n not in bound.arguments}
        for parameter, value in bound.arguments.items():
            kind = bound.signature.parameters[parameter].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                given |= value
            elif kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY):
                raise UserError(
                    "APP065",
                    f"task '{name}' takes '{parameter}' by place, and parameters of tasks have names.",
                    "leave out * and / from the function's parameters.",
                )
            else:
                given[parameter] = value
        return {parameter: self._plain(name, parameter, value) for parameter, value in given.items()}

    def _plain(self, name: str, parameter: str, value: Any) -> Any:
        if isinstance(value, TaskCall):
            if value.flow is not self:
                raise UserError(
                    "APP065",
                    f"task '{name}' is given a result of the flow '{value.flow.name}', which is another.",
                    "use both in one flow, or publish the result as a data set.",
                )
            return {_TASK: value.name, _PATH: list(value.path)}
        if isinstance(value, (list, tuple)):
            return [self._plain(name, parameter, part) for part in value]
        if isinstance(value, dict) and _TASK not in value and all(isinstance(key, str) for key in value):
            return {key: self._plain(name, parameter, part) for key, part in value.items()}
        if isinstance(value, dict) or not is_json(value):
            raise UserError(
                "APP066",
                f"task '{name}' is given a {type(value).__name__} as '{parameter}'.",
                "give plain values, with texts as keys; let a task make a table, or read a data set in it.",
            )
        return value


@overload
def task(function: Callable[..., Any], /) -> Task: ...
@overload
def task(**settings: Any) -> Callable[[Callable[..., Any]], Task]: ...
def task(
    function: Callable[..., Any] | None = None, /, **settings: Any
) -> Task | Callable[[Callable[..., Any]], Task]:
    """Make a function a task, which a flow can hold.

    Args:
        function: At the top of a module of the project. It returns plain values, tables, arrays, paths of
            files that it wrote, or anything that can be pickled; the next task gets the same.
        settings: ``name``; and what a task of ``mlapplication.json`` may say: ``cpu``, ``memory``, ``gpus``,
            ``nodes``, ``image``, ``retries``, ``timeout``, ``variables``, ``secrets``, ``description``,
            ``model``.

    Raises:
        UserError: ``APP065`` when the function has a parameter whose name is taken.
    """
    if function is None:
        return lambda found: Task(found, settings)
    return Task(function, {})


def _resolved(value: Any, folders: Mapping[str, Path]) -> Any:
    """Put what tasks before returned in place of what stands for it."""
    if isinstance(value, dict):
        if _TASK not in value:
            return {name: _resolved(part, folders) for name, part in value.items()}
        folder = folders[value[_TASK]]
        part = json.loads((folder / "result.json").read_text(encoding="utf-8"))["value"]
        for key in value[_PATH]:
            part = part[key]
        return read_value(part, folder)
    return [_resolved(part, folders) for part in value] if isinstance(value, list) else value


def _named_in(value: Any) -> set[str]:
    """Return the tasks whose results stand in a value."""
    if isinstance(value, dict):
        if _TASK in value:
            return {value[_TASK]}
        return {name for part in value.values() for name in _named_in(part)}
    return {name for part in value for name in _named_in(part)} if isinstance(value, list) else set()
