"""What a caller hears of the runs that its controller carries out."""

from __future__ import annotations

from weft.core import WeftError
from weft.flow.engine.words import RunState
from weft.flow.events import Event, RunResult


class Hooks:
    """Called by a controller in the threads of its runs; the methods here do nothing.

    A run whose controller died is begun again by the next, so each call may come more than once for a run.
    What `began` and `succeeded` raise fails the run. What the others raise is logged.
    """

    def began(self, run: str) -> None:
        """Hear that this controller takes a run up."""

    def event(self, run: str, event: Event) -> None:
        """Hear what happened to a node of a run."""

    def succeeded(self, result: RunResult) -> None:
        """Do what belongs to the success of a run; only then it counts as succeeded."""

    def ended(self, run: str, state: RunState, error: WeftError | None) -> None:
        """Hear that this controller lets go of a run that did not succeed.

        Args:
            run: Its name.
            state: ``failed``, ``cancelled``, ``paused``, or ``waiting`` for one that another goes on with.
            error: What made it fail.
        """
