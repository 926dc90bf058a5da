"""The code version of a node: what its program's result depends on besides its inputs."""

from __future__ import annotations

import functools
from pathlib import Path

from weft.core import digest_file, digest_value
from weft.version import __version__

_ROOT = Path(__file__).parents[1]


@functools.cache
def code_version(*rooms: str) -> str:
    """Return Weft's version and a digest of the source of ``rooms`` and ``core``."""
    digests = {
        str(path.relative_to(_ROOT)): digest_file(path)
        for room in sorted({"core", *rooms})
        for path in sorted((_ROOT / room).rglob("*"))
        if path.suffix in {".py", ".lark", ".so"}
    }
    return f"{__version__}+{digest_value(digests)[:12]}"
