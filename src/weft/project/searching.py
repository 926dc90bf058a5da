"""What ``search`` of ``weft.yaml`` says, checked against task and schema before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weft.compile import reads_graph
from weft.core import Schema, Task, UserError
from weft.learn import EncoderOptions, check_space, default_space, is_search, read_space, unheard_names
from weft.project.encoding import encoded_columns

_LINK, _BY_COLUMN = "link:", "encoders.by_column"


def check_search(search: Mapping[str, Any], task: Task, schema: Schema, models: Sequence[str]) -> None:
    """Refuse what no network of a fit could follow.

    What is said for networks of another kind of task is let be where none of the fit follows it.

    Args:
        search: As `read_space` takes it.
        task: Of the query.
        schema: Of the tables.
        models: Rungs that are tried.

    Raises:
        UserError: ``LEARN045`` for a setting, a value or a link that there is not, or that does not suit the
            task; ``LEARN040`` for a column or an encoder that there is not.
    """
    space = read_space(search, default_space(task.type))
    if not reads_graph(models):
        return
    if not any(map(is_search, models)):
        unheard = unheard_names(None, search)
        space = {name: found for name, found in space.items() if name in search and name not in unheard}
    check_space(space, task)
    _check_links(search, schema)
    names = [f"{t.name}.{c.name}" for t in schema.tables for c in encoded_columns(schema, t.name)]
    EncoderOptions(by_column=dict(search.get(_BY_COLUMN, {}))).check_columns(names)


def _check_links(search: Mapping[str, Any], schema: Schema) -> None:
    known = [link.name for link in schema.links]
    short = {name.partition(" -> ")[0] for name in known}
    for name in search:
        link = name.removeprefix(_LINK)
        if link != name and link not in known and link not in short:
            raise UserError(
                "LEARN045",
                f"the search knows no link '{link}'.",
                f"choose among {', '.join(known)}." if known else "leave it out: there are no links.",
            )
