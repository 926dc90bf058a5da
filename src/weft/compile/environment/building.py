"""Environments: built once for a lock, a Python and a platform, and kept on this machine."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from weft.compile.environment.installer import Ended, Tell, pip_command, run_process
from weft.compile.environment.lock import LOCKS, Lock, find_lock
from weft.compile.environment.machine import describe_machine
from weft.compile.environment.running import add_running_weft, running_weft
from weft.core import UserError, digest_value
from weft.flow import Cancelled
from weft.flow.faults import coded
from weft.flow.locks import FileLock

_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Environment:
    """A virtual environment that is whole.

    Attributes:
        key: Of lock, Python and platform.
        python: Its interpreter.
        is_new: Whether it was built just now.
    """

    key: str
    python: Path
    is_new: bool


def environment_python(
    folder: str | Path,
    *,
    locks: Iterable[str] = LOCKS,
    cache: str | Path | None = None,
    on_line: Tell | None = None,
    cancelled: threading.Event | None = None,
) -> Path:
    """Return the Python that runs a project's tasks, built first when it is not there.

    Args:
        folder: Of the project, or of what was unpacked of its artifact. Without a lock in it, tasks run with
            the Python that runs Weft.
        locks: Files to look for, in order.
        cache: Where environments are kept; by default ``weft/environments`` in the user's cache folder.
        on_line: Told what the installer says, line by line.
        cancelled: Ends waiting and building when set.

    Raises:
        UserError: As `find_lock` and `build_environment`.
        Cancelled: ``cancelled`` was set.
    """
    lock = find_lock(folder, locks)
    if lock is None:
        return Path(sys.executable)
    return build_environment(lock, cache=cache, on_line=on_line, cancelled=cancelled).python


def environment_key(lock: Lock) -> str:
    """Return the digest of a lock, this Python and this platform, and of the Weft that is added to it."""
    about = {"lock": lock.digest, "machine": describe_machine(), "format": 1}
    return digest_value(about | {"weft": running_weft(lock.lines)})


def build_environment(
    lock: Lock,
    *,
    cache: str | Path | None = None,
    on_line: Tell | None = None,
    cancelled: threading.Event | None = None,
) -> Environment:
    """Return the environment of a lock; whoever comes first builds it, the others wait.

    It is built under a name of its own and then linked to by its key in one step, so that a builder that
    dies leaves nothing that looks whole. Its name never changes, since installed commands hold it.

    Raises:
        UserError: ``APP054`` when the lock lacks what a package needs, ``APP055`` when it cannot be
            installed.
        Cancelled: ``cancelled`` was set.
    """
    key = environment_key(lock)
    root = Path(cache) if cache else default_cache()
    link = root / key
    python = link / "bin" / "python"
    if python.exists():
        return Environment(key, python, False)
    with coded(str(root)):
        root.mkdir(parents=True, exist_ok=True)
        held = FileLock(root / f"{key}.lock", f"process {os.getpid()}")
        if not held.acquire(cancelled):
            raise Cancelled("environment")
        try:
            is_new = not python.exists()
            if is_new:
                _remove_leftovers(root, key)
                _build_aside(link, lock, _runner(lock, on_line, cancelled, held))
        finally:
            held.release()
    return Environment(key, python, is_new)


def default_cache() -> Path:
    """Return where environments are kept when nothing else is said."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base.absolute() / "weft" / "environments"


def _runner(
    lock: Lock, on_line: Tell | None, cancelled: threading.Event | None, held: FileLock
) -> Callable[[list[str]], Ended]:
    """Return how the commands of a builder run; while one that was killed lives on, nobody else builds."""
    words = [os.environ.get(n, "") for line in lock.lines for n in _VARIABLE.findall(line)]
    files = () if held.file is None else (held.file,)
    return lambda command: run_process(
        command, secrets=words, on_line=on_line, cancelled=cancelled, held=files
    )


def _build_aside(link: Path, lock: Lock, run: Callable[[list[str]], Ended]) -> None:
    aside = link.with_name(f"{link.name}.{secrets.token_hex(6)}")
    try:
        _build(aside, lock, run)
        _publish(aside, link)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _build(aside: Path, lock: Lock, run: Callable[[list[str]], Ended]) -> None:
    def checked(command: list[str], code: str) -> None:
        ended = run(command)
        if ended.code:
            raise _failed(code, lock, ended.last)

    python = aside / "bin" / "python"
    pip = pip_command(python)
    flags = ["--without-pip"] if pip[0] == sys.executable else []
    checked([sys.executable, "-I", "-m", "venv", *flags, str(aside)], "APP055")
    if lock.lines:
        file = aside / "requirements.txt"
        file.write_text("\n".join(lock.lines) + "\n", encoding="utf-8")
        checked([*pip, "install", "--no-deps", "--progress-bar", "off", "-r", str(file)], "APP055")
        checked([*pip, "check"], "APP054")
    if running_weft(lock.lines) is not None:
        add_running_weft(aside, lock.name)


def _publish(aside: Path, link: Path) -> None:
    temporary = aside.with_name(f"{aside.name}.link")
    temporary.symlink_to(aside.name)
    temporary.replace(link)


def _remove_leftovers(root: Path, key: str) -> None:
    """Remove what builders that died left; the caller holds the lock, so nobody builds."""
    for path in root.glob(f"{key}.*"):
        if path.name == f"{key}.lock":
            continue
        if path.is_symlink():
            path.unlink()
        else:
            shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        (root / key).unlink()


def _failed(code: str, lock: Lock, last: str) -> UserError:
    lines = "\n  ".join(last.splitlines() or ["(it said nothing)"])
    if code == "APP054":
        return UserError(
            code,
            f"{lock.name} lacks what its packages need:\n  {lines}",
            "lock the project again, or let weft project build --lock do it.",
        )
    return UserError(
        code,
        f"the environment of {lock.name} was not built. The last lines were:\n  {lines}",
        "correct the lock, or the index that PIP_INDEX_URL names, then run again.",
    )
