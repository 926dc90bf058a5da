"""What an environment depends on besides its lock: this Python and this platform."""

from __future__ import annotations

import platform
import sys
import sysconfig
from functools import cache


@cache
def python_version() -> str:
    """Return the version of the Python that runs, such as ``3.11.7``."""
    return platform.python_version()


@cache
def describe_machine() -> dict[str, str]:
    """Return what tells the environments of two Pythons or platforms apart."""
    return {
        "python": python_version(),
        "implementation": sys.implementation.cache_tag or sys.implementation.name,
        "platform": sysconfig.get_platform(),
        "libc": "-".join(platform.libc_ver()),
        "prefix": sys.base_prefix,
    }
