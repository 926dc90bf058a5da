"""Requests to a registry: repeated while it is out of order, with the right of whoever asks."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any, BinaryIO
from urllib.parse import urlencode, urljoin, urlsplit

from weft.core import UnavailableError, UserError
from weft.hub.artifacts.credentials import Credentials

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_MOST_REDIRECTS = 5
_MOST_WAIT_S = 30.0
_MOST_TOKEN_BYTES = 1 << 20
Body = bytes | Callable[[], BinaryIO] | None


@dataclass(frozen=True)
class Patience:
    """How long a registry that does not answer is waited for.

    Attributes:
        tries: How often a request is sent.
        first_wait_s: Pause after the first failure; each further one is twice as long.
        timeout_s: For each answer, and each part of its content.
    """

    tries: int = 5
    first_wait_s: float = 0.5
    timeout_s: float = 60.0

    def wait(self, failures: int, asked: str | None = None) -> None:
        """Pause after so many failures, at least as long as the registry asked for in seconds."""
        least = float(asked) if asked and asked.isdigit() else 0.0
        time.sleep(min(max(self.first_wait_s * 2 ** (failures - 1), least), _MOST_WAIT_S))


class Answer:
    """What a registry answered: status, headers, and content to be read once."""

    def __init__(self, raw: Any, url: str) -> None:
        self.status: int = raw.status if hasattr(raw, "status") else raw.code
        self.headers: Message = raw.headers
        self.url = url
        self._raw = raw

    def read(self, most: int) -> bytes:
        """Return the content, at most so many bytes."""
        return bytes(self._raw.read(most))

    def close(self) -> None:
        """Let go of the connection."""
        self._raw.close()


class Web:
    """Sends requests to one registry.

    Args:
        base: Scheme and host, such as ``https://registry.example``.
        credentials: Of whoever asks; sent to the registry, and to where it gives out tokens, over TLS or
            within this machine only.
        patience: How long to try.
    """

    def __init__(self, base: str, credentials: Credentials | None, patience: Patience) -> None:
        self.base = base
        self.patience = patience
        self._credentials = credentials if _is_private(base) else None
        self._right = ""
        self._opener = urllib.request.build_opener(_NoRedirect())

    @property
    def host(self) -> str:
        """The registry's host, for messages."""
        return urlsplit(self.base).netloc

    @contextlib.contextmanager
    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        tries: int | None = None,
    ) -> Iterator[Answer]:
        """Yield the answer to a request, which is repeated while the registry is out of order.

        Args:
            method: Such as ``GET``.
            path: From the registry's root, or a whole address that the registry gave.
            headers: Of the request.
            body: Bytes, or what opens a file at the place to read from; called for each try.
            tries: How often it is sent, for a request that may not be repeated.

        Raises:
            UserError: ``APP052`` when the registry does not let this user in.
            UnavailableError: ``APP053`` when it did not answer.
        """
        answer = self._tried(method, urljoin(self.base, path), dict(headers or {}), body, tries)
        try:
            yield answer
        except (OSError, http.client.HTTPException) as error:
            raise self.unreachable(f"the connection broke: {error}") from error
        finally:
            answer.close()

    def unreachable(self, reason: str) -> UnavailableError:
        """Make the error for a registry that did not answer."""
        return UnavailableError(
            "APP053",
            f"{self.host} did not answer: {reason}.",
            "check the address and the network, then try again.",
        )

    def _tried(self, method: str, url: str, headers: dict[str, str], body: Body, tries: int | None) -> Answer:
        reason, asked = "", None
        for failures in range(tries or self.patience.tries):
            if failures:
                self.patience.wait(failures, asked)
            try:
                answer = self._authorized(method, url, headers, body)
            except (OSError, http.client.HTTPException) as error:
                reason, asked = str(getattr(error, "reason", "") or error or type(error).__name__), None
                continue
            if answer.status != 429 and answer.status < 500:
                return answer
            reason, asked = _words(answer.status), answer.headers.get("Retry-After")
            answer.close()
        raise self.unreachable(reason)

    def _authorized(self, method: str, url: str, headers: dict[str, str], body: Body) -> Answer:
        answer = self._once(method, url, headers, body)
        if answer.status == 401:
            challenge = answer.headers.get("WWW-Authenticate", "")
            answer.close()
            self._right = self._ask_right(challenge)
            answer = self._once(method, url, headers, body) if self._right else answer
        if answer.status in (401, 403):
            answer.close()
            raise self._refused(method, url, answer.status)
        return answer

    def _once(self, method: str, url: str, headers: dict[str, str], body: Body) -> Answer:
        for _ in range(_MOST_REDIRECTS):
            if urlsplit(url).scheme not in _schemes(self.base):
                raise UserError(
                    "APP051",
                    f"{self.host} leads to an address without TLS.",
                    "ask whoever keeps the registry to correct it.",
                )
            answer = self._open(method, url, headers, body)
            target = answer.headers.get("Location")
            if answer.status not in (301, 302, 303, 307, 308) or not target or method not in ("GET", "HEAD"):
                return answer
            answer.close()
            url = urljoin(url, target)
        raise http.client.HTTPException("it leads from one address to the next")

    def _open(self, method: str, url: str, headers: dict[str, str], body: Body) -> Answer:
        is_ours = urlsplit(url)[:2] == urlsplit(self.base)[:2]
        rights = {"Authorization": self._right} if self._right and is_ours else {}
        data = body() if callable(body) else body
        try:
            request = urllib.request.Request(url, data, {**headers, **rights}, method=method)
            return Answer(self._opener.open(request, timeout=self.patience.timeout_s), url)
        except urllib.error.HTTPError as error:
            return Answer(error, url)
        finally:
            if data is not None and not isinstance(data, bytes):
                data.close()

    def _ask_right(self, challenge: str) -> str:
        """Return the header that answers a challenge; empty when nothing is known that would."""
        kind, _, rest = challenge.partition(" ")
        fields = dict(_PARAMETER.findall(rest))
        if kind.lower() == "basic":
            return self._credentials.basic if self._credentials else ""
        realm = fields.get("realm", "")
        if kind.lower() != "bearer" or urlsplit(realm).scheme not in _schemes(self.base):
            return ""
        query = urlencode({k: fields[k] for k in ("service", "scope") if k in fields})
        is_private = self._credentials is not None and _is_private(realm)
        rights = {"Authorization": self._credentials.basic} if self._credentials and is_private else {}
        request = urllib.request.Request(f"{realm}{'&' if '?' in realm else '?'}{query}", headers=rights)
        try:
            with self._opener.open(request, timeout=self.patience.timeout_s) as answer:
                given = json.loads(answer.read(_MOST_TOKEN_BYTES))
            token = given.get("token") or given.get("access_token")
        except urllib.error.HTTPError as error:
            error.close()
            if error.code >= 500:
                raise
            return ""
        except ValueError:
            return ""
        return f"Bearer {token}" if token else ""

    def _refused(self, method: str, url: str, status: int) -> UserError:
        doing = "pull from" if method in ("GET", "HEAD") else "push to"
        repository = urlsplit(url).path.removeprefix("/v2/")
        repository = re.split(r"/(?:blobs|manifests|tags)/", repository)[0]
        return UserError(
            "APP052",
            f"{self.host} refuses to {doing} {repository}: {_words(status)}.",
            "set WEFT_REGISTRY_USER and WEFT_REGISTRY_PASSWORD, or log in with docker login.",
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves redirections to `Web`, which never takes a right along to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def is_loopback(host: str) -> bool:
    """Return whether a host, with or without a port, is this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    return name in ("localhost", "::1") or name.startswith("127.")


def _is_private(url: str) -> bool:
    return urlsplit(url).scheme == "https" or is_loopback(urlsplit(url).netloc)


def _schemes(base: str) -> tuple[str, ...]:
    return ("https",) if urlsplit(base).scheme == "https" else ("http", "https")


def _words(status: int) -> str:
    return f"{status} {http.client.responses.get(status, '')}".strip()
