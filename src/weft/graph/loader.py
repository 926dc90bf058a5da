"""Batches made ahead of the one who uses them, by threads, in order."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, NoReturn, Protocol, TypeVar

from weft.core import UserError, check_integer


class HasBytes(Protocol):
    """Something that knows the memory it takes."""

    @property
    def num_bytes(self) -> int:
        """Return the bytes it takes."""


T = TypeVar("T", bound=HasBytes)


class Loader(Generic[T]):
    """Make batches ahead of their use and hand them out in order.

    Threads call ``sample``, which must release the GIL to gain anything. A loader is an iterator for one
    pass and for one thread. It begins to work when it is made, and stops when it is closed, exhausted or
    collected, when a batch fails, and at the end of the interpreter; only `close` and the end of the
    interpreter wait for batches that are being made. In a process forked from this one it goes on by
    itself: what its threads were making is made again there.

    All decisions are taken by the consumer's thread; workers take a number from one queue and leave a
    batch in another. The only locks are those inside `queue.SimpleQueue`, which may be used from a
    finalizer at any instant.

    Args:
        sample: Makes the batch of a number. Called from several threads at once.
        order: Numbers of the batches, in the order in which they are handed out; may be endless.
        workers: Number of threads.
        ahead: Most batches that are ready or being made, 1 or more.
        memory_bytes: Most bytes of batches that are ready or being made, ``None`` for no limit. A batch
            that is not made yet counts as the largest so far, and before there is one, as all of it: so
            the limit is exceeded only by what a batch is larger than all before it. A batch larger than
            the limit is made when nothing else is held.

    Raises:
        UserError: GRAPH060 when a number is below 1; GRAPH061 when the loader is used after it was closed.
        BaseException: What ``sample`` or ``order`` raised, with its traceback, in the place of its batch;
            the loader is closed then.

    Example:
        >>> from weft.core import Resources
        >>> class Square(int):
        ...     num_bytes = 8
        >>> with Loader(lambda number: Square(number**2), range(4), workers=2, ahead=3) as squares:
        ...     [int(s) for s in squares]
        [0, 1, 4, 9]
    """

    def __init__(
        self,
        sample: Callable[[int], T],
        order: Iterable[int],
        *,
        workers: int = 1,
        ahead: int = 4,
        memory_bytes: int | None = None,
    ) -> None:
        _check_at_least_one(workers=workers, ahead=ahead, memory_bytes=memory_bytes)
        self._numbers: Iterator[int] | None = iter(order)
        self._ahead = ahead
        self._memory_bytes = memory_bytes
        self._wanted = 0
        self._next = 0
        self._making: dict[int, int] = {}
        self._ready: dict[int, _Outcome[T]] = {}
        self._largest_bytes: int | None = None
        self._is_exhausted = False
        self._sample = sample
        self._num_threads = min(workers, ahead)
        self._crew = self._hire()
        self._order_more()

    def __iter__(self) -> Loader[T]:
        return self

    def __next__(self) -> T:
        if self._is_exhausted:
            raise StopIteration
        if self._crew.process != os.getpid():
            self._work_in_fork()
        if self._crew.is_closed:
            raise UserError("GRAPH061", "the loader was closed.", "make a new one for another pass.")
        try:
            outcome = self._receive()
        except BaseException:
            self.close()
            raise
        if outcome is None:
            self._is_exhausted = True
            self.close()
            raise StopIteration
        return outcome.batch()

    def __enter__(self) -> Loader[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the threads and wait until they have ended; what is ready is dropped."""
        self._numbers = None
        self._ready.clear()
        self._crew.dismiss()
        self._crew.join()

    def _hire(self) -> _Crew[T]:
        crew = _Crew[T](self._sample)
        weakref.finalize(self, crew.dismiss).atexit = False
        crew.start(self._num_threads)
        return crew

    def _work_in_fork(self) -> None:
        """Begin again with threads of this process; those of the parent are not here."""
        if self._crew.is_closed:
            return
        self._crew = self._hire()
        for position, number in self._making.items():
            self._crew.tasks.put((position, number))

    def _receive(self) -> _Outcome[T] | None:
        """Wait for the wanted batch; ``None`` at the end. Raise what it raised."""
        self._collect()
        self._order_more()
        if self._wanted == self._next and self._wanted not in self._ready:
            return None
        while self._wanted not in self._ready:
            self._take(*self._crew.done.get())
        position, self._wanted = self._wanted, self._wanted + 1
        if self._ready[position].error is not None:
            self._ready.pop(position).fail()
        outcome = self._ready.pop(position)
        self._collect()
        self._order_more()
        return outcome

    def _collect(self) -> None:
        while not self._crew.done.empty():
            self._take(*self._crew.done.get())

    def _take(self, position: int, outcome: _Outcome[T]) -> None:
        del self._making[position]
        self._ready[position] = outcome
        if outcome.error is None:
            self._largest_bytes = max(self._largest_bytes or 0, outcome.num_bytes)

    def _order_more(self) -> None:
        while self._numbers is not None and self._has_room():
            position, self._next = self._next, self._next + 1
            try:
                number = next(self._numbers)
            except StopIteration:
                self._next -= 1
                self._numbers = None
            except Exception as error:
                self._numbers = None
                self._ready[position] = _Outcome(error=error)
            else:
                self._making[position] = number
                self._crew.tasks.put((position, number))

    def _has_room(self) -> bool:
        held = len(self._making) + len(self._ready)
        if held == 0:
            return True
        if held >= self._ahead:
            return False
        if self._memory_bytes is None:
            return True
        if self._largest_bytes is None:
            return False
        ready = sum(outcome.num_bytes for outcome in self._ready.values())
        return ready + (len(self._making) + 1) * self._largest_bytes <= self._memory_bytes


