"""PQL021: several paths of foreign keys lead to the goal, and the query does not choose."""

from __future__ import annotations

from weft.pql.paths import MAX_PATHS, Path, via_text
from weft.pql.query import Span
from weft.pql.scope import Scope

CODE = "PQL021"


def check_one_path(scope: Scope, table: str, goal: str, paths: tuple[Path, ...], span: Span) -> Path:
    """Refuse several paths; each is listed with the VIA that chooses it."""
    if len(paths) == 1:
        return paths[0]
    count = f"at least {len(paths)}" if len(paths) >= MAX_PATHS else str(len(paths))
    listed = "; ".join(via_text(scope.schema, path) for path in paths)
    raise scope.fault(
        CODE,
        span,
        f"{count} paths of foreign keys lead from table '{table}' to table '{goal}'.",
        f"choose one after the column: {listed}.",
    )
