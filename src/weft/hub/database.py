"""The hub's SQLite file: opened, upgraded, and its faults as coded errors."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from weft.core import UnavailableError, UserError, WeftError

_APPLICATION_ID = 0x57454654  # "WEFT" in a SQLite header
BUSY_TIMEOUT_S = 30.0
# SQLite names a file that cannot grow after the call that failed.
_FULL = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_TRUNCATE")
_ACCESS = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_IOERR")

# Each entry takes a database from the version of its index to the next; never change one that
# was released, add another.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE runs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        name TEXT UNIQUE,
        state TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        ended_us INTEGER,
        query TEXT NOT NULL,
        task TEXT NOT NULL,
        task_type TEXT NOT NULL,
        entity TEXT NOT NULL,
        history TEXT NOT NULL,
        project TEXT NOT NULL,
        plan_digest TEXT NOT NULL,
        parameters TEXT NOT NULL,
        results TEXT NOT NULL DEFAULT '{}',
        report TEXT,
        error TEXT,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        process TEXT NOT NULL
    );
    CREATE INDEX runs_by_plan ON runs (plan_digest);
    CREATE TABLE models (
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        run_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        metrics TEXT NOT NULL,
        tags TEXT NOT NULL,
        PRIMARY KEY (name, version)
    );
    CREATE INDEX models_by_run ON models (run_id);
    CREATE TABLE last_versions (
        name TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL
    );
    CREATE TABLE aliases (
        name TEXT NOT NULL,
        alias TEXT NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (name, alias),
        FOREIGN KEY (name, version) REFERENCES models (name, version) ON DELETE CASCADE
    );
    CREATE TABLE edges (
        made TEXT NOT NULL,
        used TEXT NOT NULL,
        via TEXT NOT NULL,
        run_id TEXT NOT NULL,
        PRIMARY KEY (made, used, via, run_id)
    ) WITHOUT ROWID;
    CREATE INDEX edges_by_used ON edges (used);
    """,
)


class Database:
    """A SQLite file that any number of threads and processes may use at once.

    A connection lives for one transaction, so none is shared between threads or carried through
    a fork.

    Raises:
        UserError: ``FLOW050`` when the file is damaged or no hub's, ``FLOW051`` when a newer Weft
            made it, ``FLOW056`` when it may not be opened or written.
        UnavailableError: ``FLOW052`` when others keep it locked, ``FLOW059`` when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._coded():
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as connection:
            _upgrade(connection, path)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that sees one state of the database throughout."""
        with self._connected() as connection:
            connection.execute("BEGIN")
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection whose changes are kept together at the end, or not at all."""
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._coded():
            connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            with contextlib.closing(connection):
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection

    @contextlib.contextmanager
    def _coded(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
            raise  # a mistake of ours, not of the file
        except (sqlite3.Error, OSError) as error:
            raise _as_coded(error, self.path) from error


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    version = _checked_version(connection, path)
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have upgraded it while this one waited.
    for script in MIGRATIONS[_checked_version(connection, path) :]:
        for statement in script.split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.execute("COMMIT")


def _checked_version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    num_tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if num_tables and owner != _APPLICATION_ID:
        raise _damaged(path, "it is another application's database")
    if version > len(MIGRATIONS):
        raise UserError(
            "FLOW051",
            f"the database {path} has version {version}, and this Weft knows up to {len(MIGRATIONS)}.",
            "install the version of Weft that made it, or a newer one.",
        )
    return version


def _as_coded(error: sqlite3.Error | OSError, path: Path) -> WeftError:
    kind = str(getattr(error, "sqlite_errorname", ""))
    if kind.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return UnavailableError(
            "FLOW052",
            f"the database {path} was locked by another process for {BUSY_TIMEOUT_S:g} s.",
            "wait until that process is done, then try again.",
        )
    if kind.startswith(_FULL) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return UnavailableError(
            "FLOW059",
            f"there is no space left for the database {path}.",
            "free some space, then try again: what is in it is kept.",
        )
    if isinstance(error, OSError) or kind.startswith(_ACCESS):
        return UserError(
            "FLOW056",
            f"the database {path} cannot be opened or written: {error}.",
            "give this user the right to write there, or name another place.",
        )
    return _damaged(path, str(error))


def _damaged(path: Path, why: str) -> UserError:
    return UserError(
        "FLOW050",
        f"the database {path} cannot be used: {why}.",
        "restore it from a copy, or move it away: a new one is made, and what the store holds is kept.",
    )
