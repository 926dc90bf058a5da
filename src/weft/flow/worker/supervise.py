"""The worker's side of an attempt: starts the children, reads what they say, and ends them."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from io import FileIO
from pathlib import Path
from typing import Any

from weft.core import InvariantError, UnavailableError, WeftError, from_plain
from weft.flow.backends.base import AttemptSpec, AttemptState
from weft.flow.faults import coded, out_of_memory
from weft.flow.logs import LogLines
from weft.flow.secret import Redactor
from weft.flow.store import Store
from weft.flow.worker.child import Post, run_child
from weft.flow.worker.result import EVENTS, LOG, AttemptResult, Failure, read_result
from weft.flow.worker.tree import adopt_orphans, end_descendants, excess_bytes

_GRACE_S = 2.0
_LOOK_EVERY_S = 0.25
_ASK_EVERY_S = 0.5
_CHUNK = 1 << 16


@dataclass
class _Child:
    rank: int
    pid: int
    process: int
    log: int
    channel: int
    go: int | None
    redactor: Redactor
    lines: LogLines | None
    said: bytes = b""
    end: dict[str, Any] | None = None
    code: int | None = None
    is_waiting: bool = False
    open: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Group:
    """Which workers of an attempt run in this process, and where they find the first.

    Attributes:
        ranks: Of the children to start here.
        size: How many there are on all machines.
        master: Host and port of the first; a free port of this machine when left out.
    """

    ranks: tuple[int, ...] = (0,)
    size: int = 1
    master: str | None = None


class Supervisor:
    """Runs the children of one attempt to their end.

    Args:
        spec: What to run.
        store: Where its inputs are and its result goes.
        folder: Gets ``log`` and ``events.jsonl`` while it runs.
        group: Which of the attempt's workers run here.
        secrets: Variable → value.
        echo: Copy the log to stdout.
    """

    def __init__(
        self,
        spec: AttemptSpec,
        store: Store,
        folder: Path,
        group: Group,
        secrets: Mapping[str, str],
        *,
        echo: bool,
    ) -> None:
        self._spec, self._store, self._group = spec, store, group
        self._secrets, self._echo = secrets, echo
        self._log = open(folder / LOG, "ab", buffering=0)  # noqa: SIM115  (closed by run)
        self._events = open(folder / EVENTS, "ab", buffering=0)  # noqa: SIM115
        self._redactor = Redactor(secrets.values())
        self._children: list[_Child] = []
        self._selector = selectors.DefaultSelector()
        self._deadline: float | None = None
        self._kill_at: float | None = None
        self._looked = 0.0
        self._asked = 0.0
        self._elsewhere = set(range(group.size)) - set(group.ranks)
        self._is_deaf = False
        self._ended: AttemptResult | None = None
        self._started_us = time.time_ns() // 1000
        self._kills_before = _memory_kills()

    def stop(self) -> None:
        """End the attempt because somebody asked for it."""
        self._end(AttemptResult(self._spec.id, AttemptState.STOPPED, "stopped"))

    def run(self, wakeup: int) -> AttemptResult:
        """Run until nothing of the attempt is left.

        Args:
            wakeup: Becomes readable when a signal has come.
        """
        adopt_orphans()
        master = self._group.master or f"127.0.0.1:{_free_port() if self._group.size > 1 else 0}"
        for rank in self._group.ranks:
            self._start(rank, master)
        self._selector.register(wakeup, selectors.EVENT_READ, lambda: os.read(wakeup, _CHUNK))
        while any(c.code is None for c in self._children):
            for key, _ in self._selector.select(self._patience()):
                key.data()
            self._look()
        end_descendants()
        for child in self._children:
            for file in list(child.open):
                self._drain(child, file)
        self._log.close()
        self._events.close()
        return self._result()

    def _start(self, rank: int, master: str) -> None:
        size = self._group.size
        variables = {**_torchrun(rank, size, master), **self._spec.variables, **self._secrets}
        log, channel = os.pipe(), os.pipe()
        go = os.pipe() if rank == 0 and size > 1 else (None, None)
        sys.stdout.flush()
        # Until the child has a handler of its own, it must not run this process's.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            # A copy of the other end would keep the child waiting for a worker that is dead.
            for file in (log[0], channel[0], go[1]):
                if file is not None:
                    os.close(file)
            signal.set_wakeup_fd(-1)
            run_child(self._spec, self._store, Post(log[1], channel[1], go[0], rank, variables), parent)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # the child does the same; whoever comes first
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        for file in (log[1], channel[1], go[0]):
            if file is not None:
                os.close(file)
        redactor = Redactor(self._secrets.values())
        # Alone, what it prints is shown at once; beside others, line by line.
        lines = LogLines(redactor) if size > 1 else None
        child = _Child(rank, pid, os.pidfd_open(pid), log[0], channel[0], go[1], redactor, lines)
        self._children.append(child)
        self._watch(child, child.log, lambda: self._read(child, child.log))
        self._watch(child, child.channel, lambda: self._read(child, child.channel))
        self._selector.register(child.process, selectors.EVENT_READ, lambda: self._reap(child))

    def _watch(self, child: _Child, file: int, call: Callable[[], object]) -> None:
        os.set_blocking(file, False)
        child.open.add(file)
        self._selector.register(file, selectors.EVENT_READ, call)

    def _patience(self) -> float | None:
        limits = [t for t in (self._deadline, self._kill_at) if t is not None]
        if self._children[0].is_waiting and self._elsewhere:
            limits.append(self._asked + _ASK_EVERY_S)
        wait = max(0.0, min(limits) - time.monotonic()) if limits else None
        if self._spec.node.resources is not None:
            wait = min(_LOOK_EVERY_S, wait if wait is not None else _LOOK_EVERY_S)
        return wait

    def _look(self) -> None:
        """Do what is due by time: the limits of the attempt, and an end that is not heeded."""
        now = time.monotonic()
        if self._kill_at is not None:
            if now >= self._kill_at:
                self._signal(signal.SIGKILL)
            return
        if self._deadline is not None and now >= self._deadline:
            self._end(self._failed(_out_of_time(self._spec)))
        if self._children[0].is_waiting and self._elsewhere and now - self._asked >= _ASK_EVERY_S:
            self._asked = now
            self._ask_elsewhere()
        limit = self._spec.node.resources
        if limit is not None and now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            most = limit.memory_bytes * len(self._group.ranks)
            if used := excess_bytes([os.getpid()], most):
                self._end(self._failed(out_of_memory(self._spec.node.name, used, most)), grace_s=0.0)

    def _end(self, result: AttemptResult, *, grace_s: float = _GRACE_S) -> None:
        if self._ended is not None:
            return
        self._ended = result
        self._kill_at = time.monotonic() + grace_s
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        for child in self._children:
            if child.code is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, number)

    def _read(self, child: _Child, file: int) -> bool:
        try:
            data = os.read(file, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(file)
            os.close(file)
            child.open.discard(file)
        (self._print if file == child.log else self._hear)(child, data)
        return bool(data)

    def _drain(self, child: _Child, file: int) -> None:
        while self._read(child, file):
            pass

    def _print(self, child: _Child, data: bytes) -> None:
        if child.lines is None:
            shown = child.redactor.feed(data) if data else child.redactor.end()
        else:
            mark = f"[{child.rank}] ".encode() if child.rank else b""
            lines = child.lines.feed(data) if data else child.lines.end()
            shown = b"".join(mark + line.rstrip(b"\n") + b"\n" for line in lines)
        self._write(self._log, shown)
        if self._echo:
            with contextlib.suppress(OSError):
                sys.stdout.buffer.write(shown)
                sys.stdout.buffer.flush()

    def _write(self, file: FileIO, data: bytes) -> None:
        """Write what came; where that fails the attempt ends, and its children are listened to until then."""
        if self._is_deaf:
            return
        try:
            with coded(f"the log of node '{self._spec.node.name}'"):
                while data:
                    data = data[file.write(data) :]
        except WeftError as error:
            self._is_deaf = True
            self._end(self._failed(error))

    def _hear(self, child: _Child, data: bytes) -> None:
        *lines, child.said = (child.said + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "end" in message:
                child.end = message
            elif "started" in message:
                self._begin()
            elif "waiting" in message:
                child.is_waiting = True
            elif child.rank == 0:
                self._write(self._events, self._redactor.text(line.decode()).encode() + b"\n")
        self._let_commit()

    def _begin(self) -> None:
        if self._spec.node.timeout_s is not None and self._deadline is None:
            self._deadline = time.monotonic() + self._spec.node.timeout_s

    def _let_commit(self) -> None:
        """Once all others have succeeded, here and elsewhere, the first may leave its result."""
        first = self._children[0]
        others = [c.end for c in self._children[1:]]
        is_all = len(self._children) == len(self._group.ranks) and not self._elsewhere
        if first.go is not None and is_all and all(e and e["end"] == "succeeded" for e in others):
            os.write(first.go, b"1")
            os.close(first.go)
            first.go = None

    def _ask_elsewhere(self) -> None:
        """Look which workers on other machines have ended, and how."""
        for rank in sorted(self._elsewhere):
            try:
                result = read_result(self._store, self._spec.id, rank)
            except WeftError:
                return  # the store is asked again
            if result is not None and result.state is AttemptState.SUCCEEDED:
                self._elsewhere.discard(rank)
            elif result is not None:
                self._end(self._failed(_failed_beside(self._spec, rank, result.reason)))
        self._let_commit()

    def _reap(self, child: _Child) -> None:
        self._selector.unregister(child.process)
        os.close(child.process)
        child.code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
        if child.channel in child.open:
            self._drain(child, child.channel)
        if child.end is None or child.end["end"] != "succeeded":
            self._end(self._ended_by(child))

    def _ended_by(self, child: _Child) -> AttemptResult:
        if child.end is not None and child.end["end"] == "failed":
            failure = from_plain(Failure, child.end["failure"])
            return self._failed(failure.error(), child.code)
        if child.end is not None:
            return AttemptResult(self._spec.id, AttemptState.STOPPED, "stopped", child.code)
        return self._failed(self._died(child.code or 0), child.code)

    def _died(self, code: int) -> WeftError:
        name = self._spec.node.name
        if code == -signal.SIGKILL and _memory_kills() > self._kills_before:
            return UnavailableError(
                "FLOW019",
                f"node '{name}' was killed by the system (SIGKILL): the machine ran out of memory.",
                "give it more memory, or less to do.",
            )
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended itself with code {code}"
        return InvariantError(
            "FLOW064",
            f"the process of node '{name}' {how} before its program returned.",
            f"look into its log, and into the program {self._spec.node.program}.",
        )

    def _failed(self, error: WeftError, code: int | None = None) -> AttemptResult:
        clean = type(error)(error.code, self._redactor.text(error.message), self._redactor.text(error.hint))
        reason = f"{clean.code}: {clean.message}".split("\n")[0]
        return AttemptResult(self._spec.id, AttemptState.FAILED, reason, code, Failure.of(clean))

    def _result(self) -> AttemptResult:
        first = self._children[0].end or {}
        done = AttemptResult(
            self._spec.id,
            AttemptState.SUCCEEDED,
            exit_code=0,
            why=first.get("why", ""),
            record=first.get("record", ""),
        )
        ended = self._ended or done
        return replace(ended, started_us=self._started_us, ended_us=time.time_ns() // 1000)


def _torchrun(rank: int, size: int, master: str) -> dict[str, str]:
    """Return the environment variables by which workers find each other; one alone needs none."""
    host, _, port = master.rpartition(":")
    found = {
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
        "GROUP_RANK": str(rank),
    }
    return found if size > 1 else {}


def _failed_beside(spec: AttemptSpec, rank: int, reason: str) -> WeftError:
    return UnavailableError(
        "FLOW096",
        f"worker {rank} of node '{spec.node.name}' did not succeed: {reason}.",
        "look into its log; the attempt leaves no result without it.",
    )


def _out_of_time(spec: AttemptSpec) -> WeftError:
    return UnavailableError(
        "FLOW008",
        f"node '{spec.node.name}' took more than its limit of {spec.node.timeout_s:g} s.",
        "raise timeout_s, or give the node less to do.",
    )


def _memory_kills() -> int:
    """Return how many processes the kernel has killed for want of memory since the machine started."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
