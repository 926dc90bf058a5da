"""Batches on disk that several processes share: whole or not there, bounded, made once per process."""

import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from graph_batches import arrays_of, assert_same, batch_of, batches
from hypothesis import HealthCheck, given, settings

from weft.core import UserError
from weft.graph import BatchCache, batch_key, encode_batch

ENTRY_BYTES = len(encode_batch(batch_of(0)))


def key_of(number):
    return batch_key(graph="g", options={"fanouts": [10, 10]}, seeds=(), epoch=0, number=number)


def files(folder):
    return sorted(p.name for p in folder.iterdir() if p.name != "lock")


def names(*numbers):
    return sorted(f"{key_of(n)}.batch" for n in numbers)


def use_at(folder, number, second):
    """Set when a batch was used last."""
    os.utime(folder / f"{key_of(number)}.batch", (second, second))


def no_one():
    raise AssertionError("it was not in the cache")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches())
def test_what_was_kept_is_read(tmp_path, batch):
    cache = BatchCache(tmp_path, max_bytes=10**9)
    key = batch_key(graph="any", options=None, seeds=(encode_batch(batch),), epoch=1, number=2)
    cache.get(key, lambda: batch)
    assert_same(cache.get(key, no_one), batch)
    assert_same(pickle.loads(pickle.dumps(cache)).get(key, no_one), batch)


def test_arrays_that_were_read_may_be_written_and_the_cache_does_not_change(tmp_path):
    cache = BatchCache(tmp_path, max_bytes=10**9)
    cache.get(key_of(1), lambda: batch_of(1))
    for _ in range(2):
        batch = cache.get(key_of(1), no_one)
        assert_same(batch, batch_of(1))
        for array in arrays_of(batch):
            array[:] = 0


def test_the_key_depends_on_everything_that_decides_on_a_batch():
    seeds = (np.array([1, 2], np.uint32), np.array([5, 6]))
    base = {"graph": "g", "options": {"hops": 2}, "seeds": seeds, "epoch": 0, "number": 0}
    changes = [
        {},
        {"graph": "h"},
        {"options": {"hops": 3}},
        {"epoch": 1},
        {"number": 1},
        {"seeds": seeds[:1]},
        {"seeds": (seeds[0], np.array([5, 7]))},
        {"seeds": (seeds[0].astype(np.int32), seeds[1])},
        {"seeds": (np.array([[1, 2]], np.uint32), seeds[1])},
    ]
    assert len({batch_key(**(base | change)) for change in changes}) == len(changes)
    again = {"seeds": (np.repeat(seeds[0], 2)[::2], seeds[1].copy())}
    assert batch_key(**base) == batch_key(**(base | again))


def test_the_batch_used_longest_ago_goes_first(tmp_path):
    cache = BatchCache(tmp_path, max_bytes=3 * ENTRY_BYTES)
    for number in range(3):
        cache.get(key_of(number), lambda n=number: batch_of(n))
        use_at(tmp_path, number, 1000 + number)
    cache.get(key_of(0), no_one)
    cache.get(key_of(3), lambda: batch_of(3))
    # Room is made for a tenth more than the batch that comes, so that two of three go.
    assert files(tmp_path) == names(0, 3)
    assert cache.kept_bytes() <= 3 * ENTRY_BYTES


def test_a_reader_keeps_what_is_evicted(tmp_path):
    cache = BatchCache(tmp_path, max_bytes=ENTRY_BYTES)
    cache.get(key_of(0), lambda: batch_of(0))
    held = cache.get(key_of(0), no_one)
    cache.get(key_of(1), lambda: batch_of(1))
    assert files(tmp_path) == names(1)
    assert_same(held, batch_of(0))


def damage_byte(path, at=-100):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (damage_byte, "GRAPH065"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "GRAPH064"),
        (lambda path: path.write_bytes(b"x" * 500), "GRAPH062"),
        (lambda path: path.write_bytes(b""), "empty file"),
    ],
)
def test_a_damaged_batch_is_dropped_with_a_warning_and_made_again(tmp_path, caplog, how, code):
    cache = BatchCache(tmp_path, max_bytes=10**9)
    cache.get(key_of(0), lambda: batch_of(0))
    how(tmp_path / f"{key_of(0)}.batch")
    with caplog.at_level(logging.WARNING):
        assert_same(cache.get(key_of(0), lambda: batch_of(0)), batch_of(0))
    assert code in caplog.text
    assert "is dropped and made again" in caplog.text
    assert_same(cache.get(key_of(0), no_one), batch_of(0))


def test_threads_that_miss_at_once_make_a_batch_once(tmp_path):
    cache = BatchCache(tmp_path, max_bytes=10**9)
    made, together = Counter(), threading.Barrier(6, timeout=60)
    results = []

    def make(number):
        made[number] += 1
        return batch_of(number)

    def work():
        for number in range(30):
            together.wait()
            results.append((number, cache.get(key_of(number), lambda n=number: make(n))))

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert made == Counter(range(30))
    assert len(results) == 180
    arrays = [id(batch.seeds) for _, batch in results]
    assert len(set(arrays)) == len(arrays), "each has its own, to write to"
    for number, batch in results:
        assert_same(batch, batch_of(number))


