"""Batches that threads make ahead: order, bounds, errors, and no thread left behind."""

import gc
import itertools
import signal
import subprocess
import sys
import textwrap
import threading
import traceback
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import UserError
from weft.graph import Loader


class Parcel:
    """A batch of a number that counts how many of its kind exist."""

    def __init__(self, number, num_bytes=1):
        self.number = number
        self.num_bytes = num_bytes


def threads():
    return [t for t in threading.enumerate() if t.name == "weft-loader"]


@pytest.fixture(autouse=True)
def no_thread_remains():
    yield
    assert not threads()


def numbers(loader):
    return [parcel.number for parcel in loader]


@settings(max_examples=60, deadline=None)
@given(
    order=st.lists(st.integers(0, 1000), max_size=25),
    workers=st.integers(1, 4),
    ahead=st.integers(1, 6),
    memory=st.none() | st.integers(1, 60),
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    stop=st.none() | st.integers(0, 25),
    fail=st.none() | st.integers(0, 25),
)
def test_any_schedule_gives_the_batches_in_order(order, workers, ahead, memory, sizes, stop, fail):
    """Whatever the sizes and limits; an error comes in the place of its batch; early exit leaves nothing."""
    positions = list(enumerate(order))

    def sample(number):
        position, value = positions[number]
        if position == fail:
            raise OSError(value)
        return Parcel(value, sizes[position % len(sizes)])

    made, caught = [], None
    try:
        with Loader(sample, range(len(order)), workers=workers, ahead=ahead, memory_bytes=memory) as loader:
            for parcel in itertools.islice(loader, stop):
                made.append(parcel.number)
    except OSError as error:
        caught = error.args[0]
    wanted = order[: len(order) if stop is None else stop]
    if fail is not None and fail < len(wanted):
        assert (made, caught) == (wanted[:fail], order[fail])
    else:
        assert (made, caught) == (wanted, None)
    assert not threads()


def test_a_slow_consumer_finds_no_more_than_ahead():
    begun, ready = [], threading.Semaphore(0)

    def sample(number):
        begun.append(number)
        ready.release()
        return Parcel(number)

    with Loader(sample, itertools.count(), workers=3, ahead=4) as loader:
        for taken in range(1, 6):
            next(loader)
            # Four are being made or ready beside those that were taken: their beginning is awaited.
            while len(begun) < taken + 4:
                assert ready.acquire(timeout=60)
            assert len(begun) == taken + 4


def test_workers_work_at_the_same_time_and_results_are_put_in_order():
    met = threading.Barrier(4, timeout=60)
    release = [threading.Event() for _ in range(4)]

    def sample(number):
        met.wait()
        if number < 3:
            assert release[number + 1].wait(60)
        release[number].set()
        return Parcel(number)

    with Loader(sample, range(4), workers=4, ahead=4) as loader:
        assert numbers(loader) == [0, 1, 2, 3]


def test_the_memory_of_held_batches_is_bounded():
    held, most, lock = 0, 0, threading.Lock()

    def drop(size):
        nonlocal held
        with lock:
            held -= size

    def sample(number):
        nonlocal held, most
        parcel = Parcel(number, 10)
        with lock:
            held += 10
            most = max(most, held)
        weakref.finalize(parcel, drop, 10)
        return parcel

    with Loader(sample, range(200), workers=3, ahead=50, memory_bytes=45) as loader:
        for position, parcel in enumerate(loader):
            assert parcel.number == position
            del parcel
    # Four in the loader and the one that the consumer holds.
    assert 40 <= most <= 50


def test_a_batch_larger_than_the_limit_is_made_alone():
    alone = threading.Semaphore(1)

    def sample(number):
        assert alone.acquire(blocking=False)
        alone.release()
        return Parcel(number, 100)

    with Loader(sample, range(5), workers=2, ahead=4, memory_bytes=50) as loader:
        assert numbers(loader) == [0, 1, 2, 3, 4]


def test_an_error_brings_its_traceback_and_closes_the_loader():
    def broken_sampler(number):
        if number == 3:
            raise KeyError("gone")
        return Parcel(number)

    loader = Loader(broken_sampler, range(9), workers=2, ahead=5)
    assert [next(loader).number for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError) as caught:
        next(loader)
    assert "broken_sampler" in [f.name for f in traceback.extract_tb(caught.value.__traceback__)]
    assert not threads()
    with pytest.raises(UserError, match="GRAPH061"):
        next(loader)


def test_an_error_of_the_order_comes_in_its_place():
    def order():
        yield from (5, 6)
        raise LookupError("no more")

    loader = Loader(Parcel, order(), workers=2, ahead=6)
    assert [next(loader).number, next(loader).number] == [5, 6]
    with pytest.raises(LookupError, match="no more"):
        next(loader)


