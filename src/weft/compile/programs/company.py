"""Nodes that the processes of one launch work on together: the first runs the plan, the others help."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from weft.core import InvariantError, Resources, UnavailableError, UserError, WeftError
from weft.flow import Context, Node, Output, Store
from weft.flow.beside import run_beside
from weft.learn.networks.company import Company, present_company

_LOOK_EVERY_S = 0.2
# Two networks at one time would take each other's messages for their own.
_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def helped(context: Context, program: str) -> Iterator[None]:
    """Have the other processes of the launch run the same program beside this one; alone, do nothing.

    Raises:
        UnavailableError: ``LEARN056`` after another node that they worked on together has failed.
    """
    company = present_company()
    if company is None or company.rank:
        yield
        return
    while not _one_at_a_time.acquire(timeout=_LOOK_EVERY_S):
        context.check()
    try:
        if company.is_broken:
            raise UnavailableError(
                "LEARN056",
                f"node '{context.node}' has no helpers: one that {company.size} processes worked on failed.",
                "look at the error of that node, and start all processes again.",
            )
        company.tell({"node": _node(context, program), "inputs": _told(context), "share": context.resources})
        company.is_broken = True
        try:
            yield
        except UserError:
            # The others refuse the same.
            company.is_broken = False
            raise
        company.is_broken = False
    finally:
        _one_at_a_time.release()


def _node(context: Context, program: str) -> Node:
    return Node(
        context.node,
        program,
        parameters=context.parameters,
        digests=context.digests,
        hints=context.hints,
        inputs={label: label for label in context.inputs},
    )


def _told(context: Context) -> dict[str, dict[str, Any]]:
    names = ("node", "key", "digest", "value", "files", "size_bytes", "executables", "folders")
    return {
        label: {name: getattr(output, name) for name in names} for label, output in context.inputs.items()
    }


def help_out(company: Company, store: Store) -> str:
    """Help the first process until its run has ended; return the name of the run.

    Raises:
        WeftError: What ended the run, or what went wrong in a node here.
    """
    while True:
        told = company.hear()
        if "error" in told:
            raise told["error"]
        if "run" in told:
            return str(told["run"])
        share: Resources = told["share"]
        inputs = {label: Output(**facts, store=store) for label, facts in told["inputs"].items()}
        with contextlib.suppress(UserError):
            # The first refuses the same, and tells.
            run_beside(told["node"], inputs, store, share, run=f"beside-{company.rank}")


def as_told(error: BaseException) -> BaseException:
    """Return an error that the others can be told."""
    if isinstance(error, WeftError):
        return error
    return InvariantError(
        "LEARN056",
        f"the first process ended: {type(error).__name__}: {error}.",
        "look at what it printed.",
    )
