"""The hub: runs, models and lineage in one database."""

from __future__ import annotations

from pathlib import Path

from weft.hub.database import open_database
from weft.hub.models import Models
from weft.hub.trace import Tracing


class Hub(Models, Tracing):
    """What was made, in one database that many threads and processes may use at once.

    Args:
        address: A file, made when missing; or ``postgresql://user@host/database``, whose schema ``weft_hub``
            is made when missing. A password may stand in the URL, in ``PGPASSWORD`` or a password file.

    Raises:
        UserError: ``FLOW050`` for a damaged database, ``FLOW051`` for one that a newer Weft made,
            ``FLOW056`` for one that cannot be opened or written, ``FLOW060`` for an address that
            is neither a file nor PostgreSQL, ``EXT001`` without psycopg.
        UnavailableError: ``FLOW052`` when others keep it locked, ``FLOW059`` when the disk is full,
            ``HUB001`` when the server does not answer.
    """

    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        self._database = open_database(self.address)

    @property
    def place(self) -> str:
        """Where it is, in words without a password."""
        return self._database.place

    def __repr__(self) -> str:
        return f"Hub({self.place!r})"
