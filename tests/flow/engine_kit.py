"""What the tests of durable runs share: plans, databases, controllers in processes of their own."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from weft.core import Resources
from weft.flow import Node, Plan, Store
from weft.flow.backends.process import ProcessBackend
from weft.flow.engine import Engine

HERE = Path(__file__).parent
LIMITS = Resources(1_000_000_000, 2)

# A controller that kills itself at the n-th call of a function, before or after it, as its arguments say.
CONTROLLER = """
import importlib, os, signal, sys
from engine_kit import open_engine
url, store, where, count, moment = sys.argv[1:6]
if where:
    module, _, name = where.partition(":")
    owner = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    real, seen = getattr(owner, last), []

    def cut(*args, **kwargs):
        seen.append(1)
        if len(seen) == int(count) and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **kwargs)
        if len(seen) == int(count) and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, last, cut)
engine = open_engine(url, store)
engine.start()
print("started", flush=True)
sys.stdin.readline()
engine.close()
print("closed", flush=True)
"""


def open_engine(url, store, **options) -> Engine:
    backends = {"process": ProcessBackend(f"{store}-processes")}
    return Engine(url, Store(store), resources=LIMITS, backends=backends, **{"runs_at_once": 2, **options})


def start_controller(url, store, where="", count=1, moment="before") -> subprocess.Popen:
    arguments = [sys.executable, "-c", CONTROLLER, url, str(store), where, str(count), moment]
    return subprocess.Popen(
        arguments,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def chain(log, length=4, name="chain", **hints) -> Plan:
    nodes = [
        Node(
            f"n{i}",
            "flow_programs:alone",
            parameters={"n": i, "of": name},
            inputs={"before": f"n{i - 1}"} if i else {},
            hints={"log": str(log), **hints},
        )
        for i in range(length)
    ]
    return Plan(name, tuple(nodes))


def logged(log: Path) -> Counter:
    """Count how often each node ran to its end; nobody may have met another at the same node."""
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    assert not [line for line in lines if line[1] == "doubled"]
    return Counter(line[0] for line in lines)


def states(status) -> dict[str, str]:
    return {n.name: n.state for n in status.nodes}
