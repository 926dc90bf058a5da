"""Programs that tests send to clusters."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def greet(context):
    say(f"hello {context.parameters.get('name', 'world')}")
    (context.directory / "greeting.txt").write_text("hello")
    return {"secret": len(os.environ.get("TOKEN", ""))}


def fail(context):
    say("before the end")
    raise RuntimeError("the oven is cold")


def wait(context):
    """Write the ids of this process and of a child, then wait for a file that may never come."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    folder = Path(context.parameters["folder"])
    (folder / "pids.tmp").write_text(f"{os.getpid()} {child.pid}")
    (folder / "pids.tmp").rename(folder / "pids")
    say("waiting")
    while not (folder / "go").exists():
        time.sleep(0.02)
    child.kill()
    child.wait()
    return {"waited": True}


def devour(context):
    hoard = []
    while True:
        hoard.append(b"x" * 20_000_000)
        time.sleep(0.01)


def die(context):
    os.kill(os.getpid(), signal.SIGKILL)


def meet(context):
    """Let every worker add its rank at the first one, through a socket at the address that all know."""
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    rank, size, host, port = (os.environ[n] for n in names)
    ranks = _collect(int(size), int(port)) if rank == "0" else _send(rank, host, int(port))
    say(f"worker {rank} of {size}")
    return {"ranks": ranks}


def _collect(size, port):
    found = ["0"]
    with socket.create_server(("", port)) as server:
        while len(found) < size:
            connection, _ = server.accept()
            with connection:
                found.append(connection.recv(16).decode())
    return sorted(found)


def _send(rank, host, port):
    until = time.monotonic() + 30
    while True:
        try:
            with socket.create_connection((host, port), timeout=5) as connection:
                connection.sendall(rank.encode())
            return [rank]
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
