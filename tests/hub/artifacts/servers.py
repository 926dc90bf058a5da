"""A real registry, and a wire to any server that can be cut."""

import contextlib
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from weft.hub.artifacts import Patience

# Pauses of a millisecond: what is waited for is there, or is not.
SHORT = Patience(tries=4, first_wait_s=0.001, timeout_s=20)
PROGRAM = shutil.which("docker-registry")


@contextlib.contextmanager
def run_registry(folder: Path, auth: str = ""):
    """Run a registry on this machine; yield ``host:port``."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\nlog: {level: info, formatter: text}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        "http: {addr: '127.0.0.1:0', secret: tests}\n" + auth
    )
    command = [PROGRAM, "serve", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if match := re.search(r"listening on (127\.0\.0\.1:\d+)", line):
                break
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        yield match[1]
    finally:
        process.terminate()
        process.wait()
        drain.join()
        process.stderr.close()


class Wire:
    """Forwards connections to a server; a fault is spent on each new connection while there are any.

    A fault is ``500``, ``503``, ``"drop"`` (the connection ends at once) or a number of bytes of the request
    after which it is cut. ``on_bytes`` is called with what goes to the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self.faults: list = []
        self.on_bytes = lambda data: None
        self.seen: list[bytes] = []
        self._target = (host, port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            fault = self.faults.pop(0) if self.faults else None
            threading.Thread(target=self._connect, args=(client, fault), daemon=True).start()

    def _connect(self, client: socket.socket, fault) -> None:
        with client:
            if fault == "drop":
                return
            if fault in (500, 503):
                self._answer(client, fault)
                return
            with socket.create_connection(self._target) as server:
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                self._forward(client, server, fault)
                back.join()

    def _answer(self, client: socket.socket, status: int) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += client.recv(1 << 16)
        length = int((re.search(rb"(?i)content-length: (\d+)", data) or [0, 0])[1])
        have = len(data.split(b"\r\n\r\n", 1)[1])
        if re.search(rb"(?i)expect: 100-continue", data) and not have:
            have = length
        while have < length:
            have += len(client.recv(1 << 16))
        client.sendall(b"HTTP/1.1 %d Out Of Order\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)

    def _forward(self, client: socket.socket, server: socket.socket, limit) -> None:
        sent = 0
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                if not sent:
                    self.seen.append(data.split(b"\r\n", 1)[0])
                if limit is not None and sent + len(data) > limit:
                    server.sendall(data[: limit - sent])
                    break
                sent += len(data)
                server.sendall(data)
                self.on_bytes(data)
        if limit is not None:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR if limit is None else socket.SHUT_RDWR)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
