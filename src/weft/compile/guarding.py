"""How a command is run so that nothing of it outlives whoever asked for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

_GUARD = Path(__file__).with_name("guard.py")


def guarded(command: Sequence[str], *, grace_s: float, held: Sequence[int] = ()) -> list[str]:
    """Return a command with the guard before it; its standard input is to be a pipe of the caller.

    Args:
        command: Program and arguments; no shell sees them.
        grace_s: How long its tree has to end by itself when the pipe is closed, or its owner dies.
        held: Open files that are inherited and stay open until nothing of the tree is left.
    """
    own = [str(_GUARD), str(grace_s), ",".join(map(str, held))]
    return [sys.executable, "-I", "-S", *own, *command]
