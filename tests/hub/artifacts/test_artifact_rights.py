"""Rights go to the registry and nowhere else, whatever it answers."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from servers import SHORT

from weft.core import UserError
from weft.hub.artifacts.credentials import Credentials
from weft.hub.artifacts.web import Web

ANN = Credentials("ann", "hunter2")


@contextlib.contextmanager
def serve(answer):
    """Run a server whose ``answer(handler)`` gives status and headers; yield address and what it was sent."""
    seen: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization")))
            status, headers = answer(self)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def guarded(location):
    """Ask for a password, then lead elsewhere."""

    def answer(handler):
        if handler.headers.get("Authorization") is None:
            return 401, {"WWW-Authenticate": 'Basic realm="x"'}
        return 307, {"Location": location}

    return answer


def test_a_redirection_to_another_host_gets_no_right():
    with (
        serve(lambda _: (200, {})) as (storage, fetched),
        serve(guarded(f"{storage}/blob")) as (registry, asked),
        Web(registry, ANN, SHORT).send("GET", "/v2/x/blobs/y") as answer,
    ):
        assert answer.read(10) == b"{}" and answer.url == f"{storage}/blob"
    assert [right is not None for _, right in asked] == [False, True]
    assert fetched == [("/blob", None)]


def test_an_endless_redirection_ends():
    with serve(lambda _: (307, {"Location": "/again"})) as (registry, asked):
        web = Web(registry, None, SHORT)
        with pytest.raises(Exception, match="APP053"), web.send("GET", "/"):
            raise AssertionError
    assert len(asked) == 5 * SHORT.tries


def test_from_tls_nothing_leads_to_plain_text():
    web = Web("https://127.0.0.1:1", ANN, SHORT)
    with pytest.raises(UserError, match="APP051"), web.send("PUT", "http://127.0.0.1:1/upload"):
        raise AssertionError
    assert web._ask_right('Bearer realm="http://127.0.0.1:1/token"') == ""


def test_no_password_goes_in_plain_text_to_another_machine():
    assert Web("http://registry.example", ANN, SHORT)._ask_right('Basic realm="x"') == ""
    assert Web("https://registry.example", ANN, SHORT)._ask_right('Basic realm="x"') == ANN.basic


@pytest.mark.parametrize(
    "challenge", ["", "Digest x", "Bearer", 'Bearer realm="ftp://x"', 'Bearer service="y"']
)
def test_a_challenge_that_nothing_is_known_for_is_refused(challenge):
    with serve(lambda _: (401, {"WWW-Authenticate": challenge})) as (registry, asked):
        web = Web(registry, ANN, SHORT)
        with pytest.raises(UserError, match="APP052"), web.send("GET", "/v2/team/churn/manifests/v1"):
            raise AssertionError
    assert [right for _, right in asked] == [None]


def test_what_is_known_of_somebody_is_never_shown():
    assert "hunter2" not in repr(ANN) and "ann" not in repr(ANN)
