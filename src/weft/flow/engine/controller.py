"""A controller: takes runs from the queue, carries them out, takes over those of controllers that died."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from weft.core import InvariantError, Resources, UnavailableError, UserError, WeftError
from weft.flow.backends import Backend
from weft.flow.engine.alive import Absence, Presence, Watchdog
from weft.flow.engine.durable import Durable
from weft.flow.engine.hooks import Hooks
from weft.flow.engine.ledger import MAX_DEATHS, WISHES, Ledger, Taken
from weft.flow.engine.schedules import Clock
from weft.flow.engine.words import RunState
from weft.flow.events import Event, RunResult
from weft.flow.program import Cancelled
from weft.flow.runner import Control, run_plan
from weft.flow.store import Store

_LOG = logging.getLogger("weft.flow.engine")
_BEAT_S = 0.25
_ROUND_S = 1.0
_AGAIN_S = 1.0


def new_controller() -> str:
    """Return a name that no process had before: machine, process, and a number drawn by chance."""
    machine = "".join(c if c.isalnum() else "-" for c in socket.gethostname().lower())[:24]
    return f"{machine}-{os.getpid()}-{secrets.token_hex(4)}"


class Controller:
    """Carries out runs in threads of this process, until it is closed or loses its place.

    Three threads keep it going: one makes sure that its lock is still its own, and stops everything once it
    cannot; one writes down what happens, hears what is wanted of runs, and takes over those of the dead; the
    third fires schedules, whose functions may take their time.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        durable: Durable,
        presence: Presence,
        clock: Clock,
        *,
        store: Store,
        resources: Resources,
        backends: Mapping[str, Backend],
        runs_at_once: int,
        hooks: Hooks,
    ) -> None:
        self.name = name
        self._ledger, self._durable, self._presence, self._clock = ledger, durable, presence, clock
        self._store, self._resources, self._backends = store, resources, backends
        self._runs_at_once, self._hooks = runs_at_once, hooks
        self._stops: dict[str, threading.Event] = {}
        self._events: dict[tuple[str, str], Event] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.lost = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Take the lock, begin to take runs, and return."""
        self._presence.hold()
        try:
            self._durable.start(self.name, self._body, self._runs_at_once)
        except BaseException:
            self._presence.release()
            raise
        for work in (self._watch, self._serve, self._fire):
            thread = threading.Thread(target=work, name=f"weft-{work.__name__.strip('_')}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Stop what runs and give it back for others; wait for the programs to hear that they are to stop."""
        self._closing.set()
        self._clock.closing.set()
        self._stop_all()
        while self._stops:
            time.sleep(0.02)
        for thread in self._threads:
            thread.join()
        self._durable.stop()
        self._presence.release()

    # One run

    def _body(self, run: str, life: int) -> None:
        """Carry out one life of a run; whatever happens, its end is written down or it is taken over."""
        stop = threading.Event()
        self._stops[run] = stop
        try:
            if self._closing.is_set() or self.lost.is_set():
                return  # a life that ends without a beginning is queued anew by another controller
            taken = self._until_it_answers(stop, lambda: self._ledger.begin(run, life, self.name))
            if taken is None:
                return
            state, error = self._carry_out(taken, stop)
            self._until_it_answers(stop, lambda: self._end(taken, state, error))
        finally:
            # The next life may have begun here, between what was written down and now.
            if self._stops.get(run) is stop:
                del self._stops[run]

    def _carry_out(self, taken: Taken, stop: threading.Event) -> tuple[str, WeftError | None]:
        if taken.wish in WISHES:
            if taken.options.backend == "inline":
                return "stopped", None
            stop.set()  # what an earlier life left running on the backend is found, and stopped
        result: RunResult | None = None
        while True:
            try:
                result = self._run(taken, stop)
                self._hooks.succeeded(result)
                return "succeeded", None
            except Cancelled:
                return "stopped", None
            except WeftError as error:
                # Its last controller, on this machine, has not let go of it yet.
                if error.code != "FLOW025" or result is not None:
                    return "failed", error
            except Exception as error:
                _LOG.exception("run %s", taken.run)
                text = f"run '{taken.run}' failed: {error!r}."
                return "failed", InvariantError("FLOW007", text, "report this.")
            if stop.wait(_AGAIN_S):
                return "stopped", None

    def _run(self, taken: Taken, stop: threading.Event) -> RunResult:
        options = taken.options
        more: dict[str, Any] = {}
        if options.backend != "inline":
            more["backend"] = self._backend(options.backend)
        total, n = self._resources, self._runs_at_once
        share = Resources(max(1, total.memory_bytes // n), max(1, total.threads // n), total.gpus)

        def tell(event: Event) -> None:
            with self._lock:
                self._events[taken.run, event.node] = event
            with self._logged():
                self._hooks.event(taken.run, event)

        self._hooks.began(taken.run)
        return run_plan(
            taken.plan,
            self._store,
            resources=total if more else share,
            on_event=tell,
            workers=options.workers,
            targets=options.targets,
            run=taken.run,
            backoff_s=options.backoff_s,
            control=Control(stop, frozenset(options.repeat), is_patient=True),
            **more,
        )

    def _backend(self, name: str) -> Backend:
        if name not in self._backends:
            raise UserError(
                "FLOW089",
                f"controller {self.name} does not know backend '{name}'.",
                f"use {', '.join(sorted([*self._backends, 'inline']))}, or start a controller that does.",
            )
        return self._backends[name]

    def _end(self, taken: Taken, state: str, error: WeftError | None) -> None:
        self._write_events()
        if state == "stopped":
            wish = self._ledger.wishes(self.name).get(taken.run, "")
            state = {"pause": "paused", "cancel": "cancelled", "give up": "failed"}.get(wish, "waiting")
            if wish == "give up":
                text = f"run '{taken.run}': its controller died {MAX_DEATHS} times while it ran."
                error = UnavailableError("FLOW088", text, "see what ends the process, then retry the run.")
        if state != "succeeded":
            with self._logged():
                self._hooks.ended(taken.run, RunState(state), error)
        reason, code = ("", "") if error is None else (str(error).split("\n")[0], error.code)
        self._ledger.end(taken, self.name, state, reason, code)

    def _until_it_answers(self, stop: threading.Event, change: Callable[[], Any]) -> Any:
        """Change the database; while it is full or away, try again until this controller ends."""
        while True:
            try:
                return change()
            except WeftError as error:
                _LOG.warning("%s", error)
                if self._closing.wait(_AGAIN_S) or self.lost.is_set():
                    return None

    # All runs

    def _watch(self) -> None:
        watchdog = Watchdog(self._presence)
        while not self._closing.wait(_BEAT_S):
            if not watchdog.is_sure():
                _LOG.error("controller %s lost its place and stops its runs", self.name)
                self.lost.set()
                self._clock.closing.set()
                self._stop_all()
                self._durable.stop()
                self._presence.release()
                return

    def _serve(self) -> None:
        absence, next_round = Absence(self._presence), 0.0
        while not self._closing.wait(_BEAT_S) and not self.lost.is_set():
            with self._logged():
                self._write_events()
            with self._logged():
                self._heed_wishes()
            if time.monotonic() >= next_round:
                with self._logged():
                    self._adopt(absence)
                next_round = time.monotonic() + _ROUND_S
        with self._logged():
            self._write_events()

    def _fire(self) -> None:
        while not self._closing.wait(_ROUND_S) and not self.lost.is_set():
            with self._logged():
                self._clock.tick()

    def _write_events(self) -> None:
        with self._lock:
            events, self._events = self._events, {}
        try:
            self._ledger.note(self.name, events)
        except BaseException:
            with self._lock:
                self._events = {**events, **self._events}
            raise

    def _heed_wishes(self) -> None:
        if self._stops:
            for run in self._ledger.wishes(self.name):
                if stop := self._stops.get(run):
                    stop.set()

    def _adopt(self, absence: Absence) -> None:
        dead = absence.dead(self._ledger.working() - {self.name, ""})
        for run in self._ledger.take_over(dead, self.name, set(self._stops)):
            _LOG.warning("run %s is queued anew: its controller is gone", run)

    def _stop_all(self) -> None:
        for stop in list(self._stops.values()):
            stop.set()

    @contextlib.contextmanager
    def _logged(self) -> Any:
        """Keep going when the database does not answer for once."""
        try:
            yield
        except WeftError as error:
            _LOG.warning("%s", error)
        except Exception:
            _LOG.exception("controller %s", self.name)
