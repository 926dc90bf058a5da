"""Runs in the store: what they used, and from what the next one differs."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from weft.core import UserError, digest_bytes, to_plain
from weft.flow.plan import Plan
from weft.flow.store import Store


def write_run(
    store: Store,
    plan: Plan,
    *,
    run: str,
    is_named: bool,
    state: str,
    started_s: float,
    entries: Mapping[str, Mapping[str, Any]],
    carried: Mapping[str, Mapping[str, Any]],
) -> None:
    """Keep what a run was as the last run of its plan and, if it is named, under ``runs/<run>``.

    Args:
        store: Where it is kept.
        plan: What was run.
        run: Name of the run.
        is_named: Whether the caller gave the name, and so can let go of the run later.
        state: How it ended.
        started_s: When it began, seconds since 1970.
        entries: Node name → state, parts, key and digest of the record.
        carried: Entries of the run before, for nodes that this run did not reach.
    """
    nodes = {name: to_plain(entry) for name, entry in {**carried, **entries}.items()}
    body = {
        "kind": "run",
        "run": run,
        "plan": plan.name,
        "plan_digest": plan.digest,
        "state": state,
        "started_us": int(started_s * 1e6),
        "ended_us": time.time_ns() // 1000,
        "nodes": nodes,
    }
    used = {e["record"] for e in entries.values() if e["record"]}
    digest = store.put_linked(body, used)
    if is_named:
        _sync(store, used)
        store.set_ref(f"runs/{run}", digest)
    store.set_ref(_plan_ref(plan.name), digest)


def _sync(store: Store, records: Iterable[str]) -> None:
    """Force the records of a run to disk, which were written without waiting for it."""
    for digest in records if store.is_local else ():
        with contextlib.suppress(UserError), open(store.local_path(digest), "rb") as file:
            os.fsync(file.fileno())


def last_entries(store: Store, plan: str) -> dict[str, dict[str, Any]]:
    """Return the entries of the last run of the plan of this name; empty when unknown."""
    try:
        digest = store.get_ref(_plan_ref(plan))
        body = store.get_linked(digest) if digest else {}
    except UserError:
        return {}  # only explanations are lost
    nodes: dict[str, dict[str, Any]] = body.get("nodes", {})
    return nodes


def _plan_ref(plan: str) -> str:
    if re.fullmatch(r"[\w.][\w. -]{0,79}", plan) and plan not in (".", ".."):
        return f"plans/{plan}"
    return f"plans/{digest_bytes(plan.encode())}"
