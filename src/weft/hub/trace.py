"""From anything made back to what it was made of, and onwards: as data and as a tree."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from weft.core import UserError, to_plain
from weft.hub.database import Connection
from weft.hub.lineage import Lineage
from weft.hub.published import Shelf
from weft.hub.records import Edge, Kind
from weft.hub.references import Reference
from weft.hub.rows import resolve

_DIGEST = re.compile(r"[0-9a-f]{6,64}")
_SHORT = 12


class Direction(enum.StrEnum):
    """Which way a trace looks."""

    SOURCES = "sources"
    USES = "uses"


@dataclass(frozen=True)
class Trace:
    """What something was made of, or what was made of it.

    Attributes:
        digest: Of the thing itself.
        direction: ``sources`` or ``uses``.
        steps: Every step, nearest first.
        names: Digest → what it is called: published versions, and the nodes that made it.
        runs: Id of a run → its name and the digest of its Plan.
    """

    digest: str
    direction: Direction
    steps: tuple[Edge, ...]
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    runs: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def ends(self) -> tuple[str, ...]:
        """Where the steps end: the sources of all, or what nothing was made of."""
        near, far = self._sides()
        begun = {getattr(step, near) for step in self.steps}
        return tuple(dict.fromkeys(e for s in self.steps if (e := getattr(s, far)) not in begun))

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        plain: dict[str, Any] = to_plain(self)
        return plain | {"ends": list(self.ends)}

    def text(self) -> str:
        """Draw it as a tree; what was drawn already is only named again."""
        lines = [f"{indent}{self._line(digest)}{note}" for indent, digest, note in self._walk()]
        told = [f"{run['name']} (plan {run['plan'][:_SHORT]})" for run in self.runs.values()]
        return "\n".join([*lines, *([f"Runs: {', '.join(sorted(told))}"] if told else [])])

    def _walk(self) -> Iterator[tuple[str, str, str]]:
        """Yield indent, digest and note of every line, depth first."""
        near, far = self._sides()
        below: dict[str, list[str]] = {}
        for step in self.steps:
            reached = below.setdefault(getattr(step, near), [])
            if getattr(step, far) not in reached:
                reached.append(getattr(step, far))
        drawn: set[str] = set()
        todo = [("", "", self.digest)]
        while todo:
            lead, mark, digest = todo.pop()
            parts = below.get(digest, [])
            yield lead + mark, digest, "  (see above)" if digest in drawn and parts else ""
            if digest in drawn:
                continue
            drawn.add(digest)
            inner = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[mark]
            rows = [(inner, "├─ ", part) for part in parts[:-1]] + [(inner, "└─ ", p) for p in parts[-1:]]
            todo += reversed(rows)

    def _line(self, digest: str) -> str:
        words = ", ".join(self.names.get(digest, ()))
        short = digest[:_SHORT] if _DIGEST.fullmatch(digest) else digest
        return f"{short}  {words}".rstrip()

    def _sides(self) -> tuple[str, str]:
        return ("made", "used") if self.direction is Direction.SOURCES else ("used", "made")


class Tracing(Shelf, Lineage):
    """The part of the hub that follows lineage."""

    def trace(self, what: str, direction: Direction | str = Direction.SOURCES) -> Trace:
        """Follow where something came from, or what it led to.

        Args:
            what: A digest or its beginning, or a version such as ``model:churn@champion``.
            direction: ``sources`` or ``uses``.

        Raises:
            UserError: ``HUB009`` when nothing is known of it, ``HUB004`` when several begin like this.
        """
        digest = self._digest_of(what)
        way = Direction(direction)
        steps = self.lineage(digest) if way is Direction.SOURCES else self.descendants(digest)
        with self._database.reading() as connection:
            seen = {digest: None} | {d: None for step in steps for d in (step.made, step.used)}
            names = {d: _names(connection, d) for d in seen}
            ids = dict.fromkeys(step.run_id for step in steps if step.run_id)
            found = "SELECT id, name, plan_digest FROM runs WHERE id = ?"
            rows = [row for run in ids for row in connection.execute(found, (run,)).fetchall()]
        runs = {row["id"]: {"name": row["name"], "plan": row["plan_digest"]} for row in rows}
        return Trace(digest, way, steps, {d: told for d, told in names.items() if told}, runs)

    def _digest_of(self, what: str) -> str:
        with self._database.reading() as connection:
            known = _known_digests(connection, what)
            if len(known) > 1 and what not in known:
                raise UserError(
                    "HUB004",
                    f"'{what}' can mean {len(known)} things: {', '.join(known[:6])}.",
                    "write more of it, or the kind before it, such as model:churn@3.",
                )
            if known:
                return what if what in known else known[0]
            for version in _versions(connection, what):
                return version
        raise UserError(
            "HUB009",
            f"nothing is known of '{what}'.",
            "give a digest, a version such as model:churn@3, or a file that weft predict wrote.",
        )


def _known_digests(connection: Connection, what: str) -> list[str]:
    """Return the digests that begin like this."""
    if not _DIGEST.fullmatch(what):
        return []
    found: dict[str, None] = {}
    for table, column in (("edges", "made"), ("edges", "used"), ("published", "digest")):
        query = f"SELECT DISTINCT {column} AS digest FROM {table} WHERE substr({column}, 1, ?) = ? "
        rows = connection.execute(f"{query} ORDER BY digest LIMIT 20", (len(what), what))
        found |= {row["digest"]: None for row in rows}
    return list(found)


def _versions(connection: Connection, what: str) -> Iterator[str]:
    kind = Reference.parse(what).kind
    reference = what.partition(":")[2] if kind else what
    for one in (kind,) if kind else tuple(Kind):
        try:
            yield resolve(connection, one, reference).digest
        except UserError:
            if kind:
                raise


def _names(connection: Connection, digest: str) -> tuple[str, ...]:
    """Return what a digest is called: published versions first, then the nodes that made it."""
    published = "SELECT kind, name, version FROM published WHERE digest = ? ORDER BY kind, name, version"
    names = [f"{r['kind']} {r['name']}@{r['version']}" for r in connection.execute(published, (digest,))]
    made = connection.execute("SELECT DISTINCT via FROM edges WHERE made = ? ORDER BY via", (digest,))
    return (*names, *(row["via"] for row in made if row["via"]))
