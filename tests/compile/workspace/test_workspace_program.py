"""A workspace as the program of a node: a real server, a cell through its protocol, idle and stop."""

import json
import queue
import stat
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

from weft.compile.workspace import ADDRESS_FILE
from weft.core import Resources, UnavailableError, UserError
from weft.flow import Event, Node, NodeState, Plan, Store, run_plan

pytest.importorskip("jupyter_server", reason="needs the extra jupyter")
LIMITS = Resources(4 * 10**9, 1)


class Serving:
    """A workspace that runs in threads of this process."""

    def __init__(self, folder: Path, *, idle_s: float, timeout_s: float | None = None) -> None:
        self.place = folder / "place"
        self.store = Store(folder / ".weft")
        self.events: list[Event] = []
        project = folder / "project"
        project.mkdir()
        (project / "numbers.txt").write_text("1 2 39")
        node = Node(
            "workspace",
            "weft.compile.workspace:serve",
            parameters={"name": "mine", "idle_s": idle_s, "id": uuid.uuid4().hex},
            hints={"folder": str(project), "place": str(self.place)},
            resources=LIMITS,
            timeout_s=timeout_s,
        )
        self._plan = Plan("workspace mine", (node,))
        self.outcome: queue.SimpleQueue[object] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            result = run_plan(self._plan, self.store, resources=LIMITS, on_event=self.events.append)
            self.outcome.put(result.outputs["workspace"].value)
        except BaseException as error:
            self.outcome.put(error)

    def address(self) -> dict[str, str]:
        """Wait for the address."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            if (self.place / ADDRESS_FILE).exists():
                return json.loads((self.place / ADDRESS_FILE).read_text())
            time.sleep(0.05)
        raise AssertionError(f"no address; {self.events}, {self.outcome.get(timeout=1)}")


def ask(address: dict[str, str], path: str, *, token: str | None = None, data: bytes | None = None):
    """Ask the server's own protocol."""
    headers = {"Authorization": f"token {address['token'] if token is None else token}"}
    request = urllib.request.Request(address["url"] + path, headers=headers, data=data)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def run_cell(address: dict[str, str], code: str) -> str:
    """Start a kernel, run a cell through the websocket as a notebook does, return what it printed."""
    import websocket

    kernel = ask(address, "api/kernels", data=b"{}")["id"]
    url = f"{address['url'].replace('http', 'ws', 1)}api/kernels/{kernel}/channels?token={address['token']}"
    link = websocket.create_connection(url, timeout=60)
    message = {
        "header": {
            "msg_id": "1",
            "msg_type": "execute_request",
            "username": "",
            "session": "s",
            "version": "5",
        },
        "parent_header": {},
        "metadata": {},
        "content": {"code": code, "silent": False},
        "channel": "shell",
    }
    link.send(json.dumps(message))
    printed = ""
    while True:
        got = json.loads(link.recv())
        if got["parent_header"].get("msg_id") != "1":
            continue
        if got["msg_type"] == "error":
            raise AssertionError(got["content"]["evalue"])
        printed += got["content"]["text"] if got["msg_type"] == "stream" else ""
        if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
            link.close()
            return printed


def test_a_cell_runs_in_the_project_with_weft_and_the_limits_at_hand(tmp_path):
    serving = Serving(tmp_path, idle_s=4)
    address = serving.address()
    code = (
        "import os, resource, weft\n"
        "print(sum(map(int, open('numbers.txt').read().split())), len(os.sched_getaffinity(0)),\n"
        "      resource.getrlimit(resource.RLIMIT_DATA)[0], 'JUPYTER_TOKEN' in os.environ)"
    )
    printed = run_cell(address, code).split()
    assert printed[:3] == ["42", "1", str(4 * 10**9)]
    # The kernel stays, nobody asks for anything: it is idle after four seconds.
    ended = serving.outcome.get(timeout=60)
    assert isinstance(ended, dict) and ended["end"] == "idle" and ended["seconds"] > 4
    assert not (serving.place / ADDRESS_FILE).exists()
    with pytest.raises(OSError):
        ask(address, "api/status")


def test_the_token_is_needed_and_stands_in_no_log_and_no_store(tmp_path):
    serving = Serving(tmp_path, idle_s=2)
    address = serving.address()
    assert stat.S_IMODE((serving.place / ADDRESS_FILE).stat().st_mode) == 0o600
    assert address["url"].startswith("http://127.0.0.1:")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask(address, "api/kernels", token="wrong")
    serving.outcome.get(timeout=60)
    kept = [p for p in (tmp_path / ".weft").rglob("*") if p.is_file()]
    assert kept and not [p for p in kept if address["token"].encode() in p.read_bytes()]
    assert address["token"] not in repr(serving.events)


def test_a_cell_at_work_is_not_idle(tmp_path):
    serving = Serving(tmp_path, idle_s=2)
    address = serving.address()
    assert run_cell(address, "import time; time.sleep(7); print('done')").strip() == "done"
    assert isinstance(serving.outcome.get(timeout=60), dict)


def test_a_time_limit_ends_it_with_its_processes(tmp_path):
    serving = Serving(tmp_path, idle_s=0, timeout_s=6)
    address = serving.address()
    error = serving.outcome.get(timeout=60)
    assert isinstance(error, UnavailableError) and error.code == "FLOW008"
    with pytest.raises(OSError):
        ask(address, "api/status")
    assert [e.state for e in serving.events][-1] is NodeState.FAILED


def test_a_server_that_cannot_start_is_told_by_APP060(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "jupyter_server_config.py").write_text("raise SystemExit(3)")
    serving = Serving(tmp_path, idle_s=2)
    error = serving.outcome.get(timeout=60)
    assert isinstance(error, UnavailableError) and error.code == "APP060" and "exit code 3" in str(error)


def test_a_server_that_dies_is_told_by_APP061(tmp_path):
    serving = Serving(tmp_path, idle_s=0)
    address = serving.address()
    with pytest.raises(OSError):  # the answer may not come any more
        while True:
            ask(address, "api/shutdown", data=b"")
    error = serving.outcome.get(timeout=60)
    assert isinstance(error, UnavailableError) and error.code == "APP061" and "exit code 0" in str(error)


def test_without_jupyter_the_extra_is_named(tmp_path, monkeypatch):
    from weft.compile.workspace import server

    monkeypatch.setattr(server.importlib.util, "find_spec", lambda name: None)
    serving = Serving(tmp_path, idle_s=2)
    error = serving.outcome.get(timeout=60)
    assert isinstance(error, UserError) and error.code == "EXT001" and "weft[jupyter]" in str(error)
