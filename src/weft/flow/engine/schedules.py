"""Schedules: plans that run at times or when data change, each time exactly once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from croniter import CroniterBadDateError, croniter

from weft.core import UserError, WeftError, from_json, to_json
from weft.flow.engine.caller import CallFailed, call_function
from weft.flow.engine.ledger import Ledger
from weft.flow.engine.tables import FIRINGS, RUNS, SCHEDULES, changing, insert_new, reading
from weft.flow.engine.words import Firing, Missed, Schedule
from weft.flow.plan import Plan

_LOG = logging.getLogger("weft.flow.engine")
# A time that passed less than this ago is not called missed.
_LATE_US = 60_000_000
# Clocks of two machines may differ by this without one calling the other's set back.
_APART_US = 600_000_000
_MOST_AT_ONCE = 100


class Clock:
    """Fires schedules. Any number of controllers do so; a change of the schedule's row decides who.

    A time is fired at most once, whatever clocks say: its firing has the time as its key.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.closing = threading.Event()

    def add(self, schedule: Schedule, now_us: int | None = None) -> None:
        """Keep a schedule, in the place of one of the same name."""
        now_us = _now_us() if now_us is None else now_us
        _check(schedule)
        next_us = _next_us(schedule, now_us) if schedule.cron else now_us
        values = {"body": to_json(schedule), "next_us": next_us}
        with changing(self._ledger.engine) as connection:
            # Runs of an earlier schedule of this name keep their names.
            fresh = {"digest": schedule.digest, "num_fired": _highest(connection, schedule.name)}
            if not insert_new(connection, SCHEDULES, name=schedule.name, **fresh, **values):
                where = SCHEDULES.c.name == schedule.name
                connection.execute(sa.update(SCHEDULES).where(where).values(**values))

    def pause(self, name: str, is_paused: bool, now_us: int | None = None) -> None:
        """Let a schedule stand still, or go on with the next of its times."""
        schedule = self.schedules().get(name, (None, 0))[0]
        if schedule is None:
            raise _unknown(name)
        self.add(replace(schedule, is_paused=is_paused), now_us)

    def remove(self, name: str) -> None:
        """Forget a schedule and its firings; runs it started go on."""
        with changing(self._ledger.engine) as connection:
            if not connection.execute(sa.delete(SCHEDULES).where(SCHEDULES.c.name == name)).rowcount:
                raise _unknown(name)
            connection.execute(sa.delete(FIRINGS).where(FIRINGS.c.schedule == name))

    def schedules(self) -> dict[str, tuple[Schedule, int]]:
        """Return all schedules by name, each with the time of its next firing or look."""
        with reading(self._ledger.engine) as connection:
            rows = connection.execute(sa.select(SCHEDULES).order_by(SCHEDULES.c.name))
            return {r.name: (from_json(Schedule, r.body), r.next_us) for r in rows}

    def firings(self, name: str) -> list[Firing]:
        """Return what became of a schedule's times, the newest first."""
        query = sa.select(FIRINGS).where(FIRINGS.c.schedule == name).order_by(FIRINGS.c.at_us.desc())
        with reading(self._ledger.engine) as connection:
            rows = connection.execute(query)
            return [Firing(r.schedule, r.at_us, r.digest, r.run, r.outcome, r.reason) for r in rows]

    def tick(self, now_us: int | None = None) -> None:
        """Fire what is due at ``now_us``, by default now."""
        now_us = _now_us() if now_us is None else now_us
        with reading(self._ledger.engine) as connection:
            rows = connection.execute(sa.select(SCHEDULES).order_by(SCHEDULES.c.name)).all()
        for row in rows:
            schedule = from_json(Schedule, row.body)
            if schedule.is_paused:
                continue
            try:
                if schedule.cron:
                    self._tick_cron(schedule, row, now_us)
                else:
                    self._tick_watch(schedule, row, now_us)
            except WeftError as error:
                _LOG.warning("schedule %s: %s", schedule.name, error)

    def changed(self, name: str, digest: str, now_us: int | None = None) -> str:
        """Tell a schedule the digest of its data; return the run it started, empty for a known digest."""
        with reading(self._ledger.engine) as connection:
            row = connection.execute(sa.select(SCHEDULES).where(SCHEDULES.c.name == name)).one_or_none()
        if row is None:
            raise _unknown(name)
        if digest == row.digest:
            return ""
        schedule = from_json(Schedule, row.body)
        firing = Firing(
            name, _now_us() if now_us is None else now_us, digest, run=f"{name}-{row.num_fired + 1}"
        )
        return firing.run if self._fire(schedule, row, [firing], digest=digest) else ""

    def _tick_cron(self, schedule: Schedule, row: Any, now_us: int) -> None:
        if row.next_us > now_us:
            if row.next_us > (earlier := _next_us(schedule, now_us + _APART_US)):
                # The clock was ahead when the next time was found, and has been set back since.
                self._move(row, earlier)
            return
        firings, missed = _due(schedule, row.next_us, now_us)
        self._fire(schedule, row, firings, missed, next_us=_next_us(schedule, now_us))

    def _tick_watch(self, schedule: Schedule, row: Any, now_us: int) -> None:
        every_us = int(schedule.every_s * 1e6)
        is_due = row.next_us <= now_us or row.next_us > now_us + every_us + _APART_US
        # Whoever moves the time of the next look is the one who looks.
        if schedule.watch and is_due and self._move(row, now_us + every_us):
            try:
                digest = self._call(schedule, schedule.watch)
                if not isinstance(digest, str) or not digest:
                    raise _bad(schedule, f"{schedule.watch} returned no digest", "return a text")
            except WeftError as error:
                self._say_failed(schedule, now_us, error)
                raise
            self.changed(schedule.name, digest, now_us)

    def _say_failed(self, schedule: Schedule, now_us: int, error: WeftError) -> None:
        """Keep why the last look failed, in the place of the one before."""
        firing = Firing(schedule.name, now_us, outcome="failed", reason=str(error).split("\n")[0])
        of_a_look = (FIRINGS.c.schedule == schedule.name) & (FIRINGS.c.outcome == "failed")
        with changing(self._ledger.engine) as connection:
            connection.execute(sa.delete(FIRINGS).where(of_a_look & (FIRINGS.c.digest == "")))
            insert_new(connection, FIRINGS, **firing.__dict__)

    def _call(self, schedule: Schedule, name: str, firing: Firing | None = None) -> Plan | str:
        try:
            return call_function(
                name, schedule.parameters, firing, limit_s=schedule.limit_s, stop=self.closing
            )
        except CallFailed as error:
            raise _bad(schedule, str(error), "mend it, or remove the schedule") from error

    def _made(self, schedule: Schedule, firing: Firing) -> tuple[Firing, Plan | None]:
        if schedule.plan is not None:
            return firing, schedule.plan
        try:
            plan = self._call(schedule, schedule.maker, firing)
            if not isinstance(plan, Plan):
                raise _bad(schedule, f"{schedule.maker} returned a text", "return a Plan")
            return firing, plan
        except WeftError as error:
            return replace(firing, run="", outcome="failed", reason=str(error).split("\n")[0]), None

    def _move(self, row: Any, next_us: int) -> bool:
        where = (SCHEDULES.c.name == row.name) & (SCHEDULES.c.next_us == row.next_us)
        with changing(self._ledger.engine) as connection:
            found = connection.execute(sa.update(SCHEDULES).where(where).values(next_us=next_us))
            return bool(found.rowcount)

    def _fire(
        self,
        schedule: Schedule,
        row: Any,
        firings: list[Firing],
        missed: Firing | None = None,
        **moved: Any,
    ) -> bool:
        """Start the runs of ``firings`` and move the schedule on at once; ``False`` if others did."""
        plans = [self._made(schedule, firing) for firing in firings]
        if self.closing.is_set():
            return False  # what was cut short is for the next controller
        where = (
            (SCHEDULES.c.name == row.name)
            & (SCHEDULES.c.body == row.body)
            & (SCHEDULES.c.next_us == row.next_us if "next_us" in moved else SCHEDULES.c.digest == row.digest)
        )
        with changing(self._ledger.engine) as connection:
            values = {"num_fired": SCHEDULES.c.num_fired + len(firings), **moved}
            if not connection.execute(sa.update(SCHEDULES).where(where).values(**values)).rowcount:
                return False
            for firing in [*([missed] if missed else []), *self._started(connection, schedule, plans)]:
                insert_new(connection, FIRINGS, **firing.__dict__)
        return True

    def _started(
        self, connection: sa.Connection, schedule: Schedule, plans: list[tuple[Firing, Plan | None]]
    ) -> Iterator[Firing]:
        for firing, plan in plans:
            if plan is None:
                yield firing
                continue
            key = (FIRINGS.c.schedule == schedule.name) & (FIRINGS.c.at_us == firing.at_us)
            if (
                schedule.cron
                and connection.execute(sa.select(FIRINGS).where(key, FIRINGS.c.outcome == "started")).first()
            ):
                continue  # a clock was set back: this time has had its run
            origin = f"schedule {schedule.name}"
            if self._ledger.create(connection, firing.run, plan, schedule.options, origin):
                yield replace(firing, outcome="started")
            else:
                reason = f"a run named {firing.run} exists"
                yield replace(firing, run="", outcome="failed", reason=reason)


