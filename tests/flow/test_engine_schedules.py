"""Schedules: each time starts one run, whatever clocks, controllers and crashes do."""

import os
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from engine_kit import chain, open_engine

from weft.core import UserError
from weft.flow import Node, Plan
from weft.flow.engine import Engine, Firing, Missed, RunOptions, Schedule

PLAN = Plan("p", (Node("a", "flow_programs:total"),))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e6)


def latest(parameters):
    return Path(parameters["of"]).read_text()


def make(parameters, firing: Firing) -> Plan:
    if parameters.get("broken"):
        raise ValueError("no such table")
    node = Node(
        "a", "flow_programs:total", digests={"data": firing.digest}, parameters={"n": parameters["n"]}
    )
    return Plan("made", (node,))


@pytest.fixture
def engine(database, tmp_path):
    with open_engine(database, tmp_path / "store") as engine:
        yield engine


def runs(engine: Engine) -> list[str]:
    return sorted(r.run for r in engine.list())


def add(engine, schedule, now="2026-03-01T02:30:00"):
    engine._clock.add(schedule, at(now))


def tick(engine, now):
    engine._clock.tick(at(now))


def test_a_time_starts_one_run_whoever_looks_and_how_often(engine, database, tmp_path):
    add(engine, Schedule("nightly", PLAN, cron="0 3 * * *", options=RunOptions(project="shop")))
    tick(engine, "2026-03-01T02:59:59")
    assert runs(engine) == []
    with open_engine(database, tmp_path / "store") as other:
        for one in (engine, other, engine):
            tick(one, "2026-03-01T03:00:01")
    assert runs(engine) == ["nightly-20260301T030000Z"]
    status = engine.status("nightly-20260301T030000Z")
    assert (status.origin, status.options.project) == ("schedule nightly", "shop")
    ((name, (schedule, next_us)),) = engine.schedules().items()
    assert (name, schedule.plan, next_us) == ("nightly", PLAN, at("2026-03-02T03:00:00"))
    assert [(f.outcome, f.run) for f in engine.firings("nightly")] == [("started", runs(engine)[0])]
    engine.unschedule("nightly")
    tick(engine, "2026-03-02T03:00:01")
    assert len(runs(engine)) == 1 and not engine.schedules()
    with pytest.raises(UserError, match="FLOW086: there is no schedule 'nightly'"):
        engine.unschedule("nightly")


def test_a_schedule_follows_its_time_zone(engine):
    add(engine, Schedule("early", PLAN, cron="0 3 * * *", zone="America/New_York"))
    tick(engine, "2026-03-01T08:00:01")
    assert runs(engine) == ["early-20260301T080000Z"]


@pytest.mark.parametrize(
    ("policy", "started"),
    [
        (Missed.LATEST, ["s-20260304T030000Z"]),
        (Missed.SKIP, []),
        (Missed.ALL, [f"s-2026030{d}T030000Z" for d in (1, 2, 3, 4)]),
    ],
)
def test_times_that_passed_while_nobody_was_there_follow_the_policy(engine, policy, started):
    add(engine, Schedule("s", PLAN, cron="0 3 * * *", missed=policy))
    tick(engine, "2026-03-04T12:00:00")
    assert runs(engine) == started
    missed = [f for f in engine.firings("s") if f.outcome == "missed"]
    assert [f.reason.split()[0] for f in missed] == ([str(4 - len(started))] if len(started) < 4 else [])
    tick(engine, "2026-03-05T03:00:02")
    assert runs(engine) == [*started, "s-20260305T030000Z"]


def test_a_clock_that_jumps_back_repeats_no_time_and_loses_none(engine):
    add(engine, Schedule("s", PLAN, cron="0 * * * *"))
    tick(engine, "2026-03-01T03:00:01")
    tick(engine, "2027-03-01T03:00:01")  # a year ahead, by mistake
    tick(engine, "2026-03-01T02:59:00")  # and back, to before the last firing
    tick(engine, "2026-03-01T03:00:02")
    assert runs(engine) == ["s-20260301T030000Z", "s-20270301T030000Z"]
    tick(engine, "2026-03-01T04:00:02")
    assert runs(engine) == ["s-20260301T030000Z", "s-20260301T040000Z", "s-20270301T030000Z"]


def hang(parameters, *firing):
    Path(parameters["pid"]).write_text(str(os.getpid()))
    time.sleep(600)


def leave(parameters, *firing):
    raise SystemExit(3)


def crash(parameters, *firing):
    os.kill(os.getpid(), signal.SIGSEGV)


def test_changed_data_start_a_run_and_known_data_none(engine, tmp_path):
    data = tmp_path / "data"
    data.write_text("one")
    schedule = Schedule(
        "fresh",
        maker="test_engine_schedules:make",
        watch="test_engine_schedules:latest",
        every_s=60,
        digest="one",
        parameters={"of": str(data), "n": 3},
    )
    add(engine, schedule, "2026-03-01T00:00:00")
    tick(engine, "2026-03-01T00:00:00")
    data.write_text("two")
    tick(engine, "2026-03-01T00:00:30")  # not the time to look
    assert runs(engine) == []
    tick(engine, "2026-03-01T00:01:01")
    tick(engine, "2026-03-01T00:02:02")
    assert runs(engine) == ["fresh-1"]
    plan, _ = engine._ledger.plan("fresh-1")
    assert (plan.nodes[0].digests, plan.nodes[0].parameters) == ({"data": "two"}, {"n": 3})
    assert engine.changed("fresh", "two") == ""
    assert engine.changed("fresh", "three") == "fresh-2"
    assert [f.digest for f in engine.firings("fresh")] == ["three", "two"]
    # Taken away and added again it goes on behind the runs that there are.
    engine.unschedule("fresh")
    engine.schedule(schedule)
    assert engine.changed("fresh", "four") == "fresh-3"
    assert [f.outcome for f in engine.firings("fresh")] == ["started"]


