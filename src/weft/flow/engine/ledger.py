"""What the database knows of runs, and every change of it: each is one transaction."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from weft.core import UserError, from_json, to_json
from weft.flow.engine.durable import Durable
from weft.flow.engine.tables import LIMITS, NODES, PLANS, RUNS, SLOTS, changing, insert_new, reading, upsert
from weft.flow.engine.words import NodeStatus, RunOptions, RunState, RunStatus
from weft.flow.events import Event, NodeState
from weft.flow.plan import Plan

MAX_DEATHS = 10
# What a controller does at once, whatever the run is at.
WISHES = ("pause", "cancel", "give up")
_OPEN = ("waiting", "queued", "running")
_SHOWN = {NodeState.STARTED: "running", NodeState.PROGRESS: "running"}


@dataclass(frozen=True)
class Taken:
    """A life of a run that a controller works on."""

    run: str
    life: int
    plan: Plan
    options: RunOptions
    wish: str


class Ledger:
    """Runs, their nodes and the limits they wait for, in one database.

    A run that may start gets a life: a number, and a workflow of that number in the same transaction.
    Everything a controller writes names the life and itself, so one that has been replaced changes nothing.
    """

    def __init__(self, engine: sa.Engine, durable: Durable) -> None:
        self.engine = engine
        self._durable = durable

    # Asked for by users

    def create(
        self, connection: sa.Connection, run: str, plan: Plan, options: RunOptions, origin: str = ""
    ) -> bool:
        """Add a run, within a transaction; return ``False`` when there is one of this name."""
        now, digest = _now_us(), plan.digest
        is_new = insert_new(
            connection,
            RUNS,
            run=run,
            life=0,
            deaths=0,
            state="waiting",
            wish="",
            owner="",
            plan=digest,
            plan_name=plan.name,
            project=options.project,
            options=to_json(options),
            priority=options.priority,
            origin=origin,
            reason="",
            code="",
            created_us=now,
        )
        if is_new:
            insert_new(connection, PLANS, digest=digest, body=zlib.compress(plan.to_json().encode()))
            self._refuse_what_never_fits(connection, run, options)
            self._admit(connection)
        return is_new

    def wish(self, run: str, wish: str, state: RunState) -> None:
        """Ask that a run ends as ``state``: at once where nobody works on it, else through its controller."""
        with changing(self.engine) as connection:
            row = self._row(connection, run)
            if row.state not in _OPEN and not (row.state == "paused" and wish == "cancel"):
                raise not_possible(wish, row)
            # After a death something may still be at work on a backend: a controller has to end that first.
            if row.state == "running" or (row.deaths and row.state != "paused"):
                connection.execute(sa.update(RUNS).where(RUNS.c.run == run).values(wish=wish))
            else:
                self._close(connection, run, state.value, "", "")

    def again(self, run: str, states: tuple[str, ...], verb: str, repeat: Iterable[str] = ()) -> None:
        """Let a run that stands still go on, and repeat further nodes."""
        with changing(self.engine) as connection:
            row = self._row(connection, run)
            if row.state == "running" and row.wish == "pause" and "paused" in states:
                connection.execute(sa.update(RUNS).where(RUNS.c.run == run).values(wish="resume"))
                return
            if row.state not in states:
                raise not_possible(verb, row)
            if more := tuple(repeat):
                self._repeat(connection, row, more)
            self._to_waiting(connection, run, deaths=0)

    def set_limit(self, resource: str, most: int | None) -> None:
        """Set, change or (``None``) remove a limit; runs that wait for it are looked at anew."""
        with changing(self.engine) as connection:
            connection.execute(sa.delete(LIMITS).where(LIMITS.c.resource == resource))
            if most is not None:
                connection.execute(sa.insert(LIMITS).values(resource=resource, most=most))
            self._admit(connection)

    def limits(self) -> dict[str, int]:
        """Return all limits."""
        with reading(self.engine) as connection:
            return {r.resource: r.most for r in connection.execute(sa.select(LIMITS))}

    def forget(self, run: str) -> None:
        """Remove all that is known of a run that is over."""
        with changing(self.engine) as connection:
            row = self._row(connection, run)
            if not RunState(row.state).is_over:
                raise not_possible("forget", row)
            for table in (RUNS, NODES):
                connection.execute(sa.delete(table).where(table.c.run == run))
            used = sa.exists().where(RUNS.c.plan == PLANS.c.digest)
            connection.execute(sa.delete(PLANS).where(PLANS.c.digest == row.plan, ~used))
        self._durable.forget(run, row.life)

    # Looked at by users

    def status(self, run: str) -> RunStatus:
        """Return how a run and its nodes are."""
        with reading(self.engine) as connection:
            row = self._row(connection, run)
            plan = _plan_of(connection, row.plan)
            found = {
                n.node: NodeStatus(n.node, n.state, n.why, n.attempt, n.note, n.done, n.total, n.seconds)
                for n in connection.execute(sa.select(NODES).where(NODES.c.run == run))
            }
        names = [n.name for n in plan.order]
        extra = sorted(found.keys() - set(names))
        return _status(row, tuple(found.get(n, NodeStatus(n, "waiting")) for n in (*names, *extra)))

    def state(self, run: str) -> RunStatus:
        """Return how a run is, without its nodes."""
        with reading(self.engine) as connection:
            return _status(self._row(connection, run))

    def runs(self, states: Iterable[RunState] | None = None, project: str | None = None) -> list[RunStatus]:
        """Return all runs, the newest first, without their nodes."""
        query = sa.select(RUNS).order_by(RUNS.c.created_us.desc(), RUNS.c.run)
        if states is not None:
            query = query.where(RUNS.c.state.in_([s.value for s in states]))
        if project is not None:
            query = query.where(RUNS.c.project == project)
        with reading(self.engine) as connection:
            return [_status(row) for row in connection.execute(query)]

    def plan(self, run: str) -> tuple[Plan, RunOptions]:
        """Return what a run runs, and how."""
        with reading(self.engine) as connection:
            row = self._row(connection, run)
            return _plan_of(connection, row.plan), from_json(RunOptions, row.options)

    # Done by controllers

    def begin(self, run: str, life: int, controller: str) -> Taken | None:
        """Take a life; ``None`` when it is not wanted any more."""
        with changing(self.engine) as connection:
            row = connection.execute(sa.select(RUNS).where(RUNS.c.run == run)).one_or_none()
            if row is None or row.life != life or row.state != "queued":
                return None
            started = row.started_us or _now_us()
            values = {
                "state": "running",
                "owner": controller,
                "started_us": started,
                "reason": "",
                "code": "",
            }
            connection.execute(sa.update(RUNS).where(RUNS.c.run == run).values(**values))
            connection.execute(
                sa.update(NODES)
                .where(NODES.c.run == run, NODES.c.state.in_(["running", "failed", "cancelled"]))
                .values(state="waiting", note="", why="")
            )
            plan = _plan_of(connection, row.plan)
            return Taken(run, life, plan, from_json(RunOptions, row.options), row.wish)

    def end(self, taken: Taken, controller: str, state: str, reason: str = "", code: str = "") -> None:
        """Say how a life ended, unless it was taken away; ``waiting`` gives the run back for another."""
        with changing(self.engine) as connection:
            row = connection.execute(self._mine(sa.select(RUNS), taken, controller)).one_or_none()
            if row is None:
                return
            if state == "waiting" or (state == "paused" and row.wish == "resume"):
                wish = row.wish if row.wish in WISHES else ""
                self._to_waiting(connection, taken.run, deaths=row.deaths, wish=wish)
                return
            if state == "paused" and row.wish == "cancel":
                state = "cancelled"
            self._close(connection, taken.run, state, reason, code)
            connection.execute(sa.update(RUNS).where(RUNS.c.run == taken.run).values(deaths=0))

    def wishes(self, controller: str) -> dict[str, str]:
        """Return what is wanted of the runs that a controller works on."""
        query = sa.select(RUNS.c.run, RUNS.c.wish).where(
            RUNS.c.state == "running", RUNS.c.owner == controller, RUNS.c.wish.in_(WISHES)
        )
        with reading(self.engine) as connection:
            return {r.run: r.wish for r in connection.execute(query)}

    def note(self, controller: str, events: dict[tuple[str, str], Event]) -> None:
        """Keep the newest event of nodes, of runs that the controller still works on."""
        if not events:
            return
        with changing(self.engine) as connection:
            query = sa.select(RUNS.c.run).where(RUNS.c.state == "running", RUNS.c.owner == controller)
            mine = set(connection.execute(query).scalars())
            rows = [_node_row(run, e) for (run, _), e in events.items() if run in mine]

            def is_news(new: Any) -> Any:
                # A node that this run made before its controller died is found, and stays one that ran.
                return sa.not_(sa.and_(NODES.c.state == "ran", new.state == "cached"))

            if rows:
                upsert(connection, NODES, rows, is_news)

    def working(self) -> set[str]:
        """Return the controllers that should be working on a run."""
        with reading(self.engine) as connection:
            query = sa.select(RUNS.c.owner).where(RUNS.c.state == "running").distinct()
            owners = set(connection.execute(query).scalars())
        return owners | {controller for _, _, controller in self._durable.taken()}

    def take_over(self, dead: set[str], controller: str, busy: set[str]) -> list[str]:
        """Queue anew what dead controllers worked on, and what fell out of the queue.

        Args:
            dead: Controllers that do not live any more.
            controller: The one that does this.
            busy: The runs it works on itself.

        Returns:
            Names of the runs.
        """
        left = [(run, life) for run, life, owner in self._durable.taken() if owner in dead]
        with reading(self.engine) as connection:
            lost = (RUNS.c.state == "running") & RUNS.c.owner.in_([*dead, controller])
            rows = connection.execute(sa.select(RUNS.c.run, RUNS.c.life).where(lost)).all()
            lives = {(r.run, r.life) for r in rows if r.run not in busy}
            queued = connection.execute(sa.select(RUNS.c.run, RUNS.c.life).where(RUNS.c.state == "queued"))
            ended = self._durable.ended((r.run, r.life) for r in queued.all())
        taken = [
            r for r, life in sorted(lives | set(left) | ended) if self._revive(r, life, dead, controller)
        ]
        self._durable.drop(left)
        return taken

    def _revive(self, run: str, life: int, dead: set[str], controller: str) -> bool:
        """Queue a run anew if this is still its life; whoever comes second finds another life."""
        with changing(self.engine) as connection:
            row = connection.execute(sa.select(RUNS).where(RUNS.c.run == run)).one_or_none()
            if row is None or row.life != life or row.state not in ("queued", "running"):
                return False
            if row.state == "running" and row.owner not in (*dead, controller):
                return False
            is_hopeless = row.deaths + 1 >= MAX_DEATHS
            wish = "give up" if is_hopeless and row.wish in ("", "resume") else row.wish
            self._to_waiting(connection, run, deaths=row.deaths + (row.state == "running"), wish=wish)
            return True

    # Inside a transaction

    def _repeat(self, connection: sa.Connection, row: Any, more: Iterable[str]) -> None:
        options = from_json(RunOptions, row.options)
        changed = replace(options, repeat=tuple(sorted({*options.repeat, *more})))
        connection.execute(sa.update(RUNS).where(RUNS.c.run == row.run).values(options=to_json(changed)))
        # What a life before has made of them is not what this one will have made.
        where = (NODES.c.run == row.run) & NODES.c.node.in_(list(more))
        connection.execute(sa.delete(NODES).where(where))

    def _to_waiting(self, connection: sa.Connection, run: str, *, deaths: int, wish: str = "") -> None:
        values = {"state": "waiting", "wish": wish, "owner": "", "reason": "", "code": "", "ended_us": None}
        connection.execute(sa.update(RUNS).where(RUNS.c.run == run).values(deaths=deaths, **values))
        self._free(connection, run)
        self._admit(connection)

    def _close(self, connection: sa.Connection, run: str, state: str, reason: str, code: str) -> None:
        values = {"state": state, "reason": reason, "code": code, "owner": "", "wish": ""}
        connection.execute(sa.update(RUNS).where(RUNS.c.run == run).values(ended_us=_now_us(), **values))
        self._free(connection, run)
        self._admit(connection)

    def _free(self, connection: sa.Connection, run: str) -> None:
        connection.execute(sa.delete(SLOTS).where(SLOTS.c.run == run))

    def _admit(self, connection: sa.Connection) -> None:
        """Queue the runs that limits have room for; a small one may pass a large one that waits."""
        order = (RUNS.c.priority.desc(), RUNS.c.created_us, RUNS.c.run)
        waiting = connection.execute(sa.select(RUNS).where(RUNS.c.state == "waiting").order_by(*order)).all()
        if not waiting:
            return
        most = {r.resource: r.most for r in connection.execute(sa.select(LIMITS))}
        held_query = sa.select(SLOTS.c.resource, sa.func.sum(SLOTS.c.held)).group_by(SLOTS.c.resource)
        held: dict[str, int] = {resource: n for resource, n in connection.execute(held_query)}
        for row in waiting:
            needs = from_json(RunOptions, row.options).needs
            lacking = [r for r, n in needs.items() if r in most and held.get(r, 0) + n > most[r]]
            if lacking:
                words = ", ".join(f"{r} ({held.get(r, 0)} of {most[r]} in use)" for r in sorted(lacking))
                values: dict[str, Any] = {"reason": f"waits for {words}"}
            else:
                for resource, n in needs.items():
                    held[resource] = held.get(resource, 0) + n
                    connection.execute(sa.insert(SLOTS).values(resource=resource, run=row.run, held=n))
                self._durable.enqueue(connection, row.run, row.life + 1, row.priority)
                values = {"state": "queued", "life": row.life + 1, "reason": ""}
            connection.execute(sa.update(RUNS).where(RUNS.c.run == row.run).values(**values))

    def _refuse_what_never_fits(self, connection: sa.Connection, run: str, options: RunOptions) -> None:
        most = {r.resource: r.most for r in connection.execute(sa.select(LIMITS))}
        for resource, n in options.uses.items():
            if n > most.get(resource, n):
                raise UserError(
                    "FLOW087",
                    f"run '{run}' uses {n} of {resource}, and the limit is {most[resource]}.",
                    "let it use less, or raise the limit.",
                )

    def _row(self, connection: sa.Connection, run: str) -> Any:
        row = connection.execute(sa.select(RUNS).where(RUNS.c.run == run)).one_or_none()
        if row is None:
            raise UserError("FLOW083", f"there is no run '{run}'.", "list the runs to see their names.")
        return row

    def _mine(self, query: Any, taken: Taken, controller: str) -> Any:
        return query.where(
            RUNS.c.run == taken.run,
            RUNS.c.life == taken.life,
            RUNS.c.owner == controller,
            RUNS.c.state == "running",
        )


def not_possible(verb: str, row: Any) -> UserError:
    """Make the error for what cannot be asked of a run as it is."""
    return UserError(
        "FLOW084",
        f"run '{row.run}' is {row.state}: it is not possible to {verb} it.",
        "resume what is paused, retry what failed, and fork or rerun what succeeded.",
    )


def _plan_of(connection: sa.Connection, digest: str) -> Plan:
    body = connection.execute(sa.select(PLANS.c.body).where(PLANS.c.digest == digest)).scalar_one()
    return Plan.from_json(zlib.decompress(body))


def _node_row(run: str, event: Event) -> dict[str, Any]:
    return {
        "run": run,
        "node": event.node,
        "state": _SHOWN.get(event.state, event.state.value),
        "why": event.why,
        "attempt": event.attempt,
        "note": event.note,
        "done": event.done,
        "total": event.total,
        "seconds": event.seconds,
    }


def _status(row: Any, nodes: tuple[NodeStatus, ...] = ()) -> RunStatus:
    return RunStatus(
        run=row.run,
        state=RunState(row.state),
        reason=row.reason,
        code=row.code,
        plan=row.plan_name,
        options=from_json(RunOptions, row.options),
        origin=row.origin,
        life=row.life,
        owner=row.owner,
        created_us=row.created_us,
        started_us=row.started_us,
        ended_us=row.ended_us,
        nodes=nodes,
    )


def _now_us() -> int:
    return time.time_ns() // 1000
