"""The hub in a schema of a PostgreSQL database: opened, upgraded, and its faults as coded errors."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from weft.core import UnavailableError, UserError, WeftError, missing_extra
from weft.hub import migrations
from weft.hub.database import Cursor, damaged, run_script, too_new, transaction

SCHEMA = "weft_hub"
LOCK_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 10
_LOCK = 0x57454654  # "WEFT": writers of a hub take turns, as those of a SQLite file do
_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_TRANSLATIONS = (
    (re.compile(r"INTEGER PRIMARY KEY AUTOINCREMENT"), "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    (re.compile(r"\bINTEGER\b"), "BIGINT"),
    # Names are in the order of their code points wherever the database is.
    (re.compile(r"\bTEXT\b"), 'TEXT COLLATE "C"'),
    (re.compile(r"\) WITHOUT ROWID"), ")"),
)
_FULL = ("53100", "53200", "54000")
_ACCESS = ("28", "42501", "3D000", "25006", "3F000")
_DAMAGED = ("XX", "42P01", "42703")


class PostgresDatabase:
    """The schema ``weft_hub`` of a database, see `weft.hub.database.Database`; made when missing.

    Raises:
        UserError: ``EXT001`` without psycopg, ``FLOW050`` when the schema is no hub's, ``FLOW051`` when a
            newer Weft made it, ``FLOW056`` when the server refuses. None holds the password.
        UnavailableError: ``FLOW052`` when others keep it locked, ``FLOW059`` when the server's disk is
            full, ``HUB001`` when it does not answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.place = _place(url)
        with self._connected() as connection:
            self._upgrade(connection)

    @contextlib.contextmanager
    def reading(self) -> Iterator[_Connection]:
        """Yield a connection that sees one state of the database throughout."""
        with self._connected() as connection, transaction(connection, _READING):
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[_Connection]:
        """Yield a connection whose changes are kept together at the end, or not at all."""
        with self._connected() as connection, transaction(connection, "BEGIN"):
            connection.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
            yield connection

    @contextlib.contextmanager
    def _connected(self) -> Iterator[_Connection]:
        psycopg = _driver()
        with self._coded():
            options = f"-c search_path={SCHEMA} -c lock_timeout={round(LOCK_TIMEOUT_S * 1000)}"
            opened = psycopg.connect(
                self._url,
                autocommit=True,
                row_factory=psycopg.rows.dict_row,
                connect_timeout=_CONNECT_TIMEOUT_S,
                options=options,
            )
            with contextlib.closing(opened):
                yield _Connection(opened)

    @contextlib.contextmanager
    def _coded(self) -> Iterator[None]:
        psycopg = _driver()
        try:
            yield
        except psycopg.IntegrityError:
            raise  # a mistake of ours, not of the database
        except psycopg.Error as error:
            # What the driver says may quote the URL with its password, so it is no cause that is shown.
            raise _as_coded(error, self.place) from None

    def _upgrade(self, connection: _Connection) -> None:
        if self._checked_version(connection) == len(migrations.MIGRATIONS):
            return
        with transaction(connection, "BEGIN"):
            connection.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
            # Another process may have upgraded it while this one waited.
            version = self._checked_version(connection)
            if version == 0:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
                connection.execute("CREATE TABLE hub_version (version BIGINT NOT NULL)")
                connection.execute("INSERT INTO hub_version VALUES (0)")
            for script in migrations.MIGRATIONS[version:]:
                run_script(connection, _translate(script))
            connection.execute("UPDATE hub_version SET version = ?", (len(migrations.MIGRATIONS),))

    def _checked_version(self, connection: _Connection) -> int:
        listed = "SELECT tablename FROM pg_tables WHERE schemaname = ?"
        tables = {row["tablename"] for row in connection.execute(listed, (SCHEMA,))}
        if not tables:
            return 0
        if "hub_version" not in tables:
            raise damaged(self.place, f"its schema {SCHEMA} is another application's")
        found = connection.execute("SELECT version FROM hub_version").fetchone()
        version = int(found["version"]) if found else 0
        if version > len(migrations.MIGRATIONS):
            raise too_new(self.place, version, len(migrations.MIGRATIONS))
        return version


class _Connection:
    """A psycopg connection that takes the statements that SQLite takes."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run a statement."""
        return cast(Cursor, self._connection.execute(_marked(statement), tuple(values) or None))

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Run a statement for every row."""
        with self._connection.cursor() as cursor:
            return cursor.executemany(_marked(statement), list(rows))


def _marked(statement: str) -> str:
    return statement.replace("?", "%s")


def _translate(script: str) -> str:
    for pattern, words in _TRANSLATIONS:
        script = pattern.sub(words, script)
    return script


def _driver() -> Any:
    try:
        import psycopg
        import psycopg.rows
    except ImportError:
        raise missing_extra("'postgresql://'", "psycopg", "postgres") from None
    return psycopg


def _place(url: str) -> str:
    """Write which database a URL names, without the password.

    Raises:
        UserError: ``FLOW056`` for a URL that the driver cannot read.
    """
    psycopg = _driver()
    try:
        # The driver's own reading: a password may hold any of the characters that part a URL.
        parts = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise _refused("the PostgreSQL URL", "it is malformed") from None
    user = f"{parts['user']}@" if parts.get("user") else ""
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"postgresql://{user}{parts.get('host') or ''}{port}/{parts.get('dbname') or ''}"


def _as_coded(error: Any, place: str) -> WeftError:
    state = str(error.sqlstate or "")
    words = str(error).strip().split("\n")[0].rstrip(".")
    if state == "55P03":
        return UnavailableError(
            "FLOW052",
            f"the database {place} was locked by another process for {LOCK_TIMEOUT_S:g} s.",
            "wait until that process is done, then try again.",
        )
    if state.startswith(_FULL):
        return UnavailableError(
            "FLOW059",
            f"there is no space left for the database {place}.",
            "free some space on its server, then try again: what is in it is kept.",
        )
    if state.startswith(_DAMAGED):
        return damaged(place, words)
    if state.startswith(_ACCESS) or any(refusal in words for refusal in _REFUSALS):
        return _refused(place, next((why for text, why in _REFUSALS.items() if text in words), words))
    return UnavailableError(
        "HUB001",
        f"the database {place} did not answer.",
        "check the address, the network and the server, then try again.",
    )


_REFUSALS = {
    "password authentication failed": "the user name or the password is wrong",
    "no password supplied": "it wants a password",
    "does not exist": "there is no such database or role",
    "pg_hba.conf": "it does not let this user in from here",
    "not permitted to log in": "this user may not log in",
}


def _refused(place: str, why: str) -> UserError:
    return UserError(
        "FLOW056",
        f"the database {place} cannot be opened or written: {why}.",
        "give this user the right to write there, or name another place.",
    )
