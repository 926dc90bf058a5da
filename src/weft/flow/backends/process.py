"""The process backend: attempts as processes of this machine, within what the machine has."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from weft.core import Resources, UnavailableError, UserError, from_json, to_json
from weft.flow.backends.base import AttemptSpec, AttemptState, Status
from weft.flow.backends.slots import Slots, machine_slots, needed
from weft.flow.backends.waiting import Queue
from weft.flow.faults import coded
from weft.flow.locks import exclusive
from weft.flow.logs import image_not_used
from weft.flow.worker.liveness import is_held, take
from weft.flow.worker.result import EVENTS, LOG, AttemptResult, Failure, read_folder, write_result
from weft.flow.worker.tree import MARK, end_marked, mark, marked_heads

_KEEP_S = 7 * 86_400.0
_STOP_S = 10.0
_OLD_S = 30.0
_SPEC, _OUTPUT = "spec.json", "worker"

# A worker outlives the backend object that started it, and has to be reaped by this process all the same.
_STARTED: dict[str, subprocess.Popen[bytes]] = {}


class ProcessBackend:
    """Runs attempts as processes of this machine.

    Any number of controllers may use one folder: what runs is counted over all of them, and each sees what
    the others started. A worker that is alive holds a lock on a file, so nothing has to be guessed. It is
    started by the controller that asked for it last, with that one's environment and working folder.

    Args:
        folder: Where specifications, logs and results of attempts are kept for a week.
        resources: What all attempts may use together; by default what the machine has.

    Raises:
        UserError: ``FLOW071`` where the system is not Linux.
    """

    name = "process"

    def __init__(self, folder: str | Path, resources: Resources | None = None) -> None:
        if not hasattr(os, "pidfd_open"):
            raise UserError(
                "FLOW071",
                f"the backend 'process' cannot work on {sys.platform}.",
                "use it on Linux, or choose the backend 'inline'.",
            )
        self.folder = Path(folder).absolute()
        self._total = machine_slots(resources)
        self._queue = Queue(self.folder)
        self._ended: dict[str, Status] = {}
        self._reasons: dict[str, str] = {}
        self._is_swept = False

    def render(self, spec: AttemptSpec) -> str:
        """Write the command that `start` would run, and the specification that it reads."""
        words = {k: "…" if k == "WEFT_WORKER" else v for k, v in self._variables(spec, 0, ()).items()}
        line = " ".join([*(f"{k}={shlex.quote(v)}" for k, v in words.items()), *self._command(spec.id)])
        return f"{line}\n{json.dumps(json.loads(to_json(spec)), indent=2, ensure_ascii=False)}\n"

    def start(self, spec: AttemptSpec) -> None:
        """Begin an attempt, or let it wait for room.

        Raises:
            UserError: ``FLOW065`` when it asks for more than all attempts may use together.
        """
        self._total.check(spec.node.name, needed(spec.resources, spec.nodes))
        with self._alone():
            self._sweep()
            state = self._known(spec.id).state
            if state is AttemptState.UNKNOWN:
                self._prepare(spec)
            elif state is not AttemptState.PENDING:
                return
            self._queue.add(spec.id)
            self._schedule()

    def _prepare(self, spec: AttemptSpec) -> None:
        folder = self._attempt(spec.id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _SPEC).write_text(to_json(spec), encoding="utf-8")
        if spec.image is not None:
            (folder / LOG).write_bytes(image_not_used(spec.image))

    def status(self, ids: Iterable[str]) -> dict[str, Status]:
        """Return how attempts are; starts those of this process that waited for room that there is now."""
        wanted = list(ids)
        if self._queue.entries():
            with self._alone():
                self._schedule()
        return {id: self._status(id) for id in wanted}

    def logs(self, id: str, offset: int = 0) -> bytes:
        """Return what the attempt printed, from a byte offset on."""
        try:
            with open(self._attempt(id) / LOG, "rb") as file:
                file.seek(offset)
                return file.read()
        except FileNotFoundError:
            return b""

    def stop(self, id: str) -> None:
        """End an attempt with all its processes; returns when nothing of it is left.

        Raises:
            UnavailableError: ``FLOW063`` when its worker does not end even when killed.
        """
        with self._alone():
            status = self._known(id)
            if status.state is AttemptState.PENDING:
                self._forget_waiting(id)
                write_result(self._attempt(id), AttemptResult(id, AttemptState.STOPPED, "stopped"))
                return
        if status.state is not AttemptState.RUNNING:
            return
        for number, patience_s in ((signal.SIGTERM, _STOP_S), (signal.SIGKILL, _STOP_S)):
            self._signal(id, number)
            if self._has_ended(id, patience_s):
                break
        else:
            raise UnavailableError("FLOW063", f"attempt {id} does not end.", "look at its processes.")
        end_marked(id)
        with self._alone():
            self._bury(id, AttemptResult(id, AttemptState.STOPPED, "stopped"))

    # What is known

    def _known(self, id: str) -> Status:
        """Return how an attempt is by what lies in the folder."""
        if id in self._ended:
            return self._ended[id]
        if (result := read_folder(self._attempt(id))) is not None:
            self._reap(id)
            self._ended[id] = result.status
        elif (started_us := self._started_us(id)) is not None:
            return Status(AttemptState.RUNNING, started_us=started_us)
        elif id in self._queue.ids():
            return Status(AttemptState.PENDING, self._reasons.get(id, "waits for its turn"))
        return self._ended.get(id, Status(AttemptState.UNKNOWN))

    def _started_us(self, id: str) -> int | None:
        try:
            return self._running_file(id).stat().st_mtime_ns // 1000
        except FileNotFoundError:
            return None

    def _status(self, id: str) -> Status:
        status = self._known(id)
        if status.state is AttemptState.UNKNOWN:
            # Between two looks another controller may have moved it on.
            with self._alone():
                status = self._known(id)
        if status.state is not AttemptState.RUNNING:
            return status
        if is_held(self._running_file(id)):
            return dataclasses.replace(status, progress=self._progress(id))
        with self._alone():
            self._bury(id)
        return self._known(id)

    def _progress(self, id: str) -> tuple[float, float | None, str] | None:
        try:
            with open(self._attempt(id) / EVENTS, "rb") as file:
                file.seek(max(0, file.seek(0, 2) - 4096))
                line = file.read().splitlines()[-1]
            told = json.loads(line)
        except (FileNotFoundError, IndexError, ValueError):
            return None
        return told["done"], told["total"], told["note"]

    # What runs: all of this holds the folder alone

    def _schedule(self) -> None:
        free = self._free()
        for waiting in self._queue.entries():
            id = waiting.id
            if self._is_begun(id):
                self._forget_waiting(id)
                continue
            if self._queue.is_orphan(waiting):
                self._reasons[id] = "waits to be asked for again: the process that asked for it has ended"
                continue
            spec = from_json(AttemptSpec, (self._attempt(id) / _SPEC).read_bytes())
            if lacking := free.lacks(needed(spec.resources, spec.nodes)):
                self._reasons[id] = f"waits for {lacking}"
                if time.time() - waiting.since_s > _OLD_S:
                    return  # smaller ones have passed it for long enough
                continue
            taken, free = free.take(needed(spec.resources, spec.nodes))
            if self._queue.is_own(waiting):
                self._launch(spec, taken)
                self._forget_waiting(id)
            else:
                self._reasons[id] = "waits for the process that asked for it to start it"

    def _is_begun(self, id: str) -> bool:
        folder = self._attempt(id)
        return self._running_file(id).exists() or read_folder(folder) is not None or not folder.exists()

    def _free(self) -> Slots:
        """Return what no living attempt has, and bury the dead on the way."""
        free = self._total
        running = self.folder / "running"
        for path in sorted(running.iterdir()) if running.exists() else []:
            if is_held(path):
                free = free.without(json.loads(path.read_bytes() or b"{}"))
            else:
                self._bury(path.name)
        return free

    def _launch(self, spec: AttemptSpec, taken: dict[str, Any]) -> None:
        path = self._running_file(spec.id)
        path.parent.mkdir(exist_ok=True)
        lock = take(path)
        try:
            os.write(lock, json.dumps(taken).encode())
            with open(self._attempt(spec.id) / _OUTPUT, "wb") as output:
                process = subprocess.Popen(
                    self._command(spec.id),
                    env={**os.environ, **self._variables(spec, lock, taken["gpus"])},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[lock],
                    start_new_session=True,
                )
            _STARTED[spec.id] = process
            os.pwrite(lock, json.dumps({**taken, "pid": process.pid}).encode(), 0)
        finally:
            os.close(lock)

    def _command(self, id: str) -> list[str]:
        folder = self._attempt(id)
        # Compiling Weft for every worker anew would take longer than all else.
        elsewhere = ["-X", f"pycache_prefix={_bytecode()}"] if sys.dont_write_bytecode else []
        worker = ["-P", "-m", "weft.flow.worker", str(folder / _SPEC), "--folder", str(folder)]
        return [sys.executable, *elsewhere, *worker]

    def _variables(self, spec: AttemptSpec, lock: int, gpus: Iterable[str]) -> dict[str, str]:
        path = [str(Path(p).absolute()) for p in sys.path]
        setup = {"path": path, "lock": lock, "is_bytecode_elsewhere": sys.dont_write_bytecode}
        variables = {"WEFT_WORKER": json.dumps(setup), MARK: mark(spec.id)}
        if spec.resources.gpus:
            variables["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        if sys.dont_write_bytecode:
            variables["PYTHONDONTWRITEBYTECODE"] = ""
        return variables

    def _bury(self, id: str, result: AttemptResult | None = None) -> None:
        """Forget a worker that is dead; if it left no result, say so in one, and end what it started."""
        if is_held(self._running_file(id)):
            return
        if read_folder(self._attempt(id)) is None:
            end_marked(id)
            write_result(self._attempt(id), result or self._died(id))
        self._reap(id)
        self._running_file(id).unlink(missing_ok=True)

    def _died(self, id: str) -> AttemptResult:
        code = self._reap(id)
        how = "died" if code is None else f"ended with code {code}"
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        with contextlib.suppress(FileNotFoundError):
            said = (self._attempt(id) / _OUTPUT).read_text(errors="replace").strip().splitlines()
            how += f" ({said[-1]})" if said else ""
        reason = f"its worker {how}"
        failure = Failure(
            "UnavailableError",
            "FLOW063",
            f"attempt {id} ended without a result: {reason}.",
            "run it again; what is finished is kept.",
        )
        now_us = time.time_ns() // 1000
        return AttemptResult(id, AttemptState.FAILED, reason, code, failure, ended_us=now_us)

    def _reap(self, id: str) -> int | None:
        process = _STARTED.get(id)
        if process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)  # it has let go of its lock or written its result: it is on its way out
            del _STARTED[id]
        return process.returncode

    def _signal(self, id: str, number: int) -> None:
        for pid in self._workers(id):
            try:
                process = os.pidfd_open(pid)
            except OSError:
                continue
            try:
                # While the lock is held the number cannot have passed to another process.
                if is_held(self._running_file(id)):
                    signal.pidfd_send_signal(process, number)
            except ProcessLookupError:
                continue
            finally:
                os.close(process)

    def _workers(self, id: str) -> list[int]:
        try:
            return [json.loads(self._running_file(id).read_bytes())["pid"]]
        except (OSError, ValueError, KeyError):
            return marked_heads(id)  # who started it was killed before it could write the number down

    def _has_ended(self, id: str, patience_s: float) -> bool:
        deadline, pause = time.monotonic() + patience_s, 0.002
        while is_held(self._running_file(id)):
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)
        return True

    def _sweep(self) -> None:
        """Remove attempts that ended long ago; their logs are in the store."""
        if self._is_swept:
            return
        self._is_swept = True
        self._queue.clean()
        attempts = self.folder / "attempts"
        for path in attempts.iterdir() if attempts.exists() else []:
            ended = path / "result.json"
            if ended.exists() and time.time() - ended.stat().st_mtime > _KEEP_S:
                shutil.rmtree(path, ignore_errors=True)

    def _forget_waiting(self, id: str) -> None:
        self._queue.remove(id)
        self._reasons.pop(id, None)

    def _attempt(self, id: str) -> Path:
        return self.folder / "attempts" / id

    def _running_file(self, id: str) -> Path:
        return self.folder / "running" / id

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with coded(str(self.folder)), exclusive(self.folder / "lock"):
            yield


def _bytecode() -> Path:
    """Return a folder of the user's own for what Python compiles, where it may not lie beside the sources."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weft" / "bytecode"
