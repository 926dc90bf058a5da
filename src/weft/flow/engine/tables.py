"""The tables of durable runs, in SQLite or PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from weft.core import UnavailableError, UserError, WeftError
from weft.flow.faults import disk_full

METADATA = sa.MetaData()

# One number for all advisory locks of Weft in a PostgreSQL database; the second says what is locked.
LOCK_CLASS = 0x57454654
_ADMISSION = 0

RUNS = sa.Table(
    "flow_runs",
    METADATA,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("life", sa.Integer, nullable=False),
    sa.Column("deaths", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("wish", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("plan_name", sa.Text, nullable=False),
    sa.Column("project", sa.Text, nullable=False),
    sa.Column("options", sa.Text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("started_us", sa.BigInteger),
    sa.Column("ended_us", sa.BigInteger),
)

PLANS = sa.Table(
    "flow_plans",
    METADATA,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

NODES = sa.Table(
    "flow_nodes",
    METADATA,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("node", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("done", sa.Float),
    sa.Column("total", sa.Float),
    sa.Column("seconds", sa.Float, nullable=False),
)

LIMITS = sa.Table(
    "flow_limits",
    METADATA,
    sa.Column("resource", sa.Text, primary_key=True),
    sa.Column("most", sa.Integer, nullable=False),
)

SLOTS = sa.Table(
    "flow_slots",
    METADATA,
    sa.Column("resource", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("held", sa.Integer, nullable=False),
)

SCHEDULES = sa.Table(
    "flow_schedules",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("next_us", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("num_fired", sa.Integer, nullable=False),
)

FIRINGS = sa.Table(
    "flow_firings",
    METADATA,
    sa.Column("schedule", sa.Text, primary_key=True),
    sa.Column("at_us", sa.BigInteger, primary_key=True),
    sa.Column("outcome", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)


def open_engine(database_url: str) -> sa.Engine:
    """Open a database, with the tables of runs in it.

    Raises:
        UserError: ``FLOW080`` for what is not the URL of a SQLite file or of PostgreSQL.
        UnavailableError: ``FLOW081`` when the database does not answer.
    """
    url = _read_url(database_url)
    if url.drivername == "sqlite":
        engine = sa.create_engine(url, pool_size=20, max_overflow=20)
        sa.event.listen(engine, "connect", _prepare_sqlite)
    else:
        arguments = {"application_name": "weft", "connect_timeout": 10}
        engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=20,
            max_overflow=20,
            pool_pre_ping=True,
            connect_args=arguments,
        )
    with speaking(engine), engine.begin() as connection:
        _begin(connection, _ADMISSION)
        METADATA.create_all(connection)
    return engine


def _read_url(database_url: str) -> sa.URL:
    try:
        url = sa.make_url(database_url)
        if url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
            return url
        if url.drivername in ("postgresql", "postgres", "postgresql+psycopg") and url.database:
            return url
    except (sa.exc.ArgumentError, ValueError):
        pass
    shown = database_url.split("@")[-1] if "@" in database_url else database_url
    raise UserError(
        "FLOW080",
        f"'{shown}' is not the URL of a database for runs.",
        "write sqlite:///path/to/weft.db for one machine, or postgresql://user@host/name for many.",
    )


def _prepare_sqlite(connection: Any, _: object) -> None:
    # The write lock is taken when a transaction begins, so that none has to be taken back half-way.
    connection.isolation_level = "IMMEDIATE"
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


@contextlib.contextmanager
def speaking(engine: sa.Engine) -> Iterator[None]:
    """Turn what a database raises into coded errors.

    Raises:
        UnavailableError: ``FLOW012`` when its disk is full, ``FLOW081`` when it does not answer.
    """
    where = f"the database {engine.url.render_as_string(hide_password=True)}"
    try:
        yield
    except WeftError:
        raise
    except sa.exc.DBAPIError as error:
        text = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no answer"
        if "is full" in text or "No space left" in text or "disk I/O" in text:
            raise disk_full(where) from error
        if not isinstance(error, sa.exc.OperationalError | sa.exc.InternalError | sa.exc.InterfaceError):
            raise
        raise _silent(where, text) from error
    except sa.exc.TimeoutError as error:
        raise _silent(where, "all connections are in use") from error


def _silent(where: str, text: str) -> UnavailableError:
    return UnavailableError(
        "FLOW081",
        f"{where} does not answer: {text}.",
        "see that it runs and may be reached, then try again: nothing that was finished is lost.",
    )


@contextlib.contextmanager
def changing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Yield a transaction that no other change of runs overlaps; what fails leaves nothing behind."""
    with speaking(engine), engine.begin() as connection:
        _begin(connection, _ADMISSION)
        yield connection


@contextlib.contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Yield a connection to read with."""
    with speaking(engine), engine.connect() as connection:
        yield connection


def _begin(connection: sa.Connection, what: int) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK_CLASS, what)))


def insert_new(connection: sa.Connection, table: sa.Table, **values: object) -> bool:
    """Insert a row unless there is one with its key; return whether it was inserted."""
    statement = _insert(connection, table).values(**values).on_conflict_do_nothing()
    # The count of rows is not told by every driver.
    made = connection.execute(statement.returning(*table.primary_key.columns))
    return made.first() is not None


def upsert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]], where: Any = None) -> None:
    """Insert rows, or replace those with the same key where ``where`` holds."""
    keys = [c.name for c in table.primary_key]
    for start in range(0, len(rows), 500):
        statement = _insert(connection, table).values(rows[start : start + 500])
        new = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
        condition = None if where is None else where(statement.excluded)
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=new, where=condition))


def _insert(connection: sa.Connection, table: sa.Table) -> Any:
    kind = sqlite if connection.dialect.name == "sqlite" else postgresql
    return kind.insert(table)
