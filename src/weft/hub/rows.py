"""One version of something published, read from the database."""

from __future__ import annotations

import json

from weft.core import UserError
from weft.hub.database import Connection, only
from weft.hub.records import Kind, Published
from weft.hub.references import LATEST, Reference

_JSON = ("tags", "metrics", "facts")


def get_version(connection: Connection, kind: Kind, name: str, version: int) -> Published:
    """Return a version that is there."""
    where, key = "kind = ? AND name = ? AND version = ?", (kind.value, name, version)
    row = only(connection.execute(f"SELECT * FROM published WHERE {where}", key))
    row |= {column: json.loads(row[column]) for column in _JSON} | {"kind": kind}
    aliases = connection.execute(f"SELECT alias FROM pointers WHERE {where} ORDER BY alias", key)
    return Published(aliases=tuple(a["alias"] for a in aliases), **row)


def resolve(connection: Connection, kind: Kind, reference: str) -> Published:
    """Return the version that is asked for.

    Raises:
        UserError: ``FLOW055`` when there is no such model, ``HUB003`` for the other kinds.
    """
    asked = Reference.parse(reference, kind)
    version = _number(connection, kind, asked)
    if version is None:
        raise _not_there(connection, kind, reference)
    return get_version(connection, kind, asked.name, version)


def _number(connection: Connection, kind: Kind, asked: Reference) -> int | None:
    key = (kind.value, asked.name)
    if asked.selector == LATEST:
        # Those that are to be used sort before those that are not.
        found = "SELECT version FROM published WHERE kind = ? AND name = ? ORDER BY "
        found += "CASE WHEN deprecated IS NULL THEN 0 ELSE 1 END, version DESC LIMIT 1"
        row = connection.execute(found, key).fetchone()
    elif asked.selector.isdecimal():
        found = "SELECT version FROM published WHERE kind = ? AND name = ? AND CAST(version AS TEXT) = ?"
        row = connection.execute(found, (*key, asked.selector)).fetchone()
    else:
        found = "SELECT version FROM pointers WHERE kind = ? AND name = ? AND alias = ?"
        row = connection.execute(found, (*key, asked.selector)).fetchone()
    return None if row is None else int(row["version"])


def _not_there(connection: Connection, kind: Kind, reference: str) -> UserError:
    listed = "SELECT DISTINCT name FROM published WHERE kind = ? ORDER BY name"
    known = [row["name"] for row in connection.execute(listed, (kind.value,))]
    words = {Kind.DATASET: "data set"}.get(kind, kind.value)
    do = "register" if kind is Kind.MODEL else "publish"
    return UserError(
        "FLOW055" if kind is Kind.MODEL else "HUB003",
        f"there is no {words} '{reference}'.",
        f"choose a version or alias of one of: {', '.join(known)}." if known else f"{do} a {words} first.",
    )
