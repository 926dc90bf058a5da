"""Models, data sets and applications: published in versions, searched, deprecated, deleted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from weft.flow import Store
from weft.hub.aliases import Aliases, point
from weft.hub.database import Connection, matching
from weft.hub.owner import this_user
from weft.hub.records import AliasAction, Kind, Published
from weft.hub.references import check_alias, check_name, read_kind
from weft.hub.rows import get_version, resolve


@dataclass(frozen=True)
class About:
    """What is said about a version when it is published.

    Attributes:
        owner: Who publishes it; this process's user when left out.
        description: In a sentence.
        tags: Words of the user's own, with or without a value.
        metrics: Name → score.
        facts: Plain JSON that is kept with it.
    """

    owner: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


class Shelf(Aliases):
    """The part of the hub that remembers what was published."""

    def publish(
        self,
        kind: Kind | str,
        name: str,
        *,
        digest: str,
        about: About | None = None,
        run: str = "",
        aliases: Iterable[str] = (),
        store: Store | None = None,
        version: int | None = None,
    ) -> Published:
        """Give content the next version of its name; the same content of the same run keeps its version.

        Args:
            name: Letters, digits, ``.``, ``_`` and ``-``.
            run: The run that made it, as for `get_run`; empty when it was made elsewhere.
            store: Also keep the content there, under ``<kind>s/<name>/<version>``.
            version: Number that is wanted; it is given where it never was, else the next one is.

        Raises:
            UserError: ``HUB002`` for no kind, ``FLOW061`` or ``HUB005`` for no name, ``FLOW010`` for content
                that is not in the store.
        """
        kind, said, aliases = read_kind(kind), about or About(), tuple(aliases)
        check_name(name)
        for alias in aliases:
            check_alias(alias)
        content = (digest, self.get_run(run).id if run else "")
        owner = said.owner or this_user()
        with self._database.writing() as connection:
            number = _known(connection, kind, name, *content)
            if number is None:
                number = _next_number(connection, kind, name, version)
                _insert(connection, (kind.value, name, number), content, replace(said, owner=owner))
            for alias in aliases:
                point(connection, (kind, name, alias), number, AliasAction.SET, owner, "published")
            if store is not None:
                store.set_ref(ref_of(kind, name, number), digest)
            return get_version(connection, kind, name, number)

    def get_published(self, kind: Kind | str, reference: str) -> Published:
        """Return a version: ``name`` and ``name@latest`` for the newest, ``name@3``, ``name@champion``.

        The newest is the newest that is not deprecated, where there is one.

        Raises:
            UserError: ``FLOW055`` when there is no such model, ``HUB003`` for the other kinds.
        """
        with self._database.reading() as connection:
            return resolve(connection, read_kind(kind), reference)

    def list_published(self, kind: Kind | str, name: str | None = None) -> tuple[Published, ...]:
        """Return all versions of a kind or of one name, by name and newest first."""
        wanted = {"kind": read_kind(kind).value} | ({} if name is None else {"name": name})
        return self._published(wanted, "name, version DESC")

    def search(
        self,
        words: str = "",
        *,
        kind: Kind | str | None = None,
        owner: str | None = None,
        tag: str | None = None,
        all_versions: bool = False,
        deprecated: bool = False,
        limit: int | None = None,
    ) -> tuple[Published, ...]:
        """Find what was published, newest first.

        Args:
            words: Each must stand in the name, the description or the tags, in any case.
            kind: Only this kind.
            owner: Only what this user published.
            tag: Only what has this tag; ``name=value`` for one with this value.
            all_versions: Every version; without it the newest of each name that is found.
            deprecated: Also what is deprecated.
            limit: At most so many.
        """
        wanted = {} if kind is None else {"kind": read_kind(kind).value}
        wanted |= {} if owner is None else {"owner": owner}
        found: dict[tuple[Any, ...], Published] = {}
        for one in self._published(wanted, "created_us DESC, kind, name, version DESC"):
            if (deprecated or one.deprecated is None) and _has_tag(one, tag) and _has_words(one, words):
                found.setdefault((one.kind, one.name, one.version if all_versions else 0), one)
        return tuple(found.values())[:limit]

    def set_tags(
        self, reference: str, tags: Mapping[str, str], *, kind: Kind | str = Kind.MODEL
    ) -> Published:
        """Replace the tags of a version."""
        return self._change(read_kind(kind), reference, "tags", _json(tags))

    def deprecate(self, kind: Kind | str, reference: str, reason: str) -> Published:
        """Say that a version is no longer to be used; an empty reason takes it back."""
        return self._change(read_kind(kind), reference, "deprecated", reason or None)

    def delete_published(
        self, kind: Kind | str, reference: str, *, store: Store | None = None, who: str = ""
    ) -> Published:
        """Forget one version, its aliases included; its number is never given again.

        Args:
            kind: What it is.
            reference: As for `get_published`.
            store: Also let go of its content there; the next ``gc`` removes it.
            who: Deletes it, for the history of its aliases.
        """
        with self._database.writing() as connection:
            found = resolve(connection, read_kind(kind), reference)
            for alias in found.aliases:
                key = (found.kind, found.name, alias)
                point(connection, key, found.version, AliasAction.DELETED, who or this_user(), "")
            connection.execute(
                "DELETE FROM published WHERE kind = ? AND name = ? AND version = ?",
                (found.kind.value, found.name, found.version),
            )
        if store is not None:
            store.delete_ref(ref_of(found.kind, found.name, found.version))
        return found

    def _published(self, wanted: Mapping[str, Any], order: str) -> tuple[Published, ...]:
        where, values = matching(wanted)
        with self._database.reading() as connection:
            listed = f"SELECT kind, name, version FROM published{where} ORDER BY {order}"
            rows = connection.execute(listed, values).fetchall()
            return tuple(get_version(connection, Kind(r["kind"]), r["name"], r["version"]) for r in rows)

    def _change(self, kind: Kind, reference: str, column: str, value: str | None) -> Published:
        with self._database.writing() as connection:
            found = resolve(connection, kind, reference)
            connection.execute(
                f"UPDATE published SET {column} = ? WHERE kind = ? AND name = ? AND version = ?",
                (value, kind.value, found.name, found.version),
            )
            return get_version(connection, kind, found.name, found.version)


def ref_of(kind: Kind, name: str, version: int) -> str:
    """Return the name under which the store keeps a version's content."""
    return f"{kind.value}s/{name}/{version}"


