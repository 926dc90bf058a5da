"""The command line of the worker."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from weft.core import UserError, WeftError, from_json
from weft.flow.backends.base import AttemptSpec, AttemptState
from weft.flow.files import relaxed
from weft.flow.logs import log_name
from weft.flow.place import DIGEST
from weft.flow.secret import resolve_secrets
from weft.flow.store import Store
from weft.flow.worker.result import (
    LOG,
    AttemptResult,
    Failure,
    keep_result,
    tail_of,
    write_result,
)
from weft.flow.worker.supervise import Group, Supervisor
from weft.flow.worker.tree import MARK, mark

SETUP = "WEFT_WORKER"


def main(arguments: Sequence[str]) -> int:
    """Run the attempt that the arguments name; return the exit code."""
    _set_up()
    options = _parser().parse_args(arguments)
    try:
        spec, store = _read(options)
        group = _group(spec, options)
        with _folder(options.folder) as folder:
            return _attend(spec, store, folder, group, echo=options.echo)
    except WeftError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


@contextlib.contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    import tempfile

    # A TemporaryDirectory would be removed by the first child that ends, too.
    made = Path(tempfile.mkdtemp(prefix="weft-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _set_up() -> None:
    """Take from the environment what a backend on this machine says to this process alone."""
    setup = json.loads(os.environ.pop(SETUP, "{}"))
    sys.path.extend(p for p in setup.get("path", ()) if p not in sys.path)
    if lock := setup.get("lock"):
        os.set_inheritable(lock, False)
        os.register_at_fork(after_in_child=lambda: os.close(lock))
    if setup.get("is_bytecode_elsewhere"):
        sys.pycache_prefix, sys.dont_write_bytecode = None, True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -P -m weft.flow.worker")
    parser.add_argument("spec", help="a file with an AttemptSpec, or the digest of one in --store")
    parser.add_argument("--store", help="address of the store, instead of that in the specification")
    parser.add_argument("--cache", type=Path, help="folder for copies of what a remote store holds")
    parser.add_argument("--folder", type=Path, help="gets log, events.jsonl and result.json")
    parser.add_argument("--rank", type=int, help="of this worker, where others run on other machines")
    parser.add_argument("--master", help="host:port of the worker of rank 0")
    parser.add_argument("--echo", action="store_true", help="copy the log to stdout")
    return parser


def _read(options: argparse.Namespace) -> tuple[AttemptSpec, Store]:
    path = Path(options.spec)
    store = Store(options.store, cache=options.cache) if options.store else None
    try:
        if store is not None and DIGEST.fullmatch(options.spec):
            text: str | bytes = store.get_bytes(options.spec)
        else:
            text = path.read_bytes()
        spec = from_json(AttemptSpec, text)
        # A plain mapping would pass for one: the key is looked at before anything runs.
        _ = spec.parts.key
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, WeftError):
            raise
        raise UserError(
            "FLOW066",
            f"'{options.spec}' is not the specification of an attempt: {type(error).__name__}: {error}.",
            "give a file with the JSON of an AttemptSpec, or --store and the digest of one.",
        ) from None
    return spec, store or Store(spec.store, cache=options.cache)


def _group(spec: AttemptSpec, options: argparse.Namespace) -> Group:
    if options.rank is None:
        return Group(tuple(range(spec.nodes)), spec.nodes)
    if not 0 <= options.rank < spec.nodes or not options.master:
        raise UserError(
            "FLOW066",
            f"rank {options.rank} of {spec.nodes} workers with the master '{options.master}' cannot be.",
            "give --rank from 0 on, and --master host:port.",
        )
    return Group((options.rank,), spec.nodes, options.master)


def _attend(spec: AttemptSpec, store: Store, folder: Path, group: Group, *, echo: bool) -> int:
    os.environ[MARK] = mark(spec.id)
    (folder / LOG).touch()
    _show_log(store, spec, folder, group.ranks[0])
    started_us = time.time_ns() // 1000
    try:
        result = _supervised(spec, store, folder, group, echo)
    except WeftError as error:
        reason = f"{error.code}: {error.message}"
        ended_us = time.time_ns() // 1000
        result = AttemptResult(spec.id, AttemptState.FAILED, reason, failure=Failure.of(error))
        result = dataclasses.replace(result, started_us=started_us, ended_us=ended_us)
    result = _keep(store, folder, result, group.ranks[0])
    return _exit_code(result)


def _supervised(spec: AttemptSpec, store: Store, folder: Path, group: Group, echo: bool) -> AttemptResult:
    secrets = resolve_secrets(spec.secrets)
    supervisor = Supervisor(spec, store, folder, group, secrets, echo=echo)
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: supervisor.stop())
    # Ctrl-C in a terminal reaches the controller too, which decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return supervisor.run(woken)


def _show_log(store: Store, spec: AttemptSpec, folder: Path, rank: int) -> None:
    """Let the log grow where the logs of the run are looked for on this machine."""
    if rank > 0:
        return
    place = store.logs(spec.run) / log_name(spec.node.name, spec.number)
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.hardlink_to(folder / LOG)


def _keep(store: Store, folder: Path, result: AttemptResult, rank: int) -> AttemptResult:
    """Leave log and result in the store; the folder's own copy comes last, and in any case."""
    result = dataclasses.replace(result, tail=tail_of(folder / LOG))
    try:
        size = (folder / LOG).stat().st_size
        with relaxed():
            result = dataclasses.replace(result, log=store.put_file(folder / LOG) if size else "")
        keep_result(store, result, rank)
    except WeftError as error:
        reason = f"{result.reason or result.state.value}; its log could not be kept: {error.message}"
        result = dataclasses.replace(result, reason=reason)
    write_result(folder, result)
    return result


def _exit_code(result: AttemptResult) -> int:
    if result.state is AttemptState.SUCCEEDED:
        return 0
    if result.state is AttemptState.STOPPED:
        return 128 + signal.SIGTERM
    if result.exit_code is not None and result.exit_code < 0:
        return 128 - result.exit_code
    return result.failure.error().exit_code if result.failure else 3