def _due(schedule: Schedule, first_us: int, now_us: int) -> tuple[list[Firing], Firing | None]:
    """Return the times that start a run now, and in one entry those that do not."""
    times: list[int] = []
    at_us, num = first_us, 0
    while at_us <= now_us and num < 100_000:
        times, num = [*times[-_MOST_AT_ONCE + 1 :], at_us], num + 1
        at_us = _next_us(schedule, at_us)
    keep = {Missed.LATEST: 1, Missed.ALL: _MOST_AT_ONCE}.get(schedule.missed, 0)
    if schedule.missed is Missed.SKIP and now_us - times[-1] <= _LATE_US:
        keep = 1
    kept = times[-keep:] if keep else []
    num_missed = num - len(kept)
    missed = None
    if num_missed:
        reason = f"{num_missed} times from {_said(first_us)} on passed while no controller was there"
        missed = Firing(schedule.name, first_us, outcome="missed", reason=reason)
    return [Firing(schedule.name, t, run=f"{schedule.name}-{_said(t)}") for t in kept], missed


def _check(schedule: Schedule) -> None:
    if not schedule.name or not all(c.isalnum() or c in "_.-" for c in schedule.name):
        raise _bad(schedule, "its name is not one word", "use letters, digits, points and dashes")
    if bool(schedule.plan) == bool(schedule.maker):
        raise _bad(schedule, "it needs a plan or what makes one", "give either plan or maker")
    if schedule.cron and (schedule.watch or not croniter.is_valid(schedule.cron)):
        raise _bad(schedule, f"'{schedule.cron}' is not its time", "write five fields, such as 0 3 * * *")
    for name in filter(None, (schedule.maker, schedule.watch)):
        if ":" not in name:
            raise _bad(schedule, f"'{name}' names no function", "write it as module:function")
    for field in ("every_s", "limit_s"):
        if not getattr(schedule, field) > 0:
            words = f"{field} is {getattr(schedule, field)}"
            raise _bad(schedule, words, "give a positive number of seconds")
    try:
        ZoneInfo(schedule.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise _bad(schedule, f"'{schedule.zone}' is no time zone", "name one such as Europe/Zurich") from None
    try:
        _ = schedule.cron and _next_us(schedule, _now_us())
    except CroniterBadDateError:
        raise _bad(schedule, f"'{schedule.cron}' never comes", "name a day that its month has") from None


def _highest(connection: sa.Connection, name: str) -> int:
    """Return the highest number that a run of a schedule of this name has."""
    start = f"{name}-"
    found = connection.execute(sa.select(RUNS.c.run).where(RUNS.c.run.startswith(start, autoescape=True)))
    numbers = (run.removeprefix(start) for run in found.scalars())
    return max((int(n) for n in numbers if n.isascii() and n.isdigit()), default=0)


def _next_us(schedule: Schedule, after_us: int) -> int:
    after = datetime.fromtimestamp(after_us / 1e6, ZoneInfo(schedule.zone))
    found: float = croniter(schedule.cron, after).get_next(float)
    return round(found * 1e6)


def _said(at_us: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at_us / 1e6))


def _bad(schedule: Schedule, what: str, advice: str) -> UserError:
    return UserError("FLOW086", f"schedule '{schedule.name}' is not possible: {what}.", f"{advice}.")


def _unknown(name: str) -> UserError:
    return UserError("FLOW086", f"there is no schedule '{name}'.", "list the schedules to see their names.")


def _now_us() -> int:
    return time.time_ns() // 1000
