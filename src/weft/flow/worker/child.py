"""The child process of a worker, in which the node's program runs."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import faulthandler
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from weft.core import WeftError, to_plain
from weft.flow.attempt import Ending, Job, assist, perform
from weft.flow.backends.base import AttemptSpec
from weft.flow.events import Event, NodeState, Output
from weft.flow.record import read_record
from weft.flow.store import Store
from weft.flow.worker.result import Failure
from weft.flow.worker.tree import die_with

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Post:
    """Ends of pipes and places that a child is given.

    Attributes:
        log: Gets what the program prints.
        channel: Gets what happens, one JSON object per line.
        go: Where the child that keeps the result waits for the others; ``None`` when it is alone.
        rank: Of this worker, 0 for the one that keeps the result.
        variables: Of the program, secrets included.
    """

    log: int
    channel: int
    go: int | None
    rank: int
    variables: Mapping[str, str]


def run_child(spec: AttemptSpec, store: Store, post: Post, parent: int) -> NoReturn:
    """Run the program of ``spec`` in this process, which was just forked, and end it."""
    code = 3
    try:
        die_with(parent)
        os.setpgid(0, 0)
        _take_over(post)
        stopped = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.environ.update(_environment(spec, post.variables))
        code = _work(spec, store, post, stopped)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            # What was registered for the end of the process; the blocks of the parent are not left.
            atexit._run_exitfuncs()
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _take_over(post: Post) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(post.log, 1)
    os.dup2(post.log, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    faulthandler.enable()


def _environment(spec: AttemptSpec, variables: Mapping[str, str]) -> dict[str, str]:
    threads = dict.fromkeys(_THREADS, str(spec.resources.threads))
    return {**threads, "PYTHONUNBUFFERED": "1", **variables}


def _work(spec: AttemptSpec, store: Store, post: Post, stopped: threading.Event) -> int:
    def send(message: dict[str, Any]) -> None:
        os.write(post.channel, json.dumps(message).encode() + b"\n")

    codes: list[int] = []

    def tell(message: Event | Ending) -> None:
        if isinstance(message, Ending):
            codes.append(_tell_end(message, send))
        elif message.state is NodeState.STARTED:
            send({"started": True})
        else:
            send({"done": message.done, "total": message.total, "note": message.note})

    try:
        job = _job(spec, store, post, stopped)
    except WeftError as error:
        send({"end": "failed", "failure": to_plain(Failure.of(error))})
        return error.exit_code
    (perform if post.rank == 0 else assist)(job, store, tell)
    return codes[0]


def _tell_end(ending: Ending, send: Callable[[dict[str, Any]], None]) -> int:
    if isinstance(ending.error, WeftError):
        if ending.error.__cause__ is not None:
            traceback.print_exception(ending.error.__cause__)
        send({"end": "failed", "failure": to_plain(Failure.of(ending.error))})
        return ending.error.exit_code
    if ending.state is NodeState.CANCELLED:
        send({"end": "stopped"})
        return 128 + signal.SIGTERM
    why = ending.why if ending.state is NodeState.CACHED else ""
    send({"end": "succeeded", "record": ending.digest, "why": why})
    return 0


def _job(spec: AttemptSpec, store: Store, post: Post, stopped: threading.Event) -> Job:
    def log(data: bytes) -> None:
        sys.stdout.flush()
        os.write(1, data)

    def wait_for_others() -> None:
        if post.go is not None:
            os.write(post.channel, b'{"waiting": true}\n')
            os.read(post.go, 1)

    return Job(
        # The controller counts the tries.
        dataclasses.replace(spec.node, retries=0),
        spec.parts,
        spec.parts.key,
        "",
        {label: _output(spec, store, label) for label in spec.inputs},
        spec.resources,
        spec.run,
        0.0,
        stopped,
        attempt=spec.number,
        is_repeated=spec.is_repeated,
        log=log,
        before_commit=wait_for_others,
    )


def _output(spec: AttemptSpec, store: Store, label: str) -> Output:
    name = spec.node.inputs.get(label, label)
    return read_record(store, spec.inputs[label]).output(name, store)
