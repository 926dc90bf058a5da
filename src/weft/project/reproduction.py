"""How to get a run again: the command or the lines of Python that make it, and what it was made with."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from weft.report import Reproduction

if TYPE_CHECKING:
    from weft.project.run import Run

_PACKAGES = ("weft", "duckdb", "ibis-framework", "lightgbm", "scikit-learn", "numpy", "pyarrow")
_FLAGS = {
    "val_start": "--val-start",
    "test_start": "--test-start",
    "step": "--step",
    "eval_anchors": "--eval-anchors",
    "label_table": "--labels",
    "metric": "--metric",
}
FRAMES = "data frames"


def public_place(source: str) -> str:
    """Write where a source is, without the user and the password of a URL.

    Example:
        >>> public_place("postgresql://ann:secret@db.example/shop?sslpassword=x"), public_place("shop/")
        ('postgresql://db.example/shop', 'shop/')
    """
    if "://" not in source:
        return source
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def describe_reproduction(run: Run) -> Reproduction:
    """Say how to make ``run`` again and with which versions it was made."""
    parameters = run.record.parameters
    versions = [(name, _version(name)) for name in _PACKAGES]
    return Reproduction(
        commands=(*_commands(run, parameters), f"weft report {run.name}"),
        seed=parameters["seed"],
        packages=tuple((n, v) for n, v in versions if v),
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    )


def _commands(run: Run, parameters: dict[str, Any]) -> list[str]:
    options = dict(parameters.get("options", {}))
    budget = f"{parameters['budget_s']:g}s"
    source = run.record.results["source"]
    stated = parameters.get("stated", {})
    if source == FRAMES or stated or set(options) - set(_FLAGS):
        said = ", ".join(f"{name}={value!r}" for name, value in stated.items())
        graph = "graph" if source == FRAMES else f"weft.connect({source!r}).graph({said})"
        given = {"budget": budget, "seed": parameters["seed"], "models": tuple(parameters["models"])}
        given |= {
            name: parameters[name] for name in ("trials", "warm_start", "origins") if parameters.get(name)
        }
        given |= {"validation": "rolling"} if parameters.get("origins") else {}
        given |= {"history": run.record.history} | options
        told = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return [f"{graph}.query({run.query!r}).fit({told})"]
    words = ["weft", "fit", source, "--query", run.query, "--history", run.record.history]
    words += [
        "--seed",
        str(parameters["seed"]),
        "--budget",
        budget,
        "--models",
        ",".join(parameters["models"]),
    ]
    if parameters.get("trials"):
        words += ["--trials", str(parameters["trials"])]
    if parameters.get("warm_start"):
        words += ["--warm-start", parameters["warm_start"]]
    if parameters.get("origins"):
        words += ["--validation", "rolling", "--origins", str(parameters["origins"])]
    for name, value in options.items():
        words += [_FLAGS[name], str(value)]
    return [shlex.join(words)]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
