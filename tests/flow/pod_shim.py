"""Runs one container of `kubernetes_server`: ends its whole tree, keeps its exit, watches its memory.

    python pod_shim.py FOLDER MEMORY_BYTES GRACE_S -- COMMAND ...

It outlives the server that started it, as the shim of a container outlives the kubelet.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    folder, memory, grace_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    # Whatever the command leaves behind becomes a child of this process.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    asked: list[float] = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(time.monotonic()))
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        child = subprocess.Popen(sys.argv[5:], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    except OSError as error:
        _write_end(folder, 128, "StartError", str(error))
        return
    code, reason = _watch(child, memory, grace_s, asked)
    _end_rest()
    _write_end(folder, code, reason or ("Completed" if code == 0 else "Error"), "")


def _watch(child: subprocess.Popen, memory: int, grace_s: float, asked: list[float]) -> tuple[int, str]:
    reason, told = "", False
    while (code := child.poll()) is None:
        if asked and not told:
            told = True
            child.terminate()
        if asked and time.monotonic() - asked[0] > grace_s:
            child.kill()
        if memory and sum(_private(pid) for pid in _descendants(os.getpid())) > memory:
            reason = "OOMKilled"
            child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.02)
    return (code if code >= 0 else 128 - code), reason


def _end_rest() -> None:
    """Kill what the command left running, as the end of a container does."""
    while rest := _descendants(os.getpid()):
        for pid in rest:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        todo += (below := children.get(todo.pop(), []))
        found += below
    return found


def _private(pid: int) -> int:
    """Return the memory that a process has for itself; mapped files may be taken away from it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def _write_end(folder: Path, code: int, reason: str, message: str) -> None:
    end = {"exitCode": code, "reason": reason, "message": message, "finished": time.time()}
    (folder / "end.tmp").write_text(json.dumps(end))
    (folder / "end.tmp").rename(folder / "end.json")


if __name__ == "__main__":
    main()
