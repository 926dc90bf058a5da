"""The program of a workspace: serves until it is stopped, or idle for too long."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from weft.compile.workspace.server import Address, JupyterServer
from weft.core import UnavailableError
from weft.flow import Context

ADDRESS_FILE = "address.json"
_LOOK_EVERY_S = 1.0
_SILENT_FOR_S = 60.0


def serve(context: Context) -> dict[str, Any]:
    """Run a Jupyter server until nobody uses it.

    Parameters: ``name``; ``idle_s``, after how many seconds without a request and without a cell that runs it
    ends (0: never). Hints: ``folder``, the project; ``place``, a folder of this machine where the address is
    told in `ADDRESS_FILE` as long as the server answers, readable by its owner only; ``host`` and ``port``.

    Returns:
        ``{"seconds": …, "end": "idle"}``.

    Raises:
        UnavailableError: ``APP060`` when the server does not start, ``APP061`` when it ends by itself.
    """
    hints, began = context.hints, time.monotonic()
    place = Path(hints["place"])
    server = JupyterServer(
        Path(hints["folder"]),
        resources=context.resources,
        runtime=context.scratch / "jupyter",
        log=context.log,
        host=hints.get("host", "127.0.0.1"),
        port=hints.get("port", 0),
    )
    try:
        address = server.wait_ready(context.check)
        _announce(place, address)
        _wait(context, server, float(context.parameters["idle_s"]))
    finally:
        with contextlib.suppress(FileNotFoundError):
            (place / ADDRESS_FILE).unlink()
        server.stop()
    return {"seconds": time.monotonic() - began, "end": "idle"}


def _announce(place: Path, address: Address) -> None:
    place.mkdir(parents=True, exist_ok=True)
    aside = place / f".{ADDRESS_FILE}.{os.getpid()}"
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"url": address.url, "token": address.token, "link": address.link}, file)
    aside.replace(place / ADDRESS_FILE)


def _wait(context: Context, server: JupyterServer, idle_limit_s: float) -> None:
    answered = time.monotonic()
    while True:
        context.check()
        if (code := server.exit_code) is not None:
            raise _lost(context, f"ended with exit code {code}")
        try:
            activity = server.activity()
            answered = time.monotonic()
        except OSError as error:
            if time.monotonic() - answered > _SILENT_FOR_S:
                raise _lost(context, f"has not answered for {_SILENT_FOR_S:g} s: {error}") from error
        else:
            note = f"{activity.num_busy} kernels at work, idle for {activity.idle_s:.0f} s"
            context.progress.update(activity.idle_s, idle_limit_s or None, note)
            if idle_limit_s and not activity.num_busy and activity.idle_s > idle_limit_s:
                return
        time.sleep(_LOOK_EVERY_S)


def _lost(context: Context, what: str) -> UnavailableError:
    return UnavailableError(
        "APP061",
        f"the Jupyter server of workspace '{context.parameters['name']}' {what}.",
        "look into the log of the workspace, then start it again.",
    )
