"""Aliases: names that point to one version at a time, with their history."""

from __future__ import annotations

import time

from weft.core import UserError
from weft.hub.database import Connection
from weft.hub.owner import this_user
from weft.hub.records import AliasAction, AliasChange, Kind, Published
from weft.hub.references import check_alias, read_kind
from weft.hub.rows import get_version, resolve
from weft.hub.runs import Runs

CHAMPION = "champion"

_Key = tuple[Kind, str, str]


class Aliases(Runs):
    """The part of the hub that remembers which version an alias points to, and pointed to."""

    def set_alias(
        self, reference: str, alias: str, *, kind: Kind | str = Kind.MODEL, who: str = "", reason: str = ""
    ) -> Published:
        """Let ``alias`` point to a version, and to no other of this name.

        Raises:
            UserError: ``FLOW055`` or ``HUB003`` when there is no such version, ``FLOW061`` and ``HUB005`` for
                an alias that cannot be one.
        """
        check_alias(alias)
        with self._database.writing() as connection:
            found = resolve(connection, read_kind(kind), reference)
            key = (found.kind, found.name, alias)
            point(connection, key, found.version, AliasAction.SET, who or this_user(), reason)
            return get_version(connection, found.kind, found.name, found.version)

    def roll_back(
        self,
        name: str,
        alias: str = CHAMPION,
        *,
        kind: Kind | str = Kind.MODEL,
        who: str = "",
        reason: str = "",
    ) -> Published:
        """Let an alias point again to the version before, as often as there is one.

        Versions that were deleted since are passed over.

        Raises:
            UserError: ``HUB006`` when there is no version before.
        """
        kind = read_kind(kind)
        with self._database.writing() as connection:
            key = (kind, name, alias)
            listed = "SELECT version FROM published WHERE kind = ? AND name = ?"
            there = {row["version"] for row in connection.execute(listed, (kind.value, name))}
            before = [v for v in _versions(_history(connection, kind, name, alias)) if v in there]
            current = _pointed(connection, key)
            while before and before[-1] == current:
                before.pop()
            if not before:
                raise UserError(
                    "HUB006",
                    f"no version of '{name}' was {alias} before.",
                    f"point it yourself: weft models promote {name}@VERSION --alias {alias}.",
                )
            point(connection, key, before[-1], AliasAction.ROLLBACK, who or this_user(), reason)
            return get_version(connection, kind, name, before[-1])

    def alias_history(
        self, name: str, alias: str | None = None, *, kind: Kind | str = Kind.MODEL
    ) -> tuple[AliasChange, ...]:
        """Return what happened to the aliases of a name, or to one of them, newest first."""
        with self._database.reading() as connection:
            return _history(connection, read_kind(kind), name, alias)[::-1]


def point(
    connection: Connection, key: _Key, version: int, action: AliasAction, who: str, reason: str
) -> None:
    """Let an alias point to a version, or remember that its version goes."""
    kind, name, alias = key
    if action is not AliasAction.DELETED:
        if _pointed(connection, key) == version:
            return
        connection.execute(
            "INSERT INTO pointers VALUES (?, ?, ?, ?) "
            "ON CONFLICT (kind, name, alias) DO UPDATE SET version = excluded.version",
            (kind.value, name, alias, version),
        )
    connection.execute(
        "INSERT INTO alias_changes (kind, name, alias, version, action, at_us, who, reason) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (kind.value, name, alias, version, action.value, time.time_ns() // 1000, who, reason),
    )


def _pointed(connection: Connection, key: _Key) -> int | None:
    kind, name, alias = key
    found = "SELECT version FROM pointers WHERE kind = ? AND name = ? AND alias = ?"
    row = connection.execute(found, (kind.value, name, alias)).fetchone()
    return None if row is None else int(row["version"])


def _history(connection: Connection, kind: Kind, name: str, alias: str | None) -> tuple[AliasChange, ...]:
    where, values = "kind = ? AND name = ?", [kind.value, name]
    if alias is not None:
        where, values = f"{where} AND alias = ?", [*values, alias]
    columns = "alias, version, action, at_us, who, reason"
    listed = f"SELECT {columns} FROM alias_changes WHERE {where} ORDER BY number"
    rows = connection.execute(listed, values).fetchall()
    return tuple(AliasChange(**(row | {"action": AliasAction(row["action"])})) for row in rows)


def _versions(history: tuple[AliasChange, ...]) -> list[int]:
    """Return the versions that one alias pointed to and may go back to, the newest last.

    Example:
        >>> made = [("set", 1), ("set", 2), ("set", 3), ("rollback", 2), ("deleted", 2)]
        >>> _versions(tuple(AliasChange("champion", v, AliasAction(a), 0) for a, v in made))
        [1]
    """
    stack: list[int] = []
    for change in history:
        if change.action is AliasAction.SET:
            stack.append(change.version)
        elif change.action is AliasAction.ROLLBACK:
            while stack and stack[-1] != change.version:
                stack.pop()
        else:
            stack = [version for version in stack if version != change.version]
    return stack
