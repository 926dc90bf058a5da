"""Which controllers are alive: locks that end with their holder, and no clock of another machine."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from weft.core import WeftError
from weft.flow.engine.tables import LOCK_CLASS, reading, speaking
from weft.flow.locks import FileLock

_ANSWER_WITHIN_S = 4


class Presence(Protocol):
    """A lock that says that its holder is alive.

    Attributes:
        grace_s: How long a lock has to be seen free before its holder counts as dead.
    """

    grace_s: float

    def hold(self) -> None:
        """Take the lock of this process."""

    def is_held(self) -> bool:
        """Look now whether the lock is still this process's own."""

    def absent(self, controllers: Iterable[str]) -> set[str]:
        """Return those whose lock is free."""

    def release(self) -> None:
        """Let go of the lock."""


def presence_of(engine: sa.Engine, controller: str) -> Presence:
    """Return the kind of lock that fits the database."""
    if engine.dialect.name == "sqlite":
        return FilePresence(Path(f"{engine.url.database}-controllers"), controller)
    return ServerPresence(engine.url, controller)


class FilePresence:
    """A locked file beside a SQLite database: the kernel of this machine lets go when its holder dies."""

    grace_s = 0.0

    def __init__(self, folder: Path, controller: str) -> None:
        self._folder = folder
        self._lock = FileLock(folder / controller, f"process {os.getpid()}")

    def hold(self) -> None:
        """Take the lock; its name is new, so nobody has it."""
        self._lock.acquire()

    def is_held(self) -> bool:
        """Look whether the file is still the one that was locked."""
        return self._lock.is_current()

    def absent(self, controllers: Iterable[str]) -> set[str]:
        """Return those whose lock could be taken, and leaves it free."""
        return {name for name in controllers if self._is_free(name)}

    def release(self) -> None:
        """Let go, and remove the file."""
        self._lock.release()

    def _is_free(self, controller: str) -> bool:
        lock = FileLock(self._folder / controller)
        if not lock.try_acquire():
            return False
        lock.release()
        return True


class ServerPresence:
    """A lock of a PostgreSQL session: the server lets go when the connection of its holder ends.

    It needs a connection of its own for as long as the process lives, so it does not work through a pooler
    that shares connections between transactions.
    """

    grace_s = 3.0

    def __init__(self, url: sa.URL, controller: str) -> None:
        arguments = {
            "application_name": f"weft {controller}"[:63],
            "connect_timeout": _ANSWER_WITHIN_S,
            "keepalives_idle": 2,
            "keepalives_interval": 1,
            "keepalives_count": 3,
            "tcp_user_timeout": _ANSWER_WITHIN_S * 1000,
            # The server, too, notices within seconds that the other end is gone.
            "options": "-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3",
        }
        pooling = sa.pool.NullPool
        self._engine = sa.create_engine(url, connect_args=arguments, poolclass=pooling)
        self._number = _number(controller)
        self._connection: sa.Connection | None = None

    def hold(self) -> None:
        """Take the lock on a new connection."""
        with speaking(self._engine):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if connection.execute(sa.select(sa.func.pg_try_advisory_lock(LOCK_CLASS, self._number))).scalar():
                self._connection = connection
            else:
                connection.close()

    def is_held(self) -> bool:
        """Ask on the connection that holds the lock, and take it anew if that is gone."""
        try:
            if self._connection is None:
                self.hold()
            elif self._connection.execute(sa.text("SELECT 1")).scalar() == 1:
                return True
        except (sa.exc.SQLAlchemyError, WeftError):
            self.release()
            return False
        return self._connection is not None

    def absent(self, controllers: Iterable[str]) -> set[str]:
        """Return those whose lock no session holds."""
        query = sa.text(
            "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = :lock_class"
            " AND objsubid = 2"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        with reading(self._engine) as connection:
            held = {row[0] for row in connection.execute(query, {"lock_class": LOCK_CLASS})}
        return {name for name in controllers if _number(name) not in held}

    def release(self) -> None:
        """Let go, and end the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()
        self._engine.dispose()


class Watchdog:
    """Knows since when a controller could not make sure that it holds its lock.

    Time is that of this machine since it started, sleep included; no clock that somebody sets is part of it.
    """

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        self._limit_s = max(1.0, presence.grace_s / 2)
        self._seen_s = _uptime_s()

    def is_sure(self) -> bool:
        """Look once; return ``False`` once the lock has been away for too long."""
        asked_s = _uptime_s()
        if self._presence.is_held():
            self._seen_s = asked_s
        return _uptime_s() - self._seen_s < self._limit_s


class Absence:
    """Knows which controllers have been away for their time of grace, on this process's own clock."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        self._since_s: dict[str, float] = {}

    def dead(self, controllers: set[str]) -> set[str]:
        """Look once; return those that count as dead."""
        now_s, absent = time.monotonic(), self._presence.absent(controllers)
        self._since_s = {name: self._since_s.get(name, now_s) for name in absent}
        return {n for n, since_s in self._since_s.items() if now_s - since_s >= self._presence.grace_s}


def _uptime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _number(controller: str) -> int:
    # Nought is the lock of changes. A clash makes a dead controller look alive, never the reverse.
    return 1 + zlib.crc32(controller.encode()) % 0x7FFFFFFE