def test_an_error_reaches_all_who_wait_and_the_next_makes_it(tmp_path):
    cache = BatchCache(tmp_path, max_bytes=10**9)
    making, waiting = threading.Event(), threading.Event()
    caught = []

    def fail():
        making.set()
        assert waiting.wait(60)
        raise KeyError("lost")

    def first():
        with pytest.raises(KeyError) as error:
            cache.get(key_of(0), fail)
        caught.append(error.value)

    thread = threading.Thread(target=first)
    thread.start()
    assert making.wait(60)
    future = cache._making[key_of(0)]
    future.add_done_callback(lambda done: caught.append(done.exception()))
    waiting.set()
    thread.join()
    assert [type(e) for e in caught] == [KeyError, KeyError]
    assert_same(cache.get(key_of(0), lambda: batch_of(0)), batch_of(0))


def test_a_batch_larger_than_the_cache_is_not_kept_and_evicts_nothing(tmp_path, caplog):
    cache = BatchCache(tmp_path, max_bytes=ENTRY_BYTES)
    cache.get(key_of(0), lambda: batch_of(0))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert_same(cache.get(key_of(1), lambda: batch_of(1, size=1000)), batch_of(1, size=1000))
    assert files(tmp_path) == names(0)
    assert caplog.text.count("made and not kept") == 1


def test_a_limit_below_one_and_a_foreign_key_are_refused(tmp_path):
    with pytest.raises(UserError, match="GRAPH067"):
        BatchCache(tmp_path, max_bytes=0)
    with pytest.raises(UserError, match="GRAPH067"):
        BatchCache(tmp_path, max_bytes=1).get("../../etc/passwd", no_one)


PROGRAM = """
import logging, os, resource, signal, sys, threading
from pathlib import Path
import numpy as np
from graph_batches import assert_same, batch_of
from test_cache import ENTRY_BYTES, key_of
from weft.graph import BatchCache
folder, number = Path(sys.argv[1]), int(sys.argv[2])
logging.basicConfig(format="%(message)s")
"""


def start(body, folder, number=0):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM + body, str(folder), str(number)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


TRIAL = """
cache = BatchCache(folder, max_bytes=6 * ENTRY_BYTES)
random = np.random.default_rng(number)
for step in range(150):
    wanted = int(random.integers(0, 12))
    assert_same(cache.get(key_of(wanted), lambda: batch_of(wanted)), batch_of(wanted))
    assert cache.kept_bytes() <= 6 * ENTRY_BYTES
    if number == 0 and step % 10 == 0:
        aside = folder / "damaged"
        aside.write_bytes(bytes(ENTRY_BYTES))
        with cache._locked():
            # Nothing is evicted meanwhile, so that the folder does not grow by this.
            if (folder / f"{key_of(wanted)}.batch").exists():
                aside.replace(folder / f"{key_of(wanted)}.batch")
print("done")
"""


def test_processes_that_share_a_small_cache_read_right_batches_and_keep_its_limit(tmp_path):
    """One of them puts damaged files in place, all evict each other's."""
    processes = [start(TRIAL, tmp_path, number) for number in range(4)]
    for code, out, err in [finish(p) for p in processes]:
        assert (code, out) == (0, "done\n"), err
        assert all("is dropped and made again" in line for line in err.splitlines())
    assert {Path(name).suffix for name in files(tmp_path)} <= {".batch", ""}


KILLED = """
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

Path.replace = die
BatchCache(folder, max_bytes=3 * ENTRY_BYTES).get(key_of(7), lambda: batch_of(7))
"""


def test_what_a_killed_writer_left_is_not_seen_and_is_swept(tmp_path):
    code, _, err = finish(start(KILLED, tmp_path))
    assert code == -signal.SIGKILL, err
    assert [name for name in files(tmp_path) if name.endswith(".tmp")]
    cache = BatchCache(tmp_path, max_bytes=3 * ENTRY_BYTES)
    for number in range(4):
        assert_same(cache.get(key_of(number), lambda n=number: batch_of(n)), batch_of(number))
    assert not [name for name in files(tmp_path) if name.endswith(".tmp")]
    assert cache.kept_bytes() <= 3 * ENTRY_BYTES


FULL = """
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
cache = BatchCache(folder, max_bytes=10**9)
for number in range(3):
    assert_same(cache.get(key_of(number), lambda: batch_of(number)), batch_of(number))
"""


def test_a_disk_that_takes_no_more_costs_one_warning_and_no_batch(tmp_path):
    """The system refuses the write as it does on a full disk, by another number."""
    code, _, err = finish(start(FULL, tmp_path))
    assert code == 0, err
    assert err.count("made and not kept") == 1
    assert "File too large" in err
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_made_costs_one_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    cache = BatchCache(tmp_path / "file" / "cache", max_bytes=10**9)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert_same(cache.get(key_of(0), lambda: batch_of(0)), batch_of(0))
    assert caplog.text.count("made and not kept") == 1


FORKED = """
cache = BatchCache(folder, max_bytes=10**9)
begun, end = threading.Event(), threading.Event()

def slow():
    begun.set()
    end.wait()
    return batch_of(1)

thread = threading.Thread(target=lambda: cache.get(key_of(1), slow))
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    # The maker is a thread of the parent: this process makes the batch itself.
    assert_same(cache.get(key_of(1), lambda: batch_of(1)), batch_of(1))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
end.set()
thread.join()
print("both")
"""


def test_a_forked_process_does_not_wait_for_a_thread_of_its_parent(tmp_path):
    process = start(FORKED, tmp_path)
    assert finish(process)[:2] == (0, "both\n")
