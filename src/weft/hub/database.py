"""The hub's database as the rest of the room sees it: SQLite or PostgreSQL, the same statements."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from weft.core import UserError

Row = dict[str, Any]


class Cursor(Protocol):
    """What a statement found: rows by name of the column."""

    def fetchone(self) -> Row | None:
        """Return the next row, ``None`` after the last."""

    def fetchall(self) -> list[Row]:
        """Return all rows that are left."""

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows."""


class Connection(Protocol):
    """A connection within one transaction. ``?`` marks a value in a statement."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run a statement."""

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Run a statement for every row."""


class Database(Protocol):
    """A database that any number of threads and processes may use at once.

    A connection lives for one transaction, so none is shared between threads or carried through a fork.
    """

    place: str
    """Where it is, in words without a password."""

    def reading(self) -> AbstractContextManager[Connection]:
        """Yield a connection that sees one state of the database throughout."""

    def writing(self) -> AbstractContextManager[Connection]:
        """Yield a connection, alone in writing, whose changes are kept together at the end or not at all."""


def open_database(address: str) -> Database:
    """Open the database at a path, or at a URL that begins with sqlite://, file:// or postgresql://.

    Raises:
        UserError: ``FLOW060`` for any other address.
    """
    scheme, separator, rest = address.partition("://")
    if scheme in ("postgresql", "postgres") and rest:
        from weft.hub.postgres import PostgresDatabase

        return PostgresDatabase(address)
    from weft.hub.sqlite import SqliteDatabase

    if not separator:
        return SqliteDatabase(Path(address).expanduser().absolute())
    if scheme in ("file", "sqlite") and rest:
        return SqliteDatabase(Path(rest).absolute())
    raise UserError(
        "FLOW060",
        f"the metadata database cannot be at {scheme}://.",
        "name a file on this machine, such as project/.weft/weft.db, or postgresql://host/database.",
    )


def matching(values: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """Write the WHERE of a statement in which each column has its value; empty without any."""
    where = " AND ".join(f"{name} = ?" for name in values)
    return f" WHERE {where}" if where else "", tuple(values.values())


def only(found: Cursor) -> Row:
    """Return the one row that a statement finds."""
    (row,) = found.fetchall()
    return row


def run_script(connection: Connection, script: str) -> None:
    """Run the statements of a migration one by one, so that all stay in one transaction."""
    for statement in script.split(";"):
        if statement.strip():
            connection.execute(statement)


def too_new(place: str, version: int, known: int) -> UserError:
    """Make the error for a database of a newer Weft."""
    return UserError(
        "FLOW051",
        f"the database {place} has version {version}, and this Weft knows up to {known}.",
        "install the version of Weft that made it, or a newer one.",
    )


def damaged(place: str, why: str) -> UserError:
    """Make the error for a database that is none of ours, or no longer whole."""
    return UserError(
        "FLOW050",
        f"the database {place} cannot be used: {why}.",
        "restore it from a copy, or move it away: a new one is made, and what the store holds is kept.",
    )


@contextlib.contextmanager
def transaction(connection: Connection, begin: str) -> Iterator[None]:
    """Begin, and commit at the end; what raises in between is undone when the connection is closed."""
    connection.execute(begin)
    yield
    connection.execute("COMMIT")
