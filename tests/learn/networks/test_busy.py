"""The share of the time in which a device works on steps, by a clock that the test moves."""

import pytest
import torch

from weft.learn import get_rung
from weft.learn.networks import stepping
from weft.learn.networks.busy import Busy, marks_of
from weft.learn.networks.curve import Curve

from .fit_process import CONFIG
from .planted import RESOURCES, make_data


class Device:
    """A device that is behind its host: work that is queued begins when what was queued before is done."""

    def __init__(self):
        self.host = self.free = 0.0
        self.marks = 0

    def work(self, ms):
        self.free = max(self.free, self.host) + ms

    def wait(self):
        self.host = max(self.host, self.free)

    def mark(self):
        self.marks += 1
        return Moment(self, max(self.free, self.host))


class Moment:
    def __init__(self, device, at):
        self.device, self.at = device, at

    def query(self):
        return self.at <= self.device.host

    def elapsed_time(self, other):
        assert self.query() and other.query(), "a moment was read before the device had come so far"
        return other.at - self.at


def step(device, busy, fed_after, works, host=0.0):
    """Make one step: parts that come after some milliseconds each, and the work on each."""

    def batches():
        for ms in fed_after:
            device.host += ms
            yield ms

    for _ in busy.fed(batches()):
        device.host += host
        device.work(works)
    busy.end()


def test_a_device_that_waits_for_batches_is_busy_for_the_rest_of_the_time():
    device = Device()
    busy = Busy(device.mark)
    busy.start()
    for _ in range(5):
        step(device, busy, [30.0], 10.0)
        device.wait()
        busy.read()
    assert busy.share == pytest.approx(0.25)


def test_a_device_that_is_behind_is_busy_all_the_time():
    device = Device()
    busy = Busy(device.mark)
    busy.start()
    for _ in range(16):
        step(device, busy, [1.0], 50.0)
    device.wait()
    busy.read()
    assert busy.share == pytest.approx(16 * 50 / (16 * 50 + 1))


def test_waiting_between_the_parts_of_a_step_is_no_work():
    device = Device()
    busy = Busy(device.mark)
    busy.start()
    step(device, busy, [10.0, 20.0], 15.0)
    device.wait()
    busy.read()
    # Parts come at 10 and at 30, the first is done at 25.
    assert busy.share == pytest.approx((15 + 15) / 45)


def test_what_the_device_has_not_reached_is_read_later_and_nothing_is_waited_for():
    device = Device()
    busy = Busy(device.mark)
    busy.start()
    step(device, busy, [10.0], 10.0)
    busy.read()
    assert busy.share is None and device.host == 10.0
    device.wait()
    step(device, busy, [80.0], 100.0)
    busy.read()
    assert busy.share == pytest.approx(10 / 20)
    device.wait()
    busy.read()
    assert busy.share == pytest.approx(110 / 200)


def test_time_between_runs_of_steps_does_not_count_nor_does_a_step_that_broke():
    device = Device()
    busy = Busy(device.mark)
    for _ in range(3):
        busy.start()
        step(device, busy, [5.0], 15.0)
        device.wait()
        busy.read()
        next(iter(busy.fed([1])))
        device.host += 1000.0
    assert busy.share == pytest.approx(0.75)


def test_the_cpu_is_not_watched():
    busy = Busy(marks_of(torch.device("cpu")))
    batches = [1, 2]
    busy.start()
    assert busy.fed(batches) is batches
    busy.end()
    busy.read()
    assert busy.share is None
    assert Curve().words(0.5, 1234.0, busy.share) == "loss 0.5, 1,234 rows/s"
    assert Curve().words(0.5, 1234.0, 0.634) == "loss 0.5, 1,234 rows/s, GPU 63 %"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_is_watched_by_its_own_events():
    device = torch.device("cuda", torch.cuda.device_count() - 1)
    busy, matrix = Busy(marks_of(device)), torch.ones(2048, 2048, device=device)
    busy.start()
    for _ in range(10):
        for one in busy.fed([matrix]):
            one @ one
        busy.end()
    torch.cuda.synchronize(device)
    busy.read()
    assert 0 < busy.share <= 1


class Told:
    """A progress that notes what it is told."""

    def __init__(self):
        self.notes = []

    def update(self, done, total=None, note=""):
        self.notes.append(note)


@pytest.fixture
def slow(monkeypatch):
    """Give every training a device that works for 60 ms on a step, and a host that takes 10 ms after it."""
    device = Device()

    class Slow(Busy):
        def end(self):
            # Comes twice a step: after its last batch, and after what follows.
            device.work(30.0)
            super().end()

        def read(self):
            device.wait()
            super().read()
            device.host += 10.0

    monkeypatch.setattr(stepping, "Busy", lambda mark: Slow(device.mark))


def told_by(rung, data, config):
    told = Told()
    get_rung(rung).fit(data, config, 0, resources=RESOURCES, deadline=None, progress=told)
    return [int(note.rpartition(" rows/s, GPU ")[2].removesuffix(" %")) for note in told.notes]


def shares(epochs, steps):
    """Return what is told after each step and each look."""
    found, busy, everything = [], 0, 0
    for _ in range(epochs):
        for number in range(steps):
            busy, everything = busy + 60, everything + 60 + (10 if number else 0)
            found.append(round(100 * busy / everything))
        found.append(found[-1])
    return found


def test_progress_tells_the_share_where_steps_are_marked(shop, slow):
    found = told_by("sage", make_data(*shop), CONFIG | {"epochs": 2})
    steps = len(found) // 2 - 1
    assert steps > 2 and found == shares(2, steps)


def test_progress_of_networks_that_rank_tells_it_too(lists, slow):
    options = {"negatives": 32, "item_fanouts": [4]}
    config = {"channels": 16, "batch_size": 64, "fanouts": [4], "features": "none", "options": options}
    found = told_by("two_tower", lists, config | {"epochs": 1})
    assert len(found) > 3 and found == shares(1, len(found) - 1)
