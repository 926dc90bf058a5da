"""The actor that keeps one worker: it runs on the machine that Ray chose, and leaves when the worker has."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from weft.core import UnavailableError, WeftError
from weft.flow.backends.base import AttemptState
from weft.flow.backends.marks import Begun, find_begun, note_begun
from weft.flow.store import Store
from weft.flow.worker import AttemptResult, keep_result, read_result
from weft.flow.worker.result import Failure
from weft.flow.worker.tree import end_marked

_GUARD = Path(__file__).with_name("guard.py")
_LOOK_EVERY_S = 0.1
_COUNT_EVERY_S = 3.0


@dataclass(frozen=True)
class Order:
    """What a keeper is told.

    Attributes:
        id: Of the attempt.
        rank: Of this worker.
        nodes: Number of workers.
        store: Address.
        spec: Digest of the specification.
        variables: Environment of the worker.
        grace_s: Between asking the worker to stop and killing it.
    """

    id: str
    rank: int
    nodes: int
    store: str
    spec: str
    variables: dict[str, str]
    grace_s: float


def keeper_name(id: str, rank: int) -> str:
    """Return the name under which Ray knows a keeper."""
    return id if rank == 0 else f"{id}.{rank}"


class Keeper:
    """Starts a worker as soon as it is made itself, whoever made it and whether or not they are still there.

    Args:
        order: What to run.
        address: Of this machine.
        find: Returns the address at which the first worker is found; asked by the others.
        count: Returns the ranks whose keepers are there.
        leave: Ends this actor, which gives its machine back. Told whether it is the last.
    """

    def __init__(
        self,
        order: Order,
        address: str,
        find: Callable[[], str],
        count: Callable[[], set[int]],
        leave: Callable[[bool], None],
    ) -> None:
        self._order, self._find, self._count, self._leave = order, find, count, leave
        self._address = address
        self._folder = Path(tempfile.mkdtemp(prefix=f"{order.id}-"))
        self._master = f"{address}:{_free_port()}" if order.rank == 0 else ""
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._lost = ""
        threading.Thread(target=self._run, name="keeper", daemon=True).start()

    def master(self) -> str:
        """Return host and port at which the first worker is found."""
        return self._master

    def log(self, offset: int) -> bytes:
        """Return what the worker's program wrote, from a byte offset on."""
        try:
            with open(self._folder / "log", "rb") as file:
                file.seek(offset)
                return file.read()
        except FileNotFoundError:
            return b""

    def stop(self) -> bool:
        """End the worker; return once nothing of it runs."""
        self._stopping.set()
        return self._ended.wait(self._order.grace_s + 10)

    # Inside

    def _run(self) -> None:
        order = self._order
        store = Store(order.store)
        now = time.time_ns() // 1000
        try:
            note_begun(store, order.id, order.rank, Begun(self._address, order.nodes, now))
            worker = self._start()
            code = self._watch(worker)
            is_lost = read_result(store, order.id, order.rank) is None
            if is_lost:
                # A worker that was killed could end nothing of what it started.
                end_marked(order.id)
            if is_lost or self._lost:
                keep_result(store, self._result(code, now), order.rank)
        except (WeftError, OSError) as error:
            sys.stderr.write(f"{error}\n")
        finally:
            self._ended.set()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._leave(self._wait_for_others())

    def _start(self) -> subprocess.Popen[bytes]:
        order = self._order
        command = [sys.executable, "-P", "-m", "weft.flow.worker", order.spec, "--store", order.store]
        command += ["--folder", str(self._folder)]
        if order.nodes > 1:
            command += ["--rank", str(order.rank), "--master", self._master or self._find()]
        return subprocess.Popen(
            [sys.executable, "-SE", str(_GUARD), *command],
            env={**os.environ, **order.variables},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _watch(self, worker: subprocess.Popen[bytes]) -> int:
        asked, counted = 0.0, time.monotonic()
        while (code := worker.poll()) is None:
            now = time.monotonic()
            if self._order.nodes > 1 and now - counted > _COUNT_EVERY_S and not asked:
                counted = now
                self._look_for_others()
            if self._stopping.is_set() and not asked:
                asked = now
                worker.terminate()
            if asked and now - asked > self._order.grace_s:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)
                end_marked(self._order.id)
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(_LOOK_EVERY_S)
        return code

    def _look_for_others(self) -> None:
        """Stop when another worker is gone without success: the rest would wait for it."""
        store, here = Store(self._order.store), self._count()
        for rank in set(range(self._order.nodes)) - here - {self._order.rank}:
            result = read_result(store, self._order.id, rank)
            if result is None and find_begun(store, self._order.id, rank) is None:
                continue  # it waits for its machine
            if result is None or result.state is not AttemptState.SUCCEEDED:
                self._lost = f"worker {rank} ended: {result.reason if result else 'its machine is gone'}"
                self._stopping.set()

    def _result(self, code: int, started_us: int) -> AttemptResult:
        ended_us = time.time_ns() // 1000
        if self._stopping.is_set() and not self._lost:
            return AttemptResult(
                self._order.id, AttemptState.STOPPED, "stopped", started_us=started_us, ended_us=ended_us
            )
        reason = self._lost or f"its worker ended with code {code}"
        error = UnavailableError(
            "FLOW096",
            f"attempt {self._order.id} was ended from outside: {reason}.",
            "run it again, with more memory where that was short; what is finished is kept.",
        )
        return AttemptResult(
            self._order.id,
            AttemptState.FAILED,
            reason,
            code,
            Failure.of(error),
            started_us=started_us,
            ended_us=ended_us,
        )

    def _wait_for_others(self) -> bool:
        """Return whether this keeper is the one that takes the group's place in the cluster away."""
        until = time.monotonic() + 60
        while self._order.rank == 0 and self._order.nodes > 1 and time.monotonic() < until:
            if self._count() <= {0}:
                return True
            time.sleep(_LOOK_EVERY_S)
        return self._count() <= {self._order.rank}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        port: int = listener.getsockname()[1]
        return port
