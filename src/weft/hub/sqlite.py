"""The hub's SQLite file: opened, upgraded, and its faults as coded errors."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from weft.core import UnavailableError, UserError, WeftError
from weft.hub import migrations
from weft.hub.database import Row, damaged, run_script, too_new, transaction

_APPLICATION_ID = 0x57454654  # "WEFT" in a SQLite header
BUSY_TIMEOUT_S = 30.0
# SQLite names a file that cannot grow after the call that failed.
_FULL = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_TRUNCATE")
_ACCESS = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_IOERR")


class SqliteDatabase:
    """A SQLite file, see `weft.hub.database.Database`.

    Raises:
        UserError: ``FLOW050`` when the file is damaged or no hub's, ``FLOW051`` when a newer Weft
            made it, ``FLOW056`` when it may not be opened or written.
        UnavailableError: ``FLOW052`` when others keep it locked, ``FLOW059`` when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)
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
        with self._connected() as connection, transaction(connection, "BEGIN IMMEDIATE"):
            yield connection

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._coded():
            connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            with contextlib.closing(connection):
                connection.row_factory = _row
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


def _row(cursor: sqlite3.Cursor, values: tuple[object, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    version = _checked_version(connection, path)
    if version == len(migrations.MIGRATIONS):
        return
    with transaction(connection, "BEGIN IMMEDIATE"):
        # Another process may have upgraded it while this one waited.
        for script in migrations.MIGRATIONS[_checked_version(connection, path) :]:
            run_script(connection, script)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations.MIGRATIONS)}")


def _checked_version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()["user_version"])
    owner = int(connection.execute("PRAGMA application_id").fetchone()["application_id"])
    num_tables = connection.execute("SELECT count(*) AS found FROM sqlite_master").fetchone()["found"]
    if num_tables and owner != _APPLICATION_ID:
        raise damaged(str(path), "it is another application's database")
    if version > len(migrations.MIGRATIONS):
        raise too_new(str(path), version, len(migrations.MIGRATIONS))
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
    return damaged(str(path), str(error))
