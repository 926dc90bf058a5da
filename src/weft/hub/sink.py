"""Where events go: a file of one JSON object per line, or a URL that takes them by POST."""

from __future__ import annotations

import fcntl
import http.client
import json
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from weft.core import UserError

_LOG = logging.getLogger("weft.hub")
_KEY = "OPENLINEAGE_API_KEY"
_BUSY = {408, 425, 429}


class Sink(Protocol):
    """Takes events; never raises, and says in the log what it could not keep."""

    def send(self, event: Mapping[str, Any]) -> None:
        """Keep one event."""


def open_sink(target: str) -> Sink:
    """Open the place that events go to.

    Args:
        target: A path, or a URL that begins with http:// or https://. A key for it stands in the environment
            variable ``OPENLINEAGE_API_KEY``, never in the URL.

    Raises:
        UserError: ``HUB014`` for any other address.
    """
    scheme, separator, rest = target.partition("://")
    if not separator or scheme == "file":
        return FileSink(Path(rest or target))
    if scheme in ("http", "https") and urlsplit(target).hostname and "@" not in urlsplit(target).netloc:
        return HttpSink(target)
    raise UserError(
        "HUB014",
        f"events cannot be sent to {scheme}://{rest.rpartition('@')[2]}.",
        f"name a file or an http:// or https:// address; a key belongs into {_KEY}.",
    )


class FileSink:
    """A file to which every event is appended as one line, also by several processes at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def send(self, event: Mapping[str, Any]) -> None:
        """Append one event."""
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.write(line)
        except OSError as error:
            _say(event, str(self.path), str(error.strerror or error))


class HttpSink:
    """A URL that takes each event by POST; tried again while the server is busy or away.

    Args:
        url: Of the endpoint, such as ``http://lineage.example/api/v1/lineage``.
        timeout_s: That one try may take.
        tries: Before an event is given up; once one was, each later event has one.
        pause_s: Before the second try; doubles with each.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0, tries: int = 3, pause_s: float = 0.25) -> None:
        self.url = url
        self._timeout_s, self._tries, self._pause_s = timeout_s, tries, pause_s
        self._opener = urllib.request.build_opener(_NoRedirect)

    def send(self, event: Mapping[str, Any]) -> None:
        """Post one event."""
        why = ""
        for attempt in range(self._tries):
            if attempt:
                time.sleep(self._pause_s * 2 ** (attempt - 1))
            why, is_lasting = self._post(json.dumps(event).encode())
            if not why:
                return
            if is_lasting:
                break
        self._tries = 1  # a server that is away holds up the rest of the run no longer
        _say(event, self.url, why)

    def _post(self, body: bytes) -> tuple[str, bool]:
        """Try once; return what went wrong, and whether it would again."""
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(_KEY):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout_s):
                return "", False
        except urllib.error.HTTPError as error:
            error.close()
            return f"it answered {error.code}", error.code < 500 and error.code not in _BUSY
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"{getattr(error, 'reason', None) or error or type(error).__name__}", False


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: it would turn the POST into a GET, and nothing would be kept."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request."""


def _say(event: Mapping[str, Any], place: str, why: str) -> None:
    _LOG.warning(
        "%s: the event %s of %s was not kept at %s: %s. The run goes on.",
        "HUB013",
        event["eventType"],
        event["job"]["name"],
        place,
        why,
    )
