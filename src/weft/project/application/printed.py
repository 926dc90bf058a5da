"""What the tasks of a job print, read on from where it was read last."""

from __future__ import annotations

import codecs
import functools
import itertools
from pathlib import Path

from weft.core import UserError
from weft.flow.backends import INLINE, Backend, attempt_id
from weft.flow.logs import log_name
from weft.flow.worker.result import read_log, read_result
from weft.project.application.job import JOB, read_keys
from weft.project.folder import ProjectFolder


class PrintedLog:
    """What one task prints in one job, all attempts one after another.

    It lies in files of this machine, or else with the backend, and in the store once an attempt has ended.
    """

    def __init__(self, folder: ProjectFolder, run: str, task: str) -> None:
        self._folder, self._run, self._task = folder, run, task
        self._logs = folder.store.logs(run)
        self._offsets: dict[str, int] = {}
        self._ended: set[str] = set()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been read so far."""
        return not any(self._offsets.values())

    def read(self, *, is_last: bool = True) -> str:
        """Return what came since the last call; a character half written comes with its other half."""
        paths = _attempt_files(self._logs, self._task)
        data = b"".join(map(self._read_file, paths)) if paths else self._read_backend()
        return self._decoder.decode(data, is_last)

    def _read_file(self, path: Path) -> bytes:
        offset = self._offsets.get(path.name, 0)
        size = path.stat().st_size
        if size == offset:
            return b""
        with path.open("rb") as file:
            file.seek(offset if size > offset else 0)  # a try that begins anew writes it anew
            data = file.read()
            self._offsets[path.name] = file.tell()
        return data

    def _read_backend(self) -> bytes:
        key = read_keys(self._logs).get(self._task)
        if self._backend is None or key is None:
            return b""
        parts = []
        for number in itertools.count(1):
            id = attempt_id(self._run, self._task, key, number)
            if id in self._ended:
                continue
            offset, result = self._offsets.get(id, 0), read_result(self._folder.store, id)
            data = read_log(self._folder.store, id, offset) if result and result.log else b""
            data = data or self._backend.logs(id, offset)
            self._offsets[id] = offset + len(data)
            parts.append(data)
            if result is None:
                return b"".join(parts)
            self._ended.add(id)
        raise AssertionError("an endless count has ended")

    @functools.cached_property
    def _backend(self) -> Backend | None:
        try:
            about = self._folder.hub.get_run(self._run).parameters.get(JOB, {})
        except UserError:
            return None  # a run that is forgotten
        return self._folder.open_backend(about.get("backend", INLINE), about.get("settings"))


def _attempt_files(logs: Path, task: str) -> list[Path]:
    """Return the logs of a task's attempts in order; one that printed nothing has none."""
    start = log_name(task, 1).removesuffix("1.log")
    found = []
    for path in logs.glob("*.log"):
        number = path.name.removeprefix(start).removesuffix(".log")
        if path.name.startswith(start) and number.isdigit():
            found.append((int(number), path))
    return [path for _, path in sorted(found)]
