"""Call a function of a project with a task's parameters; a script that needs no package of Weft.

``python call.py module:function``. The function gets by name what it asks for: the task's parameters, and
``parameters``, ``inputs`` (task → folder), ``output``, ``scratch``, ``checkpoints`` (folders), ``task`` and
``attempt``. What it returns, an object of plain JSON values, is the task's value.
"""

import importlib
import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Call the function that the command line names."""
    name = sys.argv[1]
    sys.path.insert(0, os.getcwd())  # noqa: PTH109
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    value = found(**arguments(found, parameters(), offered()))
    if value is not None:
        target = Path(os.environ["WEFT_OUTPUT"]) / "result.json"
        target.write_text(json.dumps(value, sort_keys=True, allow_nan=False), encoding="utf-8")
    return 0


def parameters() -> dict[str, Any]:
    """Return the task's parameters."""
    with open(os.environ["WEFT_PARAMETERS_FILE"], encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def offered() -> dict[str, Any]:
    """Return what a function may ask for besides parameters."""
    inputs = json.loads(os.environ["WEFT_INPUTS"])
    return {
        "parameters": parameters(),
        "inputs": {name: Path(folder) for name, folder in inputs.items()},
        "output": Path(os.environ["WEFT_OUTPUT"]),
        "scratch": Path(os.environ["WEFT_SCRATCH"]),
        "checkpoints": Path(os.environ["WEFT_CHECKPOINTS"]),
        "task": os.environ["WEFT_TASK"],
        "attempt": int(os.environ["WEFT_ATTEMPT"]),
    }


def arguments(function: Any, given: dict[str, Any], offered: dict[str, Any]) -> dict[str, Any]:
    """Choose what a function is called with; a parameter of the task goes before what is offered."""
    asked = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in asked.values()):
        extra = {name: value for name, value in offered.items() if name in asked}
        return {**extra, **given}
    return {name: value for name, value in {**offered, **given}.items() if name in asked}


if __name__ == "__main__":
    sys.exit(main())
