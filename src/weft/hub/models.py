"""Models: versions of what was fitted, and the names they go by."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping

from weft.core import UserError
from weft.flow import Store
from weft.hub.database import Connection, matching, only
from weft.hub.records import ModelRecord
from weft.hub.runs import Runs

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class Models(Runs):
    """The part of the hub that remembers models."""

    def register_model(
        self,
        name: str,
        *,
        run: str,
        digest: str,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        aliases: Iterable[str] = ("candidate",),
        store: Store | None = None,
    ) -> ModelRecord:
        """Give a model the next version of its name; the same one again keeps its version.

        Args:
            name: Of the model: letters, digits, ``.``, ``_`` and ``-``.
            run: The run that made it, as for `get_run`; empty when it was made elsewhere.
            digest: Of its files, a tree in the store.
            metrics: Name → score.
            tags: Words of the user's own.
            aliases: Names that point to this version from now on.
            store: Also keep the files there, under ``models/<name>/<version>``.

        Raises:
            UserError: ``FLOW061`` for a name that cannot be one.
        """
        for word in (name, *aliases):
            _check_word(word)
        run_id = self.get_run(run).id if run else ""
        values = (json.dumps(dict(metrics or {})), json.dumps(dict(tags or {})))
        with self._database.writing() as connection:
            version = _known_version(connection, name, run_id, digest) or _next_version(connection, name)
            connection.execute(
                "INSERT INTO models VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (name, version, run_id, digest, time.time_ns() // 1000, *values),
            )
            for alias in aliases:
                _point(connection, name, alias, version)
            if store is not None:
                store.set_ref(f"models/{name}/{version}", digest)
            return _get(connection, name, version)

    def get_model(self, model: str, version: int | None = None) -> ModelRecord:
        """Return a model.

        Args:
            model: ``name`` for the newest version, ``name:3`` or ``name@champion``.
            version: Instead of writing it into ``model``.

        Raises:
            UserError: ``FLOW055`` when there is none.
        """
        with self._database.reading() as connection:
            return _resolve(connection, model if version is None else f"{model}:{version}")

    def list_models(self, name: str | None = None) -> tuple[ModelRecord, ...]:
        """Return all versions of all models or of one, by name and newest first."""
        with self._database.reading() as connection:
            where, values = matching({} if name is None else {"name": name})
            listed = f"SELECT name, version FROM models{where} ORDER BY name, version DESC"
            rows = connection.execute(listed, values).fetchall()
            return tuple(_get(connection, r["name"], r["version"]) for r in rows)

    def set_alias(self, model: str, alias: str) -> ModelRecord:
        """Let ``alias`` point to a version, and to no other of this model.

        Raises:
            UserError: ``FLOW055`` when there is no such model, ``FLOW061`` for an alias that cannot
                be one.
        """
        _check_word(alias)
        with self._database.writing() as connection:
            found = _resolve(connection, model)
            _point(connection, found.name, alias, found.version)
            return _get(connection, found.name, found.version)

    def set_tags(self, model: str, tags: Mapping[str, str]) -> ModelRecord:
        """Replace the tags of a version."""
        with self._database.writing() as connection:
            found = _resolve(connection, model)
            connection.execute(
                "UPDATE models SET tags = ? WHERE name = ? AND version = ?",
                (json.dumps(dict(tags)), found.name, found.version),
            )
            return _get(connection, found.name, found.version)

    def delete_model(self, model: str, *, store: Store | None = None) -> ModelRecord:
        """Forget one version, its aliases included; its number is never given again.

        Args:
            model: As for `get_model`.
            store: Also let go of its files there; the next ``gc`` removes them.
        """
        with self._database.writing() as connection:
            found = _resolve(connection, model)
            connection.execute(
                "DELETE FROM models WHERE name = ? AND version = ?", (found.name, found.version)
            )
        if store is not None:
            store.delete_ref(f"models/{found.name}/{found.version}")
        return found


def _known_version(connection: Connection, name: str, run_id: str, digest: str) -> int | None:
    row = connection.execute(
        "SELECT version FROM models WHERE name = ? AND run_id = ? AND digest = ?", (name, run_id, digest)
    ).fetchone()
    return None if row is None else int(row["version"])


def _next_version(connection: Connection, name: str) -> int:
    return int(
        only(
            connection.execute(
                "INSERT INTO last_versions VALUES (?, 1) "
                "ON CONFLICT (name) DO UPDATE SET version = last_versions.version + 1 RETURNING version",
                (name,),
            )
        )["version"]
    )


def _resolve(connection: Connection, model: str) -> ModelRecord:
    name, _, alias = model.partition("@")
    name, _, number = name.partition(":")
    if alias:
        query, word = "SELECT version FROM aliases WHERE name = ? AND alias = ?", alias
    elif number:
        query, word = "SELECT version FROM models WHERE name = ? AND CAST(version AS TEXT) = ?", number
    else:
        query, word = "SELECT max(version) AS version FROM models WHERE name = ? AND name <> ?", ""
    row = connection.execute(query, (name, word)).fetchone()
    if row is None or row["version"] is None:
        known = [r["name"] for r in connection.execute("SELECT DISTINCT name FROM models ORDER BY name")]
        raise UserError(
            "FLOW055",
            f"there is no model '{model}'.",
            f"choose a version or alias of one of: {', '.join(known)}."
            if known
            else "register a model first.",
        )
    return _get(connection, name, row["version"])


def _get(connection: Connection, name: str, version: int) -> ModelRecord:
    key = (name, version)
    row = only(connection.execute("SELECT * FROM models WHERE name = ? AND version = ?", key))
    aliases = connection.execute(
        "SELECT alias FROM aliases WHERE name = ? AND version = ? ORDER BY alias", key
    ).fetchall()
    row |= {"metrics": json.loads(row["metrics"]), "tags": json.loads(row["tags"])}
    return ModelRecord(aliases=tuple(a["alias"] for a in aliases), **row)


def _point(connection: Connection, name: str, alias: str, version: int) -> None:
    connection.execute(
        "INSERT INTO aliases VALUES (?, ?, ?) "
        "ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version",
        (name, alias, version),
    )


def _check_word(word: str) -> None:
    if not _WORD.fullmatch(word):
        raise UserError(
            "FLOW061",
            f"'{word}' cannot name a model or an alias.",
            "use up to 80 letters, digits, '.', '_' and '-', a letter or digit first.",
        )
