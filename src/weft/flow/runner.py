"""The coordinator: decides what of a plan runs next, wherever it runs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from weft.core import Resources, UserError, WeftError
from weft.flow.attempt import Ending, Job
from weft.flow.backends.base import Backend
from weft.flow.backends.slots import checked_needs
from weft.flow.events import Event, NodeState, Output, RunResult
from weft.flow.explain import LOST, explain_hit, explain_miss
from weft.flow.frontier import Frontier
from weft.flow.growth import SELF, grow, is_grown
from weft.flow.journal import last_entries, write_run
from weft.flow.launch import BackendLauncher, Launcher, ThreadLauncher
from weft.flow.needs import Reading, estimate_needs
from weft.flow.plan import Node, Plan
from weft.flow.program import Cancelled
from weft.flow.record import Found, Parts, Record, look_up
from weft.flow.share import divide
from weft.flow.store import Store


@dataclass(frozen=True)
class Control:
    """What somebody outside wants of a run.

    Attributes:
        stop: When it is set, what runs is asked to stop; what finishes all the same is kept.
        repeat: Names of nodes that run even if the store holds their results, unless this run made those.
        is_patient: Whether a backend that has not answered yet is asked again for some minutes.
    """

    stop: threading.Event | None = None
    repeat: frozenset[str] = frozenset()
    is_patient: bool = False


@dataclass(frozen=True)
class _Miss:
    node: Node
    parts: Parts
    key: str
    why: str
    needs: Resources | None


def run_plan(
    plan: Plan,
    store: Store,
    *,
    resources: Resources,
    on_event: Callable[[Event], None] | None = None,
    workers: int | None = None,
    targets: Iterable[str] | None = None,
    run: str | None = None,
    backoff_s: float = 0.5,
    control: Control | None = None,
    backend: Backend | None = None,
) -> RunResult:
    """Run the nodes of a plan whose results the store does not hold.

    Nodes that do not wait for each other run side by side. When one fails, those that do not need it still
    finish. After Ctrl-C or a kill the next call repeats no finished node.

    Args:
        plan: What to run.
        store: Where results are found and kept.
        resources: What all nodes that run at one time may use together. On a backend, which counts what its
            machines have, only nodes that ask for nothing divide it.
        on_event: Called in this thread with everything that happens.
        workers: How many nodes run at one time; by default the number of threads, on a backend 256.
        targets: Names of the nodes that are wanted; by default all.
        run: Name of the run, unique in the store, which then keeps what it used as ``runs/<run>``.
        backoff_s: Pause before the first retry of a node; doubles with each.
        control: How the run is stopped from outside, and which nodes it repeats.
        backend: Where nodes run, by default threads of this process. The same ``run`` adopts what runs there.

    Raises:
        WeftError: What a program raised; ``FLOW007`` around anything else; ``FLOW025`` for a run under way.
        Cancelled: ``control`` said to stop.
    """
    nodes = plan.order if targets is None else plan.needed_for(targets)
    told = _Told(resources, workers, on_event, run, backoff_s, control or Control(), backend)
    coordinator = _Coordinator(plan, nodes, store, told)
    with store.lease(coordinator.run, f"process {os.getpid()}"):
        return coordinator.run_all()


@dataclass(frozen=True)
class _Told:
    """What the caller of `run_plan` wants."""

    resources: Resources
    workers: int | None
    on_event: Callable[[Event], None] | None
    run: str | None
    backoff_s: float
    control: Control
    backend: Backend | None


_MOST_ON_BACKEND = 256
_REPEATED = "asked to repeat it"


class _Coordinator:
    """Decides in one thread what runs next; a launcher runs it, and says what happened."""

    def __init__(self, plan: Plan, nodes: tuple[Node, ...], store: Store, told: _Told) -> None:
        self._plan, self._nodes, self._store, self._told = plan, list(nodes), store, told
        self.run = told.run if told.run is not None else _new_name()
        threads = told.resources.threads
        self._workers = max(1, threads if told.workers is None else told.workers)
        is_counted_here = told.backend is None or told.workers is not None
        self._most = self._workers if is_counted_here else max(self._workers, _MOST_ON_BACKEND)
        self._on_event, self._control = told.on_event, told.control
        self._frontier = Frontier()
        self._frontier.add(nodes, ())
        self._misses: list[_Miss] = []
        self._running: dict[str, Job] = {}
        self._outputs: dict[str, Output] = {}
        self._records: dict[str, str] = {}
        self._grown: dict[str, list[Node]] = {}
        self._depths: dict[str, int] = {}
        self._errors: dict[str, BaseException] = {}
        self._last: dict[str, Event] = {}
        self._entries: dict[str, dict[str, Any]] = {}
        self._previous: dict[str, dict[str, Any]] | None = None
        self._cancelled = threading.Event()
        self._launcher = self._make_launcher(told.backend)
        self._started = time.time()

    def _make_launcher(self, backend: Backend | None) -> Launcher:
        if backend is None:
            return ThreadLauncher(self._store, self._cancelled)
        is_named = self._told.run is not None
        is_patient = self._told.control.is_patient
        return BackendLauncher(backend, self._store, is_named=is_named, is_patient=is_patient)

    def run_all(self) -> RunResult:
        try:
            self._loop()
        except BaseException as error:
            self._stop()
            # What stopped the run is what the user must see, whether or not it can be kept.
            with contextlib.suppress(WeftError):
                self._write("cancelled" if isinstance(error, KeyboardInterrupt | Cancelled) else "failed")
            raise
        self._end_unreached("an input failed")
        if self._errors:
            with contextlib.suppress(WeftError):
                self._write("failed")
            raise self._first_error()
        self._write("succeeded")
        events = tuple(self._last.values())
        outputs = {name: output for name, output in self._outputs.items() if name in self._last}
        return RunResult(self.run, outputs, events, time.time() - self._started)

    def _loop(self) -> None:
        while True:
            self._look_up_ready()
            self._start_misses()
            if not self._running:
                return
            self._receive(self._launcher.next(self._control.stop))

    def _look_up_ready(self) -> None:
        """Find all nodes whose inputs are there in the store, and the nodes that follow from those."""
        while ready := self._frontier.take_ready():
            for node in ready:
                try:
                    self._look_up(node)
                except WeftError as error:
                    self._fail(node, error)

    def _look_up(self, node: Node) -> None:
        parts = Parts.of(node, self._outputs)
        key = parts.key
        found = look_up(self._store, key)
        if found.record is not None and node.name in self._control.repeat and found.record.run != self.run:
            self._miss(node, parts, key, _REPEATED)
            return
        if found.record is None:
            self._miss(node, parts, key, self._explain(node, parts, found))
            return
        why = explain_hit(key, found.record.run)
        self._finish(node, NodeState.CACHED, why, found.record, found.digest)

    def _miss(self, node: Node, parts: Parts, key: str, why: str) -> None:
        if self._told.backend is None:
            needs = checked_needs(node, self._told.resources)
        else:
            reading = Reading(node.parameters, self._inputs(node), self._told.resources)
            needs = estimate_needs(node, reading)
        self._misses.append(_Miss(node, parts, key, why, needs))

    def _inputs(self, node: Node) -> dict[str, Output]:
        return {label: self._outputs[source] for label, source in node.inputs.items()}

    def _explain(self, node: Node, parts: Parts, found: Found) -> str:
        why = explain_miss(parts, found, self._last_run().get(node.name))
        return _REPEATED if why == LOST and node.name in self._control.repeat else why

    def _last_run(self) -> dict[str, dict[str, Any]]:
        if self._previous is None:
            self._previous = last_entries(self._store, self._plan.name)
        return self._previous

    def _start_misses(self) -> None:
        if len(self._running) >= self._most:
            return
        shares = self._shares()
        starting = [(m, s) for m, s in zip(self._misses, shares, strict=True) if s is not None]
        self._misses = [m for m, s in zip(self._misses, shares, strict=True) if s is None]
        jobs = [self._job(m, s) for m, s in starting]
        if len(jobs) + len(self._running) > 1:
            for job in (*jobs, *self._running.values()):
                job.is_shared = True
        for job in jobs:
            # Counted as running once it is: Ctrl-C in between must not leave something to be waited for.
            self._launcher.start(job)
            self._running[job.node.name] = job

    def _shares(self) -> list[Resources | None]:
        """Return what each node that could start gets, ``None`` where it has to wait."""
        total, jobs = self._told.resources, self._running.values()
        wanted = [m.needs for m in self._misses]
        if self._told.backend is None:
            return divide(total, self._workers, held=[j.share for j in jobs], wanted=wanted)
        # A backend knows its machines, so it gets what nodes ask for as it is; the rest is divided here.
        held = [j.share for j in jobs if j.node.resources is None]
        others = [i for i, need in enumerate(wanted) if need is None]
        given = dict(
            zip(others, divide(total, self._workers, held=held, wanted=[None] * len(others)), strict=True)
        )
        shares, room = [given.get(i, need) for i, need in enumerate(wanted)], self._most - len(jobs)
        for i, share in enumerate(shares):
            if share is not None and (room := room - 1) < 0:
                shares[i] = None
        return shares

    def _job(self, miss: _Miss, share: Resources) -> Job:
        return Job(
            miss.node,
            miss.parts,
            miss.key,
            miss.why,
            self._inputs(miss.node),
            share,
            self.run,
            self._told.backoff_s,
            self._cancelled,
            is_repeated=miss.node.name in self._control.repeat,
            records={label: self._records[source] for label, source in miss.node.inputs.items()},
        )

    def _receive(self, message: Event | Ending) -> None:
        if isinstance(message, Event):
            self._tell(message)
            return
        job = message.job
        self._running.pop(job.node.name, None)
        if message.record is not None:
            self._finish(job.node, message.state, message.why, message.record, message.digest, job.attempt)
        elif message.error is not None:
            self._forget_inputs(job, message.error)
            self._fail(job.node, message.error, job)
        else:
            self._note(job.node.name, message.state.value, job.parts)
            self._tell(Event(job.node.name, message.state, message.why, key=job.key))

    def _finish(
        self, node: Node, state: NodeState, why: str, record: Record, digest: str, attempt: int = 1
    ) -> None:
        stats, key = record.stats, record.parts.key
        self._note(node.name, state.value, record.parts, digest)
        self._tell(
            Event(
                node.name,
                state,
                why,
                seconds=stats.seconds,
                cpu_s=stats.cpu_s,
                peak_bytes=stats.peak_bytes,
                rows=stats.rows,
                attempt=attempt,
                key=key,
            )
        )

        output = record.output(node.name, self._store)
        if is_grown(record.value):
            self._grow(node, output, digest)
        else:
            self._resolve(node.name, output, digest)

    def _grow(self, node: Node, output: Output, digest: str) -> None:
        """Take the nodes of a plan that a node returned into this run."""
        depth = self._depths.get(node.name, 0)
        try:
            nodes, result = grow(node, output.value, depth)
        except UserError as error:
            self._fail(node, error)
            return
        own = f"{node.name}/{SELF}"
        self._outputs[own], self._records[own] = output, digest
        self._nodes.extend(nodes)
        self._depths.update((n.name, depth + 1) for n in nodes)
        self._grown.setdefault(result, []).append(node)
        self._frontier.add(nodes, self._outputs)

    def _resolve(self, name: str, output: Output, digest: str) -> None:
        """Give an output to the nodes that wait for it, also as that of a node that grew it."""
        self._outputs[name], self._records[name] = output, digest
        self._frontier.meet(name)
        for parent in self._grown.pop(name, ()):
            self._resolve(parent.name, dataclasses.replace(output, node=parent.name), digest)

    def _fail(self, node: Node, error: BaseException, job: Job | None = None) -> None:
        self._errors[node.name] = error
        why = str(error).split("\n")[0]
        if job is not None:
            self._note(node.name, "failed", job.parts)
        attempt, key = (job.attempt, job.key) if job else (1, "")
        self._tell(Event(node.name, NodeState.FAILED, why, attempt=attempt, key=key))

    def _forget_inputs(self, job: Job, error: BaseException) -> None:
        """Let the next run make again what a remote store has lost or damaged."""
        is_lost = isinstance(error, UserError) and error.code in ("FLOW010", "FLOW011")
        if is_lost and not self._store.is_local:
            for output in job.inputs.values():
                self._store.delete_ref(f"nodes/{output.key}")

    def _note(self, node: str, state: str, parts: Parts, digest: str = "") -> None:
        self._entries[node] = {"state": state, "parts": parts, "record": digest, "key": parts.key}

    def _tell(self, event: Event) -> None:
        if event.state not in (NodeState.PROGRESS, NodeState.STARTED):
            self._last[event.node] = event
        if self._on_event is not None:
            self._on_event(event)

    def _end_unreached(self, why: str) -> None:
        for node in self._nodes:
            if node.name not in self._last:
                self._tell(Event(node.name, NodeState.CANCELLED, why))

    def _stop(self) -> None:
        """Ask what still runs to stop, and wait for it; what finishes is kept."""
        self._on_event = None if self._on_event is None else self._quietly(self._on_event)
        self._launcher.stop()
        while self._running:
            self._receive(self._launcher.next(None))
        self._end_unreached("interrupted")

    def _quietly(self, on_event: Callable[[Event], None]) -> Callable[[Event], None]:
        """Keep an error of the watcher from hiding the one that stopped the run."""

        def tell(event: Event) -> None:
            try:
                on_event(event)
            except Exception:
                self._on_event = None

        return tell

    def _write(self, state: str) -> None:
        previous = self._last_run()
        names = {n.name for n in self._plan.nodes}
        carried = {n: e for n, e in previous.items() if n.split("/")[0] in names and n not in self._entries}
        write_run(
            self._store,
            self._plan,
            run=self.run,
            is_named=self._told.run is not None,
            state=state,
            started_s=self._started,
            entries=self._entries,
            carried=carried,
        )

    def _first_error(self) -> BaseException:
        error = next(iter(self._errors.values()))
        for other in list(self._errors)[1:]:
            error.add_note(f"node '{other}' failed as well: {self._errors[other]}")
        return error


def _new_name() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
