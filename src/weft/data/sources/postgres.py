"""A PostgreSQL database, streamed out by ``COPY`` in one read-only transaction."""

from __future__ import annotations

import hashlib
import io
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.csv as pv

from weft.core import Finding, Resources, UnavailableError, UserError, missing_extra
from weft.data.declared import Declared
from weft.data.sources.parquet import first_line
from weft.data.sources.postgres_catalog import PostgresTable, read_catalog
from weft.data.sources.source import check_names, choose

_CONNECT_TIMEOUT_S = 10
_BLOCK_BYTES = 1 << 22


class PostgresSource:
    """Tables and views of a database, with the keys its catalog declares.

    All tables are read in one transaction, so that they belong together. Tables of the schema
    ``public`` keep their name, those of others are called ``schema_table``.

    Args:
        url: ``postgresql://user:password@host:port/database``; the password may also come from
            ``PGPASSWORD`` or a password file.
        tables: Name of a table → name as above; all tables without it.
        schemas: To look in; all but the system's own without it.

    Raises:
        UserError: ``DATA028`` when the server refuses, ``EXT001`` without psycopg.
        UnavailableError: ``DATA029`` when it does not answer. Neither holds the password.
    """

    kind = "postgresql"
    findings: tuple[Finding, ...] = ()

    def __init__(
        self,
        url: str,
        *,
        tables: dict[str, str] | None = None,
        schemas: tuple[str, ...] | None = None,
    ) -> None:
        self.place = without_password(url)
        with self._errors():
            self._connection = open_postgres(url)
            # A source that is dropped without `close` must not keep a transaction open.
            weakref.finalize(self, self._connection.close)
            self._connection.read_only = True
            self._connection.isolation_level = _repeatable_read()
            catalog = read_catalog(self._connection, schemas)
        chosen = choose(list(catalog.tables), tables, self.place)
        check_names(list(chosen), self.place)
        self._tables = {name: catalog.tables[origin] for name, origin in chosen.items()}
        self._declared = catalog.declared(chosen, self.place)

    @property
    def declared(self) -> Declared:
        """Primary and foreign keys of the catalog."""
        return self._declared

    def names(self) -> tuple[str, ...]:
        """Return the names of the tables and views, sorted."""
        return tuple(sorted(self._tables))

    def batches(self, table: str, resources: Resources) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order of the primary key, or as they lie without one."""
        source = self._tables[table]
        fields = [pa.field(f"c{i}", c.arrow) for i, c in enumerate(source.columns)]
        empty = [pa.nulls(0, f.type) for f in fields]
        yield _typed(source, pa.RecordBatch.from_arrays(empty, schema=pa.schema(fields)))
        if not fields:
            return
        with self._errors():
            stream = io.BufferedReader(_CopyStream(self._copy(source)), _BLOCK_BYTES)
            if not stream.peek(1):
                return
            for batch in _open_csv(stream, fields):
                yield _typed(source, batch)

    def fingerprints(self, resources: Resources) -> dict[str, str]:
        """Return a digest of every table's rows: each is read once."""
        return {name: self._digest(self._tables[name]) for name in self.names()}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _digest(self, source: PostgresTable) -> str:
        sha = hashlib.sha256(source.copy_sql().encode())
        with self._errors():
            for data in self._copy(source):
                sha.update(data)
        return sha.hexdigest()

    def _copy(self, source: PostgresTable) -> Iterator[bytes]:
        with self._connection.cursor() as cursor, cursor.copy(source.copy_sql()) as copy:
            for data in copy:
                yield bytes(data)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with postgres_errors(self.place):
            yield


def _open_csv(stream: Any, fields: list[pa.Field]) -> Iterator[pa.RecordBatch]:
    reader = pv.open_csv(
        stream,
        read_options=pv.ReadOptions(column_names=[f.name for f in fields], block_size=_BLOCK_BYTES),
        parse_options=pv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pv.ConvertOptions(
            column_types=pa.schema(fields),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    yield from reader


def without_password(url: str) -> str:
    """Return who and where a URL names, for messages: nothing in it is secret.

    Example:
        >>> without_password("postgresql://ann:secret@db.example:5433/shop?sslpassword=x")
        'postgresql://ann@db.example:5433/shop'
    """
    psycopg = _driver()
    try:
        # The driver's own reading: a password may hold any of the characters that part a URL.
        parts = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        return "the PostgreSQL URL"
    user = f"{parts['user']}@" if parts.get("user") else ""
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"postgresql://{user}{parts.get('host') or ''}{port}/{parts.get('dbname') or ''}"


def _driver() -> Any:
    try:
        import psycopg
    except ImportError:
        raise missing_extra("'postgresql://'", "psycopg", "postgres") from None
    return psycopg


def open_postgres(url: str) -> Any:
    """Connect to a database."""
    timeout = {} if "connect_timeout" in url else {"connect_timeout": _CONNECT_TIMEOUT_S}
    return _driver().connect(
        url, options="-c timezone=UTC -c datestyle=ISO -c extra_float_digits=3", **timeout
    )


@contextmanager
def postgres_errors(place: str) -> Iterator[None]:
    """Turn what the driver raises into coded errors that name ``place`` and no password."""
    import psycopg

    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise _refused(place, first_line(error)) from None
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory) as error:
        raise _unavailable(place, first_line(error)) from None
    except psycopg.OperationalError as error:
        if _is_refusal(str(error)):
            raise _refused(place, _reason(str(error))) from None
        raise _unavailable(place, _reason(str(error))) from None
    except psycopg.ProgrammingError as error:
        # A malformed URL is quoted by the driver as it is, with the password.
        if error.sqlstate is None:
            raise _refused(place, "the URL is malformed.") from None
        raise _refused(place, first_line(error)) from None
    except (psycopg.Error, pa.ArrowInvalid) as error:
        raise _refused(place, first_line(error)) from None


_REFUSALS = {
    "password authentication failed": "the user name or the password is wrong.",
    "no password supplied": "it wants a password.",
    "does not exist": "there is no such database or role.",
    "pg_hba.conf": "it does not let this user in from here.",
    "is not permitted to log in": "this user may not log in.",
}


def _is_refusal(text: str) -> bool:
    return any(words in text for words in _REFUSALS)


def _reason(text: str) -> str:
    for words, reason in _REFUSALS.items():
        if words in text:
            return reason
    known = (
        "Connection refused",
        "timeout expired",
        "could not translate host name",
        "Name or service not known",
    )
    return next((f"{w}." for w in known if w in text), "the connection failed.")


def _refused(place: str, why: str) -> UserError:
    return UserError("DATA028", f"{place} refused: {why}", "check the user, the password and the name.")


def _unavailable(place: str, why: str) -> UnavailableError:
    return UnavailableError("DATA029", f"{place} did not answer: {why}", "check the address and the network.")


def _repeatable_read() -> Any:
    import psycopg

    return psycopg.IsolationLevel.REPEATABLE_READ


def _typed(source: PostgresTable, batch: pa.RecordBatch) -> pa.RecordBatch:
    arrays = [c.finish(a) for c, a in zip(source.columns, batch.columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=[c.name for c in source.columns])


class _CopyStream(io.RawIOBase):
    """The chunks of a ``COPY`` as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not len(self._rest):
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