def test_a_stop_iteration_of_a_sampler_is_not_taken_for_the_end():
    with (
        Loader(lambda number: next(iter([])), range(3)) as loader,
        pytest.raises(RuntimeError, match="batch 0"),
    ):
        next(loader)


def test_the_end_stays_the_end_and_a_closed_loader_says_so():
    loader = Loader(Parcel, range(2))
    assert numbers(loader) == [0, 1]
    assert list(loader) == []
    other = Loader(Parcel, range(2))
    other.close()
    other.close()
    with pytest.raises(UserError, match="GRAPH061"):
        next(other)


@pytest.mark.parametrize("option", ["workers", "ahead", "memory_bytes"])
def test_options_below_one_are_refused(option):
    with pytest.raises(UserError, match=f"GRAPH060: {option} of a loader is 0"):
        Loader(Parcel, range(2), **{option: 0})


def test_a_loader_that_is_forgotten_ends_its_threads():
    loader = Loader(Parcel, itertools.count(), workers=2)
    next(loader)
    working = threads()
    assert len(working) == 2
    del loader
    for thread in working:
        thread.join(60)
        assert not thread.is_alive()


def test_a_loader_in_a_cycle_is_collected_with_it():
    class Owner:
        pass

    owner = Owner()
    owner.loader, owner.itself = Loader(Parcel, itertools.count(), workers=2), owner
    working = threads()
    del owner
    gc.collect()
    for thread in working:
        thread.join(60)
        assert not thread.is_alive()


def test_leaving_a_loop_early_ends_the_threads():
    with Loader(Parcel, itertools.count(), workers=2) as loader:
        for parcel in loader:
            if parcel.number == 7:
                break
    assert not threads()


@pytest.fixture
def interruptible():
    """A process that was started in the background ignores interrupts; this one heeds them for a test."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_keyboard_interrupt_in_the_midst_of_a_step_closes_the_loader(interruptible):
    def order():
        yield from (0, 1, 2)
        signal.raise_signal(signal.SIGINT)

    loader = Loader(Parcel, order(), workers=2, ahead=2)
    with pytest.raises(KeyboardInterrupt):
        numbers(loader)
    assert not threads()
    with pytest.raises(UserError, match="GRAPH061"):
        next(loader)


PROGRAM = """
import os, signal, sys, threading, time
from weft.graph import Loader

class Parcel:
    num_bytes = 8
    def __init__(self, number):
        self.number = number

def busy(number):
    end = time.perf_counter() + 0.02
    while time.perf_counter() < end:
        pass
    return Parcel(number)
"""


INTERRUPTED = """
end = threading.Event()

def handle(*_):
    # Closing waits for the workers, so they are let go.
    end.set()
    raise KeyboardInterrupt

def sample(number):
    # The second is made when the loop has begun, so that the interrupt finds it.
    if number == 1:
        print("waiting", flush=True)
        end.wait()
    return Parcel(number)

signal.signal(signal.SIGINT, handle)
try:
    with Loader(sample, range(5), ahead=1) as loader:
        for parcel in loader:
            pass
except KeyboardInterrupt:
    assert not [t for t in threading.enumerate() if t.name == "weft-loader"]
    print("interrupted")
"""


def test_an_interrupt_of_a_process_that_waits_for_a_batch_leaves_no_thread():
    command = [sys.executable, "-c", PROGRAM + INTERRUPTED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)


def run(body):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM + textwrap.dedent(body)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def test_the_interpreter_ends_while_a_loader_works():
    printed = run("""
        loader = Loader(busy, range(10**6), workers=2, ahead=100)
        print(next(loader).number)
    """)
    assert printed == ["0"]


def test_a_forked_process_goes_on_where_the_loader_was_and_its_parent_too():
    printed = run("""
        loader = Loader(busy, range(12), workers=2, ahead=6)
        first = [next(loader).number for _ in range(3)]
        child = os.fork()
        rest = [parcel.number for parcel in loader]
        loader.close()
        assert not [t for t in threading.enumerate() if t.name == "weft-loader"]
        assert first + rest == list(range(12)), (first, rest)
        if child == 0:
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print("both")
    """)
    assert printed == ["both"]


def test_a_forked_process_may_close_an_inherited_loader_or_just_end():
    printed = run("""
        loader = Loader(busy, range(10**6), workers=2, ahead=6)
        next(loader)
        for how in ("close", "end", "new"):
            child = os.fork()
            if child == 0:
                if how == "close":
                    loader.close()
                if how == "new":
                    assert [p.number for p in Loader(busy, range(3), workers=2)] == [0, 1, 2]
                sys.exit(0)
            assert os.waitpid(child, 0)[1] == 0
        print(next(loader).number)
        loader.close()
    """)
    assert printed == ["1"]
