"""Runs as events of OpenLineage 2-0-2, for other tools to read."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from weft.core import WeftError
from weft.flow import Event, Node, Output, Plan, RunResult
from weft.hub.sink import Sink
from weft.version import __version__

SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs"
PRODUCER = f"urn:weft:{__version__}"
_FACETS = "https://openlineage.io/spec/facets"


@dataclass(frozen=True)
class Subject:
    """What an event is about.

    Attributes:
        plan: That is run.
        namespace: Of job and data sets; the project.
        targets: Nodes that are wanted; the last ones when left out.
        run: Name of the run, where it has one.
        description: The job in words, such as the query.
        id: Of the run, a UUID.
    """

    plan: Plan
    namespace: str
    targets: tuple[str, ...] | None = None
    run: str = ""
    description: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that are needed."""
        return self.plan.order if self.targets is None else self.plan.needed_for(self.targets)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The nodes whose outputs are the run's: the targets, else those that nothing follows."""
        if self.targets is not None:
            return self.targets
        used = {source for node in self.nodes for source in node.inputs.values()}
        return tuple(node.name for node in self.nodes if node.name not in used)


@contextlib.contextmanager
def telling(sink: Sink | None, subject: Subject) -> Iterator[Callable[[RunResult], None]]:
    """Tell a sink that a run starts, and then how it ended; call what is yielded with the result.

    What goes wrong while telling never reaches the run: the sink says so in the log.
    """
    if sink is None:
        yield lambda _: None
        return
    done: list[RunResult] = []
    sink.send(run_event("START", subject))
    try:
        yield done.append
    except BaseException as error:
        is_asked = not isinstance(error, Exception)  # Ctrl-C
        sink.send(run_event("ABORT" if is_asked else "FAIL", subject, error=error))
        raise
    sink.send(run_event("COMPLETE", subject, result=done[0] if done else None))


def run_event(
    kind: str, subject: Subject, *, result: RunResult | None = None, error: BaseException | None = None
) -> dict[str, Any]:
    """Write one event.

    Args:
        kind: ``START``, ``COMPLETE``, ``FAIL`` or ``ABORT``.
        subject: What it is about.
        result: Of a run that completed.
        error: That ended it.
    """
    run_facets = {
        "processing_engine": _facet("1-1-1/ProcessingEngineRunFacet", name="weft", version=__version__),
        "weft_plan": {
            "_producer": PRODUCER,
            "_schemaURL": f"{SPEC}/RunFacet",
            "run": subject.run,
            "nodes": [_told(event) for event in result.events] if result else [n.name for n in subject.nodes],
        },
    }
    if error is not None:
        words = str(error) if isinstance(error, WeftError) else f"{type(error).__name__}: {error}"
        run_facets["errorMessage"] = _facet(
            "1-0-1/ErrorMessageRunFacet", message=words, programmingLanguage="Python"
        )
    job_facets = {
        "jobType": _facet("2-0-3/JobTypeJobFacet", processingType="BATCH", integration="WEFT", jobType="DAG")
    }
    if subject.description:
        job_facets["documentation"] = _facet("1-0-1/DocumentationJobFacet", description=subject.description)
    return {
        "eventType": kind,
        "eventTime": dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z"),
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}/RunEvent",
        "run": {"runId": subject.id, "facets": run_facets},
        "job": {"namespace": subject.namespace, "name": subject.plan.name, "facets": job_facets},
        "inputs": _inputs(subject),
        "outputs": _outputs(subject, result),
    }


def _inputs(subject: Subject) -> list[dict[str, Any]]:
    """Return the content from outside the plan: tables, label tables, sources."""
    found = {name: digest for node in subject.nodes for name, digest in sorted(node.digests.items())}
    return [_dataset(subject, name, digest) for name, digest in found.items()]


def _outputs(subject: Subject, result: RunResult | None) -> list[dict[str, Any]]:
    if result is None:
        return []
    last = {event.node: event for event in result.events}
    made = [result.outputs[name] for name in subject.wanted if name in result.outputs]
    return [_output(subject, output, last.get(output.node)) for output in made]


def _output(subject: Subject, output: Output, event: Event | None) -> dict[str, Any]:
    told = _dataset(subject, f"{subject.plan.name}/{output.node}", output.digest)
    if event is not None and event.rows is not None:
        rows = _facet("1-0-2/OutputStatisticsOutputDatasetFacet", rowCount=event.rows)
        told["outputFacets"] = {"outputStatistics": rows}
    return told


def _dataset(subject: Subject, name: str, digest: str) -> dict[str, Any]:
    version = _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=digest)
    return {"namespace": subject.namespace, "name": name, "facets": {"version": version}}


def _told(event: Event) -> dict[str, Any]:
    return {"name": event.node, "state": event.state.value, "why": event.why, "seconds": event.seconds}


def _facet(schema: str, /, **values: Any) -> dict[str, Any]:
    kind = schema.partition("/")[2]
    return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}/{schema}.json#/$defs/{kind}", **values}
