"""Who asks a registry: from two variables, or from what ``docker login`` wrote."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

USER, PASSWORD = "WEFT_REGISTRY_USER", "WEFT_REGISTRY_PASSWORD"


@dataclass(frozen=True)
class Credentials:
    """A user and password, never shown."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of an ``Authorization`` header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def find_credentials(host: str) -> Credentials | None:
    """Return what is known for a registry; ``None`` when nothing is.

    The variables ``WEFT_REGISTRY_USER`` and ``WEFT_REGISTRY_PASSWORD`` come first, then the entry of the host
    in ``config.json`` of ``DOCKER_CONFIG`` or ``~/.docker``.
    """
    if os.environ.get(USER) and os.environ.get(PASSWORD):
        return Credentials(os.environ[USER], os.environ[PASSWORD])
    folder = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    try:
        entries = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))["auths"]
        entry = next(entries[k] for k in (host, f"https://{host}", f"https://{host}/v1/") if k in entries)
        user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None
    return Credentials(user, password) if user else None
