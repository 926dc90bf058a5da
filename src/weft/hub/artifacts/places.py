"""Which place an address means."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from weft.core import UserError
from weft.flow import Store
from weft.hub.artifacts.place import Place
from weft.hub.artifacts.registry import Registry
from weft.hub.artifacts.stored import StorePlace


def open_artifacts(address: str | Path | Store) -> Place:
    """Return where an address says that artifacts are kept.

    Args:
        address: A store or its address, as for `Store`; or ``oci://host/path`` for a registry. It is spoken
            to over TLS, unless it is on this machine or the address begins with ``oci+http://``.

    Raises:
        UserError: ``APP051`` for an address that holds a password or names no host.
    """
    if isinstance(address, Store):
        return StorePlace(address)
    parts = urlsplit(str(address)) if "://" in str(address) else None
    if parts is not None and "@" in parts.netloc:
        raise UserError(
            "APP051",
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} holds a user or password.",
            "leave it out: set WEFT_REGISTRY_USER and WEFT_REGISTRY_PASSWORD, or what the driver reads.",
        )
    if parts is not None and parts.scheme in ("oci", "oci+http"):
        return Registry(parts.netloc, parts.path.strip("/"), is_plain=parts.scheme == "oci+http")
    return StorePlace(Store(address))
