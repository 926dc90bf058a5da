"""The environment variables by which a task's process finds parameters and inputs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from weft.core import UserError


def variable_name(name: str) -> str:
    """Return what stands for a name in an environment variable.

    Example:
        >>> variable_name("learning-rate")
        'LEARNING_RATE'
    """
    return re.sub(r"\W", "_", name).upper()


def check_variables(task: str, names: Iterable[str], what: str) -> None:
    """Refuse names of which a process could not tell one from the other.

    Args:
        task: Name of the task.
        names: Of its parameters, or of its inputs.
        what: Of what they are the names, for the message.

    Raises:
        UserError: ``APP080``.
    """
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(variable_name(name), name)
        if other != name:
            raise UserError(
                "APP080",
                f"task '{task}' has {what} named '{other}' and '{name}', which are one environment variable.",
                "rename one of them: small and capital letters count as the same there, and all signs as _.",
            )
