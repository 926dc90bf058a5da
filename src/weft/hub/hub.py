"""The hub: runs, models and lineage in one database."""

from __future__ import annotations

from pathlib import Path

from weft.core import UserError
from weft.hub.database import Database
from weft.hub.lineage import Lineage
from weft.hub.models import Models


class Hub(Models, Lineage):
    """What was made, in one SQLite file that many threads and processes may use at once.

    Args:
        path: The file; made when missing.

    Raises:
        UserError: ``FLOW050`` for a damaged file, ``FLOW051`` for one that a newer Weft made,
            ``FLOW056`` for one that cannot be opened or written, ``FLOW060`` for an address that
            is not a file.
        UnavailableError: ``FLOW052`` when others keep it locked, ``FLOW059`` when the disk is full.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = _file(str(path))
        self._database = Database(self.path)

    def __repr__(self) -> str:
        return f"Hub({str(self.path)!r})"


def _file(path: str) -> Path:
    scheme, separator, rest = path.partition("://")
    if not separator:
        return Path(path).expanduser().absolute()
    if scheme in ("file", "sqlite") and rest:
        return Path(rest).absolute()
    raise UserError(
        "FLOW060",
        f"the metadata database cannot be at {scheme}://.",
        "name a file on this machine, such as project/.weft/weft.db.",
    )
