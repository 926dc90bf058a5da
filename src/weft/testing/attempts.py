"""Programs that the suite of backends runs: short, and each with one thing that can go wrong."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from weft.core import UserError
from weft.flow import Context

_HOLD = """
import fcntl, os, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("holding", flush=True)
while True:
    __import__("time").sleep(60)
"""


def add(context: Context) -> dict[str, Any]:
    """Add the numbers of all inputs and the node's own; leave the sum in a file and as the value."""
    total = context.parameters.get("n", 0) + sum(int(o.path("n.txt").read_text()) for o in _inputs(context))
    (context.directory / "n.txt").write_text(str(total))
    if path := context.hints.get("log"):
        with open(path, "a") as file:
            file.write(f"{context.node}\n")
    context.report(rows=total)
    return {"n": total}


def refuse(context: Context) -> None:
    """Print a line and raise a user's error."""
    sys.stdout.write("about to refuse\n")
    raise UserError("SCH001", "there is no table 'x'.", "choose another.")


def crash(context: Context) -> None:
    """Print a line without end and die of a signal."""
    sys.stdout.write("about to crash")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(context: Context) -> None:
    """End the process without returning."""
    os._exit(7)


def die_with_worker(context: Context) -> None:
    """Kill the worker, and with it this process."""
    os.kill(os.getppid(), signal.SIGKILL)
    threading.Event().wait()


def hold(context: Context) -> None:
    """Start a process in a session of its own that holds a lock, and wait with it for ever."""
    command = [sys.executable, "-c", _HOLD, context.hints["lock"]]
    subprocess.Popen(command, start_new_session=True)
    threading.Event().wait()


def chatter(context: Context) -> None:
    """Print for ever."""
    while True:
        sys.stdout.write("x" * 1000 + "\n")


def talk(context: Context) -> None:
    """Print a line, wait until a file is there, and print another."""
    sys.stdout.write("first\n")
    pause = threading.Event()
    while not Path(context.hints["until"]).exists():
        context.progress.update(1, 2, "half way")
        pause.wait(0.01)
    context.log(b"second\n")


def is_locked(path: Path) -> bool:
    """Return whether a process that `hold` started is alive."""
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def count(context: Context) -> dict[str, Any]:
    """Tell the workers that found each other: rank and size, as torchrun's environment names them."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    found = {name: os.environ[name] for name in names}
    with open(context.hints["log"], "a") as file:
        file.write(f"{found['RANK']} of {found['WORLD_SIZE']} at port {found['MASTER_PORT']}\n")
    return {"rank": found["RANK"]}


def fail_beside(context: Context) -> None:
    """Succeed as rank 0 and fail as any other."""
    if os.environ["RANK"] != "0":
        raise ValueError(f"rank {os.environ['RANK']} cannot go on")


def branch(context: Context) -> dict[str, Any]:
    """Return a plan of ``width`` nodes that add the node's input, and one that adds them up."""
    here, n = __name__, context.parameters["n"]
    if context.parameters.get("depth", 0):
        deeper = {"n": n, "depth": context.parameters["depth"] - 1}
        inner = {"name": "last", "program": f"{here}:branch", "parameters": deeper}
        nodes = [{**inner, "inputs": {"x": "$x"}}]
    else:
        names = [f"part{i}" for i in range(n)]
        parts = [{"program": f"{here}:add", "parameters": {"n": i}, "inputs": {"x": "$x"}} for i in range(n)]
        nodes = [{"name": name, **part} for name, part in zip(names, parts, strict=True)]
        nodes.append({"name": "last", "program": f"{here}:add", "inputs": {name: name for name in names}})
    return {"$plan": {"nodes": nodes}, "$result": "last"}


def tell_secret(context: Context) -> None:
    """Print a secret and fail with it."""
    sys.stdout.write(f"the password is {os.environ['PASSWORD']}\n")
    raise ValueError(f"wrong password {os.environ['PASSWORD']}")


def swell(context: Context) -> None:
    """Use more and more memory."""
    pause, held = threading.Event(), []
    while True:
        held.append(bytearray(os.urandom(1 << 20)) * 16)
        pause.wait(0.01)


def see_gpus(context: Context) -> None:
    """Print the GPUs that may be used, and wait until a file is there."""
    sys.stdout.write(f"{os.environ['CUDA_VISIBLE_DEVICES']}\n")
    pause = threading.Event()
    while not Path(context.hints["until"]).exists():
        pause.wait(0.01)


def _inputs(context: Context) -> list[Any]:
    return [context.inputs[label] for label in sorted(context.inputs)]