@dataclass(frozen=True)
class _Outcome(Generic[T]):
    """A batch, or what was raised instead."""

    made: tuple[T, ...] = ()
    num_bytes: int = 0
    error: BaseException | None = None

    def fail(self) -> NoReturn:
        assert self.error is not None
        try:
            raise self.error
        finally:
            # The traceback holds this frame: without this the error would hold itself.
            del self

    def batch(self) -> T:
        return self.made[0]


@dataclass(eq=False)
class _Crew(Generic[T]):
    """The threads of a loader, which know nothing of it, so that it can be collected."""

    sample: Callable[[int], T]
    tasks: SimpleQueue[tuple[int, int] | None] = field(default_factory=SimpleQueue)
    done: SimpleQueue[tuple[int, _Outcome[T]]] = field(default_factory=SimpleQueue)
    threads: list[threading.Thread] = field(default_factory=list)
    is_closed: bool = False
    process: int = field(default_factory=os.getpid)

    def start(self, count: int) -> None:
        """Start the threads: daemons, because the interpreter would wait for others before `_close_all`."""
        _crews.add(self)
        try:
            for _ in range(count):
                thread = threading.Thread(target=self._work, name="weft-loader", daemon=True)
                thread.start()
                self.threads.append(thread)
        except BaseException:
            self.dismiss()
            raise

    def dismiss(self) -> None:
        """Tell the threads to end after the batch at hand. Never blocks."""
        if self.process != os.getpid():
            return
        self.is_closed = True
        for _ in self.threads:
            self.tasks.put(None)

    def join(self) -> None:
        """Wait for the threads, unless one of them asks."""
        if self.process != os.getpid():
            self.is_closed = True
            return
        for thread in self.threads:
            if thread is not threading.current_thread():
                thread.join()

    def _work(self) -> None:
        while (task := self.tasks.get()) is not None and not self.is_closed:
            position, number = task
            self.done.put((position, self._outcome(number)))

    def _outcome(self, number: int) -> _Outcome[T]:
        try:
            batch = self.sample(number)
            return _Outcome((batch,), batch.num_bytes)
        except StopIteration as error:
            # An iterator that raised it would end as if there were no more batches.
            told = RuntimeError(f"making batch {number} raised StopIteration")
            told.__cause__ = error
            return _Outcome(error=told)
        except BaseException as error:
            return _Outcome(error=error)


_crews: weakref.WeakSet[_Crew[Any]] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Let no thread run on while the interpreter is taken down."""
    for crew in list(_crews):
        crew.dismiss()
        crew.join()


def _check_at_least_one(**numbers: int | None) -> None:
    for name, value in numbers.items():
        if value is not None:
            check_integer("GRAPH060", f"{name} of a loader", value, least=1)
