"""Names of tables, columns and links as parts of paths."""

from __future__ import annotations

from weft.core.digest import digest_bytes

_SAFE = set("-_.() ")
_MOST_BYTES = 200


def path_name(name: str) -> str:
    """Return a name as a file system takes it: what it may refuse is percent-encoded.

    Example:
        >>> path_name("orders.user_id -> users"), path_name("a/b")
        ('orders.user_id -%3E users', 'a%2Fb')
    """
    safe = "".join(c if c.isalnum() or c in _SAFE else _quoted(c) for c in name)
    # A leading dot would hide the file, and file systems end names at 255 bytes.
    safe = "%2E" + safe[1:] if safe.startswith(".") else safe
    return safe if len(safe.encode()) <= _MOST_BYTES else safe[:40] + digest_bytes(name.encode())


def _quoted(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())
