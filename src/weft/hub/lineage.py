"""Lineage: what was made from what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from weft.flow import Output, Plan
from weft.hub.records import Edge
from weft.hub.runs import Runs


class Lineage(Runs):
    """The part of the hub that remembers where things came from."""

    def record_lineage(self, run: str, plan: Plan, outputs: Mapping[str, Output]) -> None:
        """Keep where the outputs of a run's plan came from.

        A file comes from its node's output, an output from those of the nodes it used and from
        content outside the plan.
        """
        run_id = self.get_run(run).id
        edges = set()
        for node in plan.nodes:
            if (output := outputs.get(node.name)) is None:
                continue
            used = [outputs[source].digest for source in node.inputs.values()]
            edges |= {Edge(output.digest, d, node.name, run_id) for d in [*used, *node.digests.values()]}
            edges |= {Edge(d, output.digest, node.name, run_id) for d in output.files.values()}
        self.add_edges(edges)

    def add_edges(self, edges: Iterable[Edge]) -> None:
        """Keep steps of where something came from; those already known stay as they are."""
        rows = sorted((e.made, e.used, e.via, e.run_id) for e in edges)
        with self._database.writing() as connection:
            connection.executemany("INSERT INTO edges VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)

    def lineage(self, digest: str) -> tuple[Edge, ...]:
        """Return every step that led to ``digest``, nearest first."""
        return self._walk(digest, "made")

    def descendants(self, digest: str) -> tuple[Edge, ...]:
        """Return every step that ``digest`` led to, nearest first."""
        return self._walk(digest, "used")

    def _walk(self, digest: str, near: str) -> tuple[Edge, ...]:
        far = "used" if near == "made" else "made"
        query = f"SELECT made, used, via, run_id FROM edges WHERE {near} = ? ORDER BY made, used, via, run_id"
        found: dict[Edge, None] = {}
        todo, seen = [digest], {digest}
        with self._database.reading() as connection:
            for name in todo:
                for row in connection.execute(query, (name,)).fetchall():
                    found[Edge(**row)] = None
                    if row[far] not in seen:
                        seen.add(row[far])
                        todo.append(row[far])
        return tuple(found)