def _insert(connection: Connection, key: tuple[str, str, int], content: tuple[str, str], said: About) -> None:
    digest, run_id = content
    texts = (said.owner, said.description, *map(_json, (said.tags, said.metrics, said.facts)))
    connection.execute(
        "INSERT INTO published VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (*key, digest, time.time_ns() // 1000, run_id, *texts),
    )


def _known(connection: Connection, kind: Kind, name: str, digest: str, run_id: str) -> int | None:
    where, values = matching({"kind": kind.value, "name": name, "run_id": run_id, "digest": digest})
    row = connection.execute(f"SELECT max(version) AS version FROM published{where}", values).fetchone()
    return None if row is None or row["version"] is None else int(row["version"])


def _next_number(connection: Connection, kind: Kind, name: str, wanted: int | None) -> int:
    """Give the next number of a name, or one that is wanted and was never given."""
    where, values = matching({"kind": kind.value, "name": name})
    row = connection.execute(f"SELECT version FROM last_numbers{where}", values).fetchone()
    last = int(row["version"]) if row else 0
    number = max(last + 1, wanted or 0)
    connection.execute(
        "INSERT INTO last_numbers VALUES (?, ?, ?) "
        "ON CONFLICT (kind, name) DO UPDATE SET version = excluded.version",
        (*values, number),
    )
    return number


def _has_words(one: Published, words: str) -> bool:
    tags = " ".join(f"{name}={value}" for name, value in one.tags.items())
    text = f"{one.name} {one.description} {tags}".casefold()
    return all(word in text for word in words.casefold().split())


def _has_tag(one: Published, tag: str | None) -> bool:
    if tag is None:
        return True
    name, separator, value = tag.partition("=")
    return name in one.tags and (not separator or one.tags[name] == value)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value))
