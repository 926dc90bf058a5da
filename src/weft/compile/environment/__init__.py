"""Environments: what a project's tasks import, built from its lock and kept by digest."""

from weft.compile.environment.building import (
    Environment,
    build_environment,
    default_cache,
    environment_key,
    environment_python,
)
from weft.compile.environment.lock import LOCKS, TOOL_LOCKS, Lock, find_lock
from weft.compile.environment.locking import REQUIREMENTS_LOCK, lock_project

__all__ = [
    "LOCKS",
    "REQUIREMENTS_LOCK",
    "TOOL_LOCKS",
    "Environment",
    "Lock",
    "build_environment",
    "default_cache",
    "environment_key",
    "environment_python",
    "find_lock",
    "lock_project",
]
