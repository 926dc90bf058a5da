"""What a worker leaves of an attempt: how it ended, and what was printed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from weft.core import (
    InvariantError,
    ProgramFailed,
    UnavailableError,
    UserError,
    WeftError,
    from_json,
    from_plain,
    to_json,
    to_plain,
)
from weft.flow.backends.base import AttemptSpec, AttemptState, Status
from weft.flow.files import relaxed
from weft.flow.store import Store

LOG, EVENTS, RESULT = "log", "events.jsonl", "result.json"
_CLASSES = {c.__name__: c for c in (UserError, UnavailableError, ProgramFailed, InvariantError)}
_TAIL_LINES, _TAIL_BYTES = 20, 4000


@dataclass(frozen=True)
class Failure:
    """A coded error as plain data."""

    kind: str
    code: str
    message: str
    hint: str

    @staticmethod
    def of(error: WeftError) -> Failure:
        """Write an error down."""
        kind = next(n for n, c in {**_CLASSES, "InvariantError": WeftError}.items() if isinstance(error, c))
        return Failure(kind, error.code, error.message, error.hint)

    def error(self) -> WeftError:
        """Return the error again."""
        return _CLASSES[self.kind](self.code, self.message, self.hint)


@dataclass(frozen=True)
class AttemptResult:
    """How an attempt ended.

    Attributes:
        id: Of the attempt.
        state: ``SUCCEEDED``, ``FAILED`` or ``STOPPED``.
        reason: In words, one line.
        exit_code: Of the worker's program; negative for a signal.
        failure: The error, where it failed.
        why: Where no program ran, since the result was made meanwhile: by whom.
        record: Digest of the record of the node.
        log: Digest of what was printed; empty when nothing was.
        tail: The last lines of it.
        started_us: When the worker began, microseconds since 1970.
        ended_us: When the program had ended.
    """

    id: str
    state: AttemptState
    reason: str = ""
    exit_code: int | None = None
    failure: Failure | None = None
    why: str = ""
    record: str = ""
    log: str = ""
    tail: tuple[str, ...] = ()
    started_us: int | None = None
    ended_us: int | None = None

    @property
    def status(self) -> Status:
        """Return what a backend says of it."""
        code = self.failure.code if self.failure else ""
        return Status(self.state, self.reason, code, self.exit_code, self.started_us, self.ended_us)


def result_name(id: str, rank: int) -> str:
    """Return the ref of an attempt's result; a worker beside the first leaves one of its own."""
    return f"attempts/{id}" if rank == 0 else f"attempts/{id}.{rank}"


def keep_result(store: Store, result: AttemptResult, rank: int = 0) -> None:
    """Keep a result, whose log is in the store already."""
    body = {"kind": "attempt", "result": to_plain(result)}
    with relaxed():
        digest = store.put_linked(body, [result.log] if result.log else [])
        store.set_ref(result_name(result.id, rank), digest)


def read_result(store: Store, id: str, rank: int = 0) -> AttemptResult | None:
    """Return how an attempt ended, as its worker left it in the store; ``None`` when it left nothing.

    Raises:
        UserError: ``FLOW010`` or ``FLOW011`` when the store has lost or damaged it.
    """
    digest = store.get_ref(result_name(id, rank))
    return from_plain(AttemptResult, store.get_linked(digest)["result"]) if digest else None


def read_log(store: Store, id: str, offset: int = 0, rank: int = 0) -> bytes:
    """Return what an attempt that has ended printed, from a byte offset on."""
    result = read_result(store, id, rank)
    return store.get_bytes(result.log)[offset:] if result is not None and result.log else b""


def write_result(folder: Path, result: AttemptResult) -> None:
    """Write a result into the folder of its attempt, all or nothing."""
    part = folder / f"{RESULT}.part"
    part.write_text(to_json(result), encoding="utf-8")
    part.replace(folder / RESULT)


def read_folder(folder: Path) -> AttemptResult | None:
    """Read what `write_result` wrote; ``None`` when nothing is there."""
    try:
        return from_json(AttemptResult, (folder / RESULT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def tail_of(path: Path) -> tuple[str, ...]:
    """Return the last lines of a log."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ()
    return tuple(text.splitlines()[-_TAIL_LINES:])


def error_of(result: AttemptResult | None, status: Status, spec: AttemptSpec, backend: str) -> WeftError:
    """Make the error of an attempt that failed: what its program raised, and the last lines of its log."""
    where = f"node '{spec.node.name}', attempt {spec.number} on {backend}"
    if result is None or result.failure is None:
        return UnavailableError(
            "FLOW063",
            f"{where} ended without a result: {status.reason or status.state.value}.",
            "run it again; what is finished is kept.",
        )
    error = result.failure.error()
    if result.tail:
        error.add_note(f"The last lines of the log of {where}:\n" + "\n".join(f"  {t}" for t in result.tail))
    return error
