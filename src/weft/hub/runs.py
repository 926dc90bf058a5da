"""Runs: begun, ended, found again."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from weft.core import UserError, WeftError
from weft.flow import Store
from weft.hub.database import Connection, Database, Row, matching, only
from weft.hub.names import make_name
from weft.hub.owner import Owner
from weft.hub.records import RunRecord, RunState

_JSON = ("task", "parameters", "results", "error")


class Runs:
    """The part of the hub that remembers runs."""

    _database: Database

    def start_run(
        self,
        *,
        query: str = "",
        task: Mapping[str, Any] | None = None,
        history: str = "",
        project: str = "",
        plan_digest: str = "",
        parameters: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> RunRecord:
        """Begin a run that belongs to this process, and give it a name.

        Args:
            query: Canonical text.
            task: The task as plain JSON; type and entity are read from it.
            history: ``seed_time`` or ``frozen``.
            project: Name of the project.
            plan_digest: Of the Plan that will run.
            parameters: Plain JSON that tells this run from others.
            name: One that nothing else has; made up when left out.
        """
        about = dict(task or {})
        values = {
            "id": secrets.token_hex(6),
            "state": RunState.RUNNING.value,
            "created_us": _now_us(),
            "query": query,
            "task": json.dumps(about),
            "task_type": str(about.get("type", "")),
            "entity": _entity(about),
            "history": str(history),
            "project": project,
            "plan_digest": plan_digest,
            "parameters": json.dumps(dict(parameters or {})),
            **asdict(Owner.of_this_process()),
        }
        with self._database.writing() as connection:
            return _insert(connection, values, name)

    def finish_run(
        self, run: str, *, results: Mapping[str, Any] | None = None, report: str | None = None
    ) -> RunRecord:
        """Mark a run of this process as succeeded, with what it found.

        Raises:
            UserError: ``FLOW057`` when it is not running, or runs in another process.
        """
        return self._end(run, RunState.SUCCEEDED, results=results, report=report)

    def fail_run(
        self, run: str, error: BaseException, *, results: Mapping[str, Any] | None = None
    ) -> RunRecord:
        """Mark a run of this process as failed, or as cancelled when it was interrupted.

        Raises:
            UserError: ``FLOW057`` when it is not running, or runs in another process.
        """
        state = RunState.CANCELLED if isinstance(error, KeyboardInterrupt) else RunState.FAILED
        return self._end(run, state, results=results, error=_error(error))

    def resume_run(self, run: str) -> RunRecord:
        """Take up a run that failed, was cancelled, or whose process died; it is now this process's.

        Raises:
            UserError: ``FLOW057`` when it is still running or has succeeded.
        """
        with self._database.writing() as connection:
            found = _find(connection, run)
            if not found.is_resumable:
                raise _wrong_state(found, "resumed")
            return _taken(connection, found)

    def take_run(self, run: str) -> RunRecord:
        """Make a run this process's, whoever had it; for a caller who alone may work on it, as others know.

        Raises:
            UserError: ``FLOW057`` when it has succeeded.
        """
        with self._database.writing() as connection:
            found = _find(connection, run)
            if found.state is RunState.SUCCEEDED:
                raise _wrong_state(found, "taken up")
            return _taken(connection, found)

    def get_run(self, run: str = "latest") -> RunRecord:
        """Return a run by name, id, number, the beginning of its name or id, or ``latest``.

        Raises:
            UserError: ``FLOW053`` when there is none, ``FLOW054`` when several begin like this.
        """
        with self._database.reading() as connection:
            return _find(connection, run)

    def list_runs(
        self,
        *,
        state: RunState | str | None = None,
        project: str | None = None,
        plan_digest: str | None = None,
        limit: int | None = None,
    ) -> tuple[RunRecord, ...]:
        """Return runs, newest first.

        Args:
            state: Only these; ``interrupted`` are those whose process died.
            project: Only this project's.
            plan_digest: Only those of this Plan.
            limit: At most so many.
        """
        with self._database.reading() as connection:
            wanted = {"project": project, "plan_digest": plan_digest}
            where, values = matching({k: v for k, v in wanted.items() if v is not None})
            rows = connection.execute(f"SELECT * FROM runs{where} ORDER BY number DESC", values).fetchall()
        found = [_run(row) for row in rows]
        kept = [r for r in found if state is None or r.state == state]
        return tuple(kept[:limit])

    def delete_run(self, run: str, *, store: Store | None = None) -> RunRecord:
        """Forget a run and where its results came from.

        Args:
            run: As for `get_run`.
            store: Also let go of what the run used there; the next ``gc`` removes it.

        Raises:
            UserError: ``FLOW057`` when it is still running, ``FLOW058`` when a model is registered
                from it.
        """
        with self._database.writing() as connection:
            found = _find(connection, run)
            if found.state is RunState.RUNNING:
                raise _wrong_state(found, "deleted")
            made = connection.execute("SELECT name, version FROM published WHERE run_id = ?", (found.id,))
            if names := [f"{m['name']}:{m['version']}" for m in made]:
                raise UserError(
                    "FLOW058",
                    f"run {found.name} made what is registered as {', '.join(names)}.",
                    "delete these versions first.",
                )
            connection.execute("DELETE FROM runs WHERE number = ?", (found.number,))
            connection.execute("DELETE FROM edges WHERE run_id = ?", (found.id,))
        if store is not None:
            store.delete_ref(f"runs/{found.name}")
        return found

    def _end(
        self,
        run: str,
        state: RunState,
        *,
        results: Mapping[str, Any] | None = None,
        report: str | None = None,
        error: Mapping[str, str] | None = None,
    ) -> RunRecord:
        with self._database.writing() as connection:
            found = _find(connection, run)
            row = _by_number(connection, found.number)
            owner = Owner(row["host"], row["pid"], row["process"])
            if found.state is not RunState.RUNNING or owner != Owner.of_this_process():
                raise _wrong_state(found, "ended by this process")
            connection.execute(
                "UPDATE runs SET state = ?, ended_us = ?, results = ?, report = ?, error = ? "
                "WHERE number = ?",
                (
                    state.value,
                    _now_us(),
                    json.dumps(dict(results or {})),
                    report,
                    json.dumps(dict(error)) if error else None,
                    found.number,
                ),
            )
            return _run(_by_number(connection, found.number))


def _find(connection: Connection, run: str) -> RunRecord:
    if run == "latest":
        row = connection.execute("SELECT * FROM runs ORDER BY number DESC LIMIT 1").fetchone()
        if row is None:
            raise UserError("FLOW053", "there is no run yet.", "run a query first.")
        return _run(row)
    exact = "SELECT * FROM runs WHERE name = ? OR id = ? OR CAST(number AS TEXT) = ?"
    rows = connection.execute(exact, (run, run, run)).fetchall()
    if not rows and run:
        begins = "SELECT * FROM runs WHERE substr(name, 1, ?) = ? OR substr(id, 1, ?) = ? ORDER BY number"
        rows = connection.execute(begins, (len(run), run, len(run), run)).fetchall()
    if not rows:
        raise UserError("FLOW053", f"there is no run '{run}'.", "list the runs to see their names.")
    if len(rows) > 1:
        names = ", ".join(r["name"] for r in rows[:6]) + (" …" if len(rows) > 6 else "")
        raise UserError(
            "FLOW054", f"'{run}' can mean {len(rows)} runs: {names}.", "write more of the name, or all of it."
        )
    return _run(rows[0])


def _insert(connection: Connection, values: Mapping[str, Any], name: str | None) -> RunRecord:
    names, marks = ", ".join(values), ", ".join("?" for _ in values)
    insert = f"INSERT INTO runs ({names}) VALUES ({marks}) RETURNING number"
    number = only(connection.execute(insert, tuple(values.values())))["number"]
    given = make_name(number) if name is None else name
    connection.execute("UPDATE runs SET name = ? WHERE number = ?", (given, number))
    return _run(_by_number(connection, number))


def _taken(connection: Connection, run: RunRecord) -> RunRecord:
    """Let a run go on as one of this process."""
    connection.execute(
        "UPDATE runs SET state = ?, ended_us = NULL, error = NULL, host = ?, pid = ?, process = ? "
        "WHERE number = ?",
        (RunState.RUNNING.value, *asdict(Owner.of_this_process()).values(), run.number),
    )
    return _run(_by_number(connection, run.number))


def _by_number(connection: Connection, number: int) -> Row:
    return only(connection.execute("SELECT * FROM runs WHERE number = ?", (number,)))


def _run(row: Row) -> RunRecord:
    values = dict(row)
    owner = Owner(values["host"], values["pid"], values.pop("process"))
    values |= {name: json.loads(values[name]) for name in _JSON if values[name] is not None}
    state = RunState(values.pop("state"))
    if state is RunState.RUNNING and owner.is_dead:
        state = RunState.INTERRUPTED
    return RunRecord(state=state, **values)


def _entity(task: Mapping[str, Any]) -> str:
    return ".".join(str(task[k]) for k in ("entity_table", "entity_column") if task.get(k))


def _error(error: BaseException) -> dict[str, str]:
    if isinstance(error, WeftError):
        return {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, KeyboardInterrupt):
        return {"code": "", "message": "interrupted", "hint": "run the same again to go on."}
    return {"code": "", "message": f"{type(error).__name__}: {error}", "hint": ""}


def _wrong_state(run: RunRecord, what: str) -> UserError:
    return UserError(
        "FLOW057",
        f"run {run.name} is {run.state} (process {run.pid} on {run.host}), so it cannot be {what}.",
        "wait for it to end, or name another run.",
    )


def _now_us() -> int:
    return time.time_ns() // 1000
