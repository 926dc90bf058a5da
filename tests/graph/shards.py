"""Servers of shards, in threads of this process or in processes of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from weft.graph.service import GraphServer, RemoteStore

SERVE = """
import sys
from weft.graph.service import GraphServer
server = GraphServer(sys.argv[1], port=int(sys.argv[2]))
print(server.location, flush=True)
server.wait()
"""


@contextlib.contextmanager
def served(folders):
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(GraphServer(f)) for f in folders]
        yield stack.enter_context(RemoteStore([s.location for s in servers]))


class Process:
    """A shard in a process of its own."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        command = [sys.executable, "-c", SERVE, str(folder), str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.location = self.process.stdout.readline().strip()

    def end(self, how: int) -> None:
        os.kill(self.process.pid, how)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
