"""Events of OpenLineage: their shape, where they go, and that a run never suffers from them."""

import json
import logging
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jsonschema
import pytest

from weft.core import InvariantError, Resources, UserError
from weft.flow import Node, Plan, Store, run_plan
from weft.hub import FileSink, HttpSink, Subject, open_sink, run_event, telling

# What the specification 2-0-2 asks of a run event and of every facet, in our words.
URI = {"type": "string", "format": "uri", "pattern": r"^[a-z]+:\S+$"}
FACETS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["_producer", "_schemaURL"],
        "properties": {"_producer": URI, "_schemaURL": URI},
    },
}
NAMED = {"namespace": {"type": "string", "minLength": 1}, "name": {"type": "string", "minLength": 1}}
DATASETS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["namespace", "name"],
        "properties": NAMED | {"facets": FACETS, "inputFacets": FACETS, "outputFacets": FACETS},
        "additionalProperties": False,
    },
}
SCHEMA = {
    "type": "object",
    "required": ["eventTime", "producer", "schemaURL", "run", "job"],
    "additionalProperties": False,
    "properties": {
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
        "producer": URI,
        "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
        "run": {
            "type": "object",
            "required": ["runId"],
            "properties": {
                "runId": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
                "facets": FACETS,
            },
        },
        "job": {
            "type": "object",
            "required": ["namespace", "name"],
            "properties": NAMED | {"facets": FACETS},
        },
        "inputs": DATASETS,
        "outputs": DATASETS,
    },
}
PROGRAMS = """
def rows(context):
    context.report(rows=3)
    (context.directory / "f").write_text("x")
def fail(context):
    raise ValueError("no such column")
def stop(context):
    raise KeyboardInterrupt
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    (tmp_path / "told_programs.py").write_text(PROGRAMS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("told_programs", None)


def plan(last="rows"):
    first = Node("rows", "told_programs:rows", digests={"orders": "a" * 64})
    return Plan("daily", (first, Node("report", f"told_programs:{last}", inputs={"rows": "rows"})))


def run_telling(sink, tmp_path, made, **about):
    with telling(sink, Subject(made, "shop", **about)) as told:
        result = run_plan(made, Store(tmp_path / "store"), resources=Resources(10**9, 1))
        told(result)
    return result


def check(events):
    for event in events:
        jsonschema.validate(event, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert len({e["run"]["runId"] for e in events}) == 1
    return [e["eventType"] for e in events]


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class Server:
    """A server on loopback that keeps what is posted and answers as it is told."""

    def __init__(self):
        self.bodies, self.headers, self.answers = [], [], []
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                told.headers.append(dict(self.headers))
                told.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(told.answers.pop(0) if told.answers else 201)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/v1/lineage"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    yield made
    made.close()


def test_a_run_is_told_from_start_to_end(programs, tmp_path):
    path = tmp_path / "events" / "lineage.jsonl"
    result = run_telling(
        open_sink(str(path)), tmp_path, plan(), run="amber-otter-1", description="Daily rows"
    )
    events = read(path)
    assert check(events) == ["START", "COMPLETE"]
    start, end = events
    assert (start["job"]["namespace"], start["job"]["name"]) == ("shop", "daily")
    assert start["job"]["facets"]["documentation"]["description"] == "Daily rows"
    assert start["job"]["facets"]["jobType"]["processingType"] == "BATCH"
    assert [d["name"] for d in start["inputs"]] == ["orders"] and start["outputs"] == []
    assert start["inputs"][0]["facets"]["version"]["datasetVersion"] == "a" * 64
    (output,) = end["outputs"]
    assert output["facets"]["version"]["datasetVersion"] == result.outputs["report"].digest
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 3
    told = end["run"]["facets"]["weft_plan"]
    assert told["run"] == "amber-otter-1" and [n["state"] for n in told["nodes"]] == ["ran", "ran"]


def test_only_what_is_wanted_is_told(programs, tmp_path):
    path = tmp_path / "l.jsonl"
    run_telling(FileSink(path), tmp_path, plan(), targets=("rows",))
    assert [d["name"] for d in read(path)[1]["outputs"]] == ["daily/rows"]


def test_a_run_that_fails_is_told_with_its_error(programs, tmp_path):
    path = tmp_path / "l.jsonl"
    with pytest.raises(InvariantError, match="no such column"):
        run_telling(FileSink(path), tmp_path, plan("fail"))
    events = read(path)
    assert check(events) == ["START", "FAIL"]
    facet = events[1]["run"]["facets"]["errorMessage"]
    assert "no such column" in facet["message"] and facet["programmingLanguage"] == "Python"


def test_a_run_that_is_interrupted_is_told_as_aborted(tmp_path):
    path = tmp_path / "l.jsonl"
    with pytest.raises(KeyboardInterrupt), telling(FileSink(path), Subject(plan(), "shop")):
        raise KeyboardInterrupt
    assert check(read(path)) == ["START", "ABORT"]


def test_events_are_posted(programs, tmp_path, server, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "k3y")
    run_telling(open_sink(server.url), tmp_path, plan())
    assert check(server.bodies) == ["START", "COMPLETE"]
    assert server.headers[0]["Authorization"] == "Bearer k3y"
    assert server.headers[0]["Content-Type"] == "application/json"


def test_a_server_that_is_busy_is_asked_again(server, caplog):
    server.answers = [503, 429, 201]
    HttpSink(server.url, pause_s=0).send(run_event("START", Subject(plan(), "shop")))
    assert len(server.bodies) == 3 and server.bodies[0] == server.bodies[2] and not caplog.records


@pytest.mark.parametrize("answer", [400, 401, 302, 307])
def test_an_event_that_is_refused_is_said_and_the_run_goes_on(programs, tmp_path, server, caplog, answer):
    server.answers = [answer] * 9
    result = run_telling(HttpSink(server.url, pause_s=0), tmp_path, plan())
    assert set(result.states.values()) == {"ran"} and len(server.bodies) == 2
    assert [r.levelno for r in caplog.records] == [logging.WARNING] * 2
    assert (
        f"HUB013: the event START of daily was not kept at {server.url}: it answered {answer}" in caplog.text
    )


def test_a_server_that_is_away_holds_up_a_run_for_a_bounded_time(programs, tmp_path, server, caplog):
    server.close()
    asked = []
    sink = HttpSink(server.url, tries=3, pause_s=0)
    post = sink._post
    sink._post = lambda body: asked.append(1) or post(body)
    assert run_telling(sink, tmp_path, plan()).outputs
    assert len(asked) == 4, "three tries for the first event, one for the next"
    assert caplog.text.count("HUB013") == 2
    server.__init__()


def test_a_server_that_never_answers_is_given_up(caplog, monkeypatch):
    import socket

    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        HttpSink(url, timeout_s=0.05, tries=2, pause_s=0).send(run_event("START", Subject(plan(), "s")))
    assert "timed out" in caplog.text


def test_a_file_that_cannot_be_written_is_said_and_the_run_goes_on(programs, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert run_telling(FileSink(tmp_path / "file" / "l.jsonl"), tmp_path, plan()).outputs
    assert caplog.text.count("HUB013") == 2


MANY = """
import sys
from pathlib import Path
from weft.flow import Node, Plan
from weft.hub import FileSink, Subject, run_event
sink = FileSink(Path(sys.argv[1]))
for i in range(200):
    sink.send(run_event("START", Subject(Plan("p", (Node("n", "m:f"),)), "x" * 3000)))
"""


def test_processes_that_write_one_file_do_not_mix_their_lines(tmp_path):
    path = tmp_path / "l.jsonl"
    processes = [subprocess.Popen([sys.executable, "-c", MANY, str(path)]) for _ in range(3)]
    assert [p.wait(timeout=60) for p in processes] == [0] * 3
    assert len(read(path)) == 600


@pytest.mark.parametrize("target", ["kafka://broker/topic", "https://", "https://ann:hunter2@host/lineage"])
def test_other_places_are_refused_without_telling_a_password(target):
    with pytest.raises(UserError, match="HUB014") as error:
        open_sink(target)
    assert "hunter2" not in str(error.value)


def test_nothing_is_told_where_nobody_listens(programs, tmp_path):
    assert run_telling(None, tmp_path, plan()).outputs
