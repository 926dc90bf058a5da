"""The durable engine: runs that outlive the process that asked for them and the one that carries them out."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from weft.core import Resources, UnavailableError, UserError, missing_extra
from weft.flow.backends import Backend
from weft.flow.engine.hooks import Hooks
from weft.flow.engine.words import Firing, RunOptions, RunState, RunStatus, Schedule
from weft.flow.plan import Plan
from weft.flow.repeat import forget_results, keys_of_run, with_followers
from weft.flow.store import Store

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_FAILED = ("failed", "cancelled", "paused")


class Engine:
    """Keeps runs in a database, and carries them out where `start` or `serve` was called.

    Any process that reaches the database may submit runs, watch them and ask for them to stop. Processes that
    called `start` are controllers: each run has one of them, and when it dies another takes the run over.

    Args:
        database_url: ``sqlite:///path`` for one machine, ``postgresql://…`` for many.
        store: Where results are found and kept; controllers of one database share one store.
        resources: What all runs of this controller may use together; by default six tenths of the machine.
        backends: Name → backend, for runs that ask for another than ``inline``; looked up when one does.
        runs_at_once: How many runs each controller carries out at one time.
        hooks: Hears of the runs that this process carries out.

    Raises:
        UserError: ``EXT001`` when the extra ``server`` is not installed, ``FLOW080`` for a wrong URL.
        UnavailableError: ``FLOW081`` when the database does not answer.
    """

    def __init__(
        self,
        database_url: str,
        store: Store,
        *,
        resources: Resources | None = None,
        backends: Mapping[str, Backend] | None = None,
        runs_at_once: int = 4,
        hooks: Hooks | None = None,
    ) -> None:
        try:
            from weft.flow.engine.durable import Durable
            from weft.flow.engine.ledger import Ledger
            from weft.flow.engine.schedules import Clock
            from weft.flow.engine.tables import open_engine
        except ImportError as error:
            raise missing_extra("the engine of durable runs", "dbos", "server") from error
        self.store = store
        self._resources = resources or Resources.of_machine()
        self._backends = {} if backends is None else backends
        self._runs_at_once, self._hooks = runs_at_once, hooks or Hooks()
        self._database = open_engine(database_url)
        self._durable = Durable(self._database)
        self._ledger = Ledger(self._database, self._durable)
        self._clock = Clock(self._ledger)
        self._controller: Any = None

    # Asking for runs

    def submit(self, plan: Plan, *, run: str | None = None, options: RunOptions | None = None) -> str:
        """Ask for a run of a plan, and return its name; it begins when a controller has room for it.

        Asking again for the same run under the same name changes nothing, so whoever does not know whether
        the first call arrived may repeat it.

        Raises:
            UserError: ``FLOW082`` when another run has the name or it cannot be one, ``FLOW087`` when it uses
                more than a limit allows, ``FLOW009`` when options name a node that the plan has not.
            UnavailableError: ``FLOW012`` when the database's disk is full.
        """
        return self._create(plan, run, options or RunOptions(), "")

    def rerun(self, run: str, parameters: Mapping[str, Mapping[str, Any]], *, name: str | None = None) -> str:
        """Ask for a run like another, with other parameters.

        Args:
            run: The run to begin with.
            parameters: Node → the parameters that change.
            name: Name of the new run.
        """
        plan, options = self._ledger.plan(run)
        for node in parameters:
            plan.node(node)
        nodes = tuple(
            replace(n, parameters={**n.parameters, **parameters[n.name]}) if n.name in parameters else n
            for n in plan.nodes
        )
        plan = replace(plan, nodes=nodes)
        return self._create(plan, name, replace(options, repeat=()), f"rerun of {run}")

    def fork(self, run: str, node: str, *, name: str | None = None) -> str:
        """Ask for a run that repeats a node and what follows it, and takes the rest from the store."""
        plan, options = self._ledger.plan(run)
        repeat = tuple(sorted(with_followers(plan, node)))
        return self._create(plan, name, replace(options, repeat=repeat), f"fork of {run} from node {node}")

    def retry(self, run: str, node: str | None = None, *, keys: Mapping[str, str] | None = None) -> None:
        """Let a run that failed, or was stopped, go on: what has no result is tried again.

        Args:
            run: Name of the run.
            node: A node that runs again, with all that follow it, also where they have results.
            keys: Node → key of its result; by default as the run's last life left them in the store.

        Raises:
            UserError: ``FLOW084`` when the run did not fail, ``FLOW009`` when it has no such node.
        """
        repeat = frozenset() if node is None else with_followers(self._ledger.plan(run)[0], node)
        if repeat and self._ledger.state(run).state in _FAILED:
            forget_results(self.store, run, repeat, keys_of_run(self.store, run) if keys is None else keys)
        self._ledger.again(run, _FAILED, "retry", repeat=repeat)

    def cancel(self, run: str) -> None:
        """Ask a run to end; what is finished is kept."""
        self._ledger.wish(run, "cancel", RunState.CANCELLED)

    def pause(self, run: str) -> None:
        """Ask a run to stand still: nodes at work are stopped, and begin again when it goes on."""
        self._ledger.wish(run, "pause", RunState.PAUSED)

    def resume(self, run: str) -> None:
        """Let a run go on that was paused."""
        self._ledger.again(run, ("paused",), "resume")

    def forget(self, run: str) -> None:
        """Remove all that the database knows of a run that is over; the store is not touched."""
        self._ledger.forget(run)

    # Looking at runs

    def status(self, run: str) -> RunStatus:
        """Return how a run and each of its nodes are."""
        return self._ledger.status(run)

    def list(
        self, *, states: Iterable[RunState] | None = None, project: str | None = None
    ) -> Sequence[RunStatus]:
        """Return all runs, the newest first, without their nodes."""
        return self._ledger.runs(states, project)

    def wait(self, run: str, *, timeout_s: float | None = None) -> RunStatus:
        """Wait until a run is over or paused, or the time is up, and return how it is then."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause_s, waiting = 0.05, threading.Event()
        while self._ledger.state(run).state.is_open:
            if deadline is not None and time.monotonic() >= deadline:
                break
            waiting.wait(pause_s)
            pause_s = min(pause_s * 1.5, 1.0)
        return self.status(run)

    # Limits and schedules

    def set_limit(self, resource: str, most: int | None) -> None:
        """Let runs use at most ``most`` of a named resource together; ``None`` takes the limit away."""
        self._ledger.set_limit(resource, _checked(resource, most))

    def set_project_limit(self, project: str, most: int | None) -> None:
        """Let at most ``most`` runs of a project go on at one time; ``None`` takes the limit away."""
        self._ledger.set_limit(f"project {project}", _checked(project, most))

    def limits(self) -> dict[str, int]:
        """Return all limits: resource, or ``project`` and its name → the most of it."""
        return self._ledger.limits()

    def held(self) -> dict[str, int]:
        """Return how much is in use, by the same names as `limits`."""
        held: dict[str, int] = {}
        for run in self.list(states=(RunState.QUEUED, RunState.RUNNING)):
            for what, n in run.options.needs.items():
                held[what] = held.get(what, 0) + n
        return held

    def schedule(self, schedule: Schedule) -> None:
        """Keep a schedule, in the place of one of the same name.

        Raises:
            UserError: ``FLOW086`` for a schedule that is not possible.
        """
        self._clock.add(schedule)

    def schedules(self) -> dict[str, tuple[Schedule, int]]:
        """Return all schedules by name, with the time of their next firing or look, in microseconds."""
        return self._clock.schedules()

    def unschedule(self, name: str) -> None:
        """Remove a schedule; runs that it started go on."""
        self._clock.remove(name)

    def pause_schedule(self, name: str) -> None:
        """Let a schedule stand still: it neither fires nor looks."""
        self._clock.pause(name, True)

    def resume_schedule(self, name: str) -> None:
        """Let a schedule go on with the next of its times; those that passed meanwhile are not missed."""
        self._clock.pause(name, False)

    def firings(self, name: str) -> Sequence[Firing]:
        """Return what became of a schedule's times, the newest first, missed ones among them."""
        return self._clock.firings(name)

    def changed(self, name: str, digest: str) -> str:
        """Tell a schedule the digest of its data; return the run that starts, empty for a known digest."""
        return self._clock.changed(name, digest)

    # Carrying out runs

    def start(self) -> None:
        """Make this process a controller, and return; `close` ends that.

        Raises:
            UserError: ``FLOW085`` when it is one already.
        """
        from weft.flow.engine.alive import presence_of
        from weft.flow.engine.controller import Controller, new_controller

        name = new_controller()
        controller = Controller(
            name,
            self._ledger,
            self._durable,
            presence_of(self._database, name),
            self._clock,
            store=self.store,
            resources=self._resources,
            backends=self._backends,
            runs_at_once=self._runs_at_once,
            hooks=self._hooks,
        )
        controller.start()
        self._controller = controller

    def serve(self, *, until: Callable[[], bool] | None = None) -> None:
        """Be a controller until Ctrl-C.

        Args:
            until: Asked twice a second; ends it by saying yes.

        Raises:
            UnavailableError: ``FLOW085`` when the database did not answer for so long that other controllers
                have taken the runs over.
        """
        self.start()
        while not self._controller.lost.wait(0.5):
            if until is not None and until():
                self.close()
                return
        self.close()
        raise UnavailableError(
            "FLOW085",
            "this controller lost its place: it could not make sure in time that its runs were its own.",
            "see that the database answers, then start it again: its runs are with others, or wait.",
        )

    def close(self) -> None:
        """Give back what this process works on, and let go of the database."""
        controller, self._controller = self._controller, None
        if controller is not None:
            controller.close()
        self._durable.close()
        self._database.dispose()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _create(self, plan: Plan, run: str | None, options: RunOptions, origin: str) -> str:
        from weft.flow.engine.tables import changing

        name = _new_name() if run is None else run
        if not _NAME.fullmatch(name):
            raise UserError(
                "FLOW082",
                f"'{name}' cannot be the name of a run.",
                "use letters, digits, dashes, points and underscores, at most 100.",
            )
        plan.needed_for([*(options.targets or ()), *options.repeat])
        with changing(self._database) as connection:
            if self._ledger.create(connection, name, plan, options, origin):
                return name
        there, how = self._ledger.plan(name)
        if (there.digest, how) != (plan.digest, options):
            raise UserError(
                "FLOW082",
                f"there is another run named '{name}'.",
                "give this one another name, or none.",
            )
        return name


def _checked(what: str, most: int | None) -> int | None:
    if most is not None and most < 0:
        raise UserError("FLOW087", f"the limit of {what} is {most}.", "give 0 or more, or none.")
    return most


def _new_name() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
