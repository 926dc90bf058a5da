"""The durable engine underneath: the only place that knows DBOS."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions

from weft.core import UserError
from weft.flow.engine.tables import speaking

_QUEUE = "weft"
_WORKFLOW = "weft.run"
# By default it follows from the code, and a new version of Weft would leave the runs of the old one alone.
_VERSION = "weft-1"
_LOOK_EVERY_S = 0.2
_OVER = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})
_MIDDLE = 1_000_000

# DBOS is one per process, and so is what it runs.
_holder: list[Durable] = []


class Durable:
    """Workflows: one for each life of a run, given to exactly one process.

    A life is one try of a controller at a run. Its workflow is called ``run~life`` and does nothing but call
    the ``body`` that its controller gave to `start`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        _quiet()
        self._engine = engine
        with speaking(engine):
            DBOS.migrate(engine.url.set(drivername=engine.dialect.name).render_as_string(hide_password=False))
            self._client = DBOSClient(system_database_engine=engine, application_name=_QUEUE)
        self._body: Callable[[str, int], None] | None = None

    def enqueue(self, connection: sa.Connection, run: str, life: int, priority: int) -> None:
        """Hand a life to whichever controller takes it, once the transaction ends."""
        options = EnqueueOptions(
            workflow_name=_WORKFLOW,
            queue_name=_QUEUE,
            workflow_id=f"{run}~{life}",
            app_version=_VERSION,
            priority=_MIDDLE - priority,
        )
        self._client.enqueue_in_transaction(connection, options, run, life)

    def taken(self) -> Iterator[tuple[str, int, str]]:
        """Yield run, life and controller of all lives that a controller took and has not ended."""
        with speaking(self._engine):
            found = self._client.list_workflows(
                name=_WORKFLOW, status="PENDING", load_input=False, load_output=False
            )
        for workflow in found:
            run, _, life = workflow.workflow_id.rpartition("~")
            yield run, int(life), workflow.executor_id or ""

    def ended(self, lives: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        """Return those of the lives whose workflows are over."""
        ids = {f"{run}~{life}": (run, life) for run, life in lives}
        if not ids:
            return set()
        with speaking(self._engine):
            found = self._client.list_workflows(
                name=_WORKFLOW, workflow_ids=list(ids), load_input=False, load_output=False
            )
        return {ids[w.workflow_id] for w in found if w.status in _OVER}

    def drop(self, lives: Iterable[tuple[str, int]]) -> None:
        """Take lives that nobody works on any more out of the queue."""
        ids = [f"{run}~{life}" for run, life in lives]
        if ids:
            with speaking(self._engine):
                self._client.cancel_workflows(ids)

    def forget(self, run: str, lives: int) -> None:
        """Remove what is kept of the lives of a run."""
        with speaking(self._engine):
            self._client.delete_workflows([f"{run}~{n}" for n in range(1, lives + 1)])

    def start(self, controller: str, body: Callable[[str, int], None], at_once: int) -> None:
        """Take lives from the queue in this process, and call ``body`` with run and life, each in a thread.

        Raises:
            UserError: ``FLOW085`` when this process has a controller.
        """
        if _holder:
            raise UserError(
                "FLOW085",
                "this process has a controller of runs already.",
                "use that one, close it first, or start another process.",
            )
        _holder.append(self)
        self._body = body
        try:
            with speaking(self._engine):
                self._client.register_queue(
                    _QUEUE, worker_concurrency=at_once, polling_interval_sec=_LOOK_EVERY_S
                )
                DBOS(config=self._config(controller))
                # A controller that dies again and again is counted by the ledger.
                DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=None)(_perform)
                DBOS.launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Take nothing more; what runs is not waited for."""
        if self in _holder:
            DBOS.destroy(destroy_registry=True)
            _holder.remove(self)

    def close(self) -> None:
        """Let go of the database."""
        self.stop()
        self._client.destroy()

    def _config(self, controller: str) -> DBOSConfig:
        return DBOSConfig(
            name=_QUEUE,
            system_database_engine=self._engine,
            application_version=_VERSION,
            executor_id=controller,
            enable_otlp=False,
            log_level="WARNING",
            # Weft keeps its schedules itself, so nobody has to look for others.
            scheduler_polling_interval_sec=3600.0,
        )


def _perform(run: str, life: int) -> str:
    body = _holder[0]._body
    assert body is not None
    body(run, life)
    return "done"


def _quiet() -> None:
    """Let what DBOS has to say reach the logs of the process, and nothing but those."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
