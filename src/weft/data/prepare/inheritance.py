"""Which tables take the time of their rows from their parents, and in what order."""

from __future__ import annotations

from weft.core import Link, Schema


def preparation_order(schema: Schema) -> tuple[str, ...]:
    """Return all tables, each after those it inherits its time from; ties by name."""
    order = sorted(t.name for t in schema.tables if t.time_column)
    rest = {t.name for t in schema.tables if not t.time_column}
    while rest:
        ready = [n for n in sorted(rest) if not rest & {k.parent for k in inherited_links(schema, n)}]
        assert ready, rest
        order.append(ready[0])
        rest.discard(ready[0])
    return tuple(order)


def inherited_links(schema: Schema, table: str) -> tuple[Link, ...]:
    """Return the links by which a table without a time takes one; none for a table with its own.

    A link inside a circle of timeless tables, a table's link to itself among them, gives no time:
    which of the tables came first cannot be told from either.
    """
    if schema.table(table).time_column:
        return ()
    return tuple(k for k in schema.links_from(table) if not _is_circular(schema, k))


def dated_links(schema: Schema, table: str) -> tuple[Link, ...]:
    """Return the links by which a table without a time takes one from a table that has times."""
    return tuple(k for k in inherited_links(schema, table) if _is_dated(schema, k.parent))


def circular_links(schema: Schema) -> tuple[Link, ...]:
    """Return the links between different tables that give no time because they form a circle."""
    timeless = [k for k in schema.links if not schema.table(k.table).time_column]
    return tuple(sorted(k for k in timeless if k.table != k.parent and _is_circular(schema, k)))


def _is_dated(schema: Schema, table: str) -> bool:
    return schema.table(table).time_column is not None or bool(dated_links(schema, table))


def _is_circular(schema: Schema, link: Link) -> bool:
    return link.table in _timeless_ancestors(schema, link.parent)


def _timeless_ancestors(schema: Schema, table: str) -> set[str]:
    """Return ``table`` and all it reaches by links, going through timeless tables only."""
    reached: set[str] = set()
    waiting = [table]
    while waiting:
        name = waiting.pop()
        if name in reached or schema.table(name).time_column:
            continue
        reached.add(name)
        waiting += [k.parent for k in schema.links_from(name)]
    return reached
