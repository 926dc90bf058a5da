"""Builds that are killed: one process forks a build for every step it can die at, and reports.

python crash_child.py FOLDER fresh|update|edit
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from build_kit import Decoded, MemoryReader
from shop_kit import SCHEMA, shop

from weft.core import Resources
from weft.graph import _native, materialize
from weft.graph.manifest import read_manifest

RESOURCES = Resources(50_000, 1)
OLD, NEW = shop(num_events=100), shop(num_events=120)
EDITED = {
    **NEW,
    "users": [{**r, "age": 1} for r in NEW["users"]],
    "events": [{**r, "note": f"{r['note']}!"} for r in NEW["events"]],
}
KILLED = -signal.SIGKILL


class Countdown:
    """Kills this process when it has counted so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def around(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        """Count a step before each call, which is one after the call before it."""

        def counted(*args: Any, **options: Any) -> Any:
            self.step()
            return inner(*args, **options)

        return counted

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def arm(steps: int) -> None:
    """Have every call that touches a file count as a step."""
    countdown = Countdown(steps)
    for name in dir(_native):
        if name.startswith(("write_", "encode_", "translate_", "restore_", "number_", "exchange", "copy_")):
            setattr(_native, name, countdown.around(getattr(_native, name)))
    for owner, name in (
        (os, "fsync"),
        (os, "link"),
        (os, "rename"),
        (os, "open"),
        (shutil, "rmtree"),
        (Path, "mkdir"),
        (Path, "unlink"),
        (Path, "rename"),
    ):
        setattr(owner, name, countdown.around(getattr(owner, name)))


def build(target: Path, data: Any, base: Path | None) -> None:
    materialize(MemoryReader(SCHEMA, data, 40), target, resources=RESOURCES, base=base)


def in_fork(work: Callable[[], object]) -> int:
    """Return how a forked process that does the work ends."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def check(target: Path, lengths: set[int]) -> None:
    """Every file of what is at the target is whole, and it is one of the graphs that may be there."""
    layout = read_manifest(target)
    Decoded(target, layout)
    assert layout.table("events").num_rows in lengths


def die_at_every_step(folder: Path, new: Any, is_update: bool) -> dict[str, int]:
    counts = {"killed": 0, "absent": 0, "old": 0, "new": 0}
    target = folder / "graph"
    if is_update:
        assert in_fork(lambda: build(folder / "kept", OLD, None)) == 0
    step = 0
    while True:
        shutil.rmtree(target, ignore_errors=True)
        if is_update:
            shutil.copytree(folder / "kept", target)

        def dying(step: int = step) -> None:
            arm(step)
            build(target, new, target if is_update else None)

        ended = in_fork(dying)
        assert ended in (0, KILLED), ended
        if target.exists():
            assert in_fork(lambda: check(target, {100, 120} if is_update else {120})) == 0, step
            counts["new" if read_manifest(target).table("events").num_rows == 120 else "old"] += 1
        else:
            assert not is_update, step
            counts["absent"] += 1
        if ended == 0:
            break
        counts["killed"] += 1
        step += 1
    left = [p.name for p in folder.iterdir() if p.name not in ("graph", "kept")]
    counts["left"] = len(left)
    return counts


if __name__ == "__main__":
    kind = sys.argv[2]
    counts = die_at_every_step(Path(sys.argv[1]), EDITED if kind == "edit" else NEW, kind != "fresh")
    sys.stdout.write(json.dumps(counts))