def test_a_plan_that_cannot_be_made_is_said_and_the_next_time_is_tried(engine):
    add(
        engine,
        Schedule("s", maker="test_engine_schedules:make", cron="0 3 * * *", parameters={"broken": True}),
    )
    tick(engine, "2026-03-01T03:00:01")
    (firing,) = engine.firings("s")
    assert (firing.outcome, firing.run) == ("failed", "")
    assert "make failed: ValueError('no such table')" in firing.reason
    assert engine.schedules()["s"][1] == at("2026-03-02T03:00:00")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("hang", "took more than 2 s"),
        ("leave", "ended its process with exit code 3"),
        ("crash", "ended its process with exit code -11"),
        ("gone", "failed: AttributeError"),
    ],
)
def test_functions_that_hang_leave_or_crash_end_alone_and_are_told_of(engine, tmp_path, function, words):
    name, parameters = f"test_engine_schedules:{function}", {"pid": str(tmp_path / "pid")}
    options = {"parameters": parameters, "limit_s": 2 if function == "hang" else 60}
    add(engine, Schedule("look", PLAN, watch=name, every_s=30, **options))
    add(engine, Schedule("make", maker=name, cron="0 3 * * *", **options))
    add(engine, Schedule("sound", PLAN, cron="0 3 * * *"))
    tick(engine, "2026-03-01T03:00:01")
    tick(engine, "2026-03-01T03:01:01")
    for schedule in ("look", "make"):
        # A look that fails again is told in the place of the one before.
        (firing,) = engine.firings(schedule)
        assert (firing.outcome, firing.run) == ("failed", "")
        assert words in firing.reason and f"schedule '{schedule}'" in firing.reason
    assert runs(engine) == ["sound-20260301T030000Z"]
    if function == "hang":
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_controller_serves_and_closes_while_a_function_hangs(engine, tmp_path):
    parameters = {"pid": str(tmp_path / "pid")}
    engine.schedule(Schedule("s", PLAN, watch="test_engine_schedules:hang", parameters=parameters))
    engine.start()
    for _ in range(1000):
        if (tmp_path / "pid").exists():
            break
        threading.Event().wait(0.02)
    assert engine.wait(engine.submit(PLAN), timeout_s=40).state == "succeeded"
    engine.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_schedule_that_is_paused_neither_fires_nor_counts_as_missed(engine):
    add(engine, Schedule("nightly", PLAN, cron="0 3 * * *"))
    engine._clock.pause("nightly", True, at("2026-03-01T02:31:00"))
    assert engine.schedules()["nightly"][0].is_paused
    tick(engine, "2026-03-04T03:00:01")
    engine._clock.pause("nightly", False, at("2026-03-04T04:00:00"))
    tick(engine, "2026-03-05T03:00:01")
    assert runs(engine) == ["nightly-20260305T030000Z"]
    assert [f.outcome for f in engine.firings("nightly")] == ["started"]
    for ask in (engine.pause_schedule, engine.resume_schedule):
        with pytest.raises(UserError, match="FLOW086"):
            ask("weekly")


def test_a_controller_fires_what_is_due(engine):
    engine.schedule(Schedule("often", chain("/dev/null", 0), cron="* * * * * *"))
    engine.start()
    status = engine.wait(_first(engine), timeout_s=40)
    assert status.state == "succeeded" and status.origin == "schedule often"
    engine.unschedule("often")


def _first(engine: Engine) -> str:
    for _ in range(1000):
        if found := runs(engine):
            return found[0]
        threading.Event().wait(0.02)
    raise AssertionError("no run began")


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Schedule("a b", PLAN, cron="0 3 * * *"), "its name is not one word"),
        (Schedule("s", cron="0 3 * * *"), "it needs a plan or what makes one"),
        (Schedule("s", PLAN, cron="at three"), "'at three' is not its time"),
        (Schedule("s", PLAN, cron="0 3 * * *", zone="Mars/Base"), "'Mars/Base' is no time zone"),
        (Schedule("s", PLAN, watch="latest"), "'latest' names no function"),
        (Schedule("s", PLAN, every_s=0), "every_s is 0"),
        (Schedule("s", PLAN, limit_s=0), "limit_s is 0"),
        (Schedule("s", PLAN, cron="0 0 30 2 *"), "'0 0 30 2 *' never comes"),
    ],
)
def test_a_schedule_that_is_not_possible_is_refused(sqlite_url, tmp_path, schedule, words):
    with (
        open_engine(sqlite_url, tmp_path / "store") as engine,
        pytest.raises(UserError, match="FLOW086") as error,
    ):
        engine.schedule(schedule)
    assert words in str(error.value)
