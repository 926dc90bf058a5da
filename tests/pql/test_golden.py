"""Text in, text out: every construct and every error of the language.

A file holds cases ``### title``, a query, ``---`` and what comes out: canonical form and checked tree, or
the error; in files that begin with ``words``, the description. Write what comes out now into the files with
``WEFT_REFRESH_GOLDEN=1 pytest tests/pql/test_golden.py`` and read the difference in review.
"""

import json
import os
from pathlib import Path

import pytest

from weft.core import UserError, to_plain
from weft.pql import compile_query, describe

FOLDER = Path(__file__).parents[1] / "golden" / "pql"


def read_cases(path):
    cases = []
    for block in path.read_text(encoding="utf-8").split("\n### "):
        title, _, rest = block.removeprefix("### ").partition("\n")
        query, _, expected = rest.partition("\n---\n")
        cases.append((title, query, expected.strip("\n")))
    return cases


def write_cases(path, cases):
    blocks = [f"### {title}\n{query}\n---\n{output}\n" for title, query, output in cases]
    path.write_text("\n".join(blocks), encoding="utf-8")


def shorten(value):
    """Plain values without what repeats: places in the text, what is absent, the parts of a link."""
    if isinstance(value, list):
        return [shorten(v) for v in value]
    if not isinstance(value, dict):
        return value
    if value.get("$type") == "Link":
        return f"{value['table']}.{'+'.join(value['columns'])} -> {value['parent']}"
    if value.get("$type") == "Offset":
        return f"{value['value']} {value['unit']}"
    kept = {k: shorten(v) for k, v in value.items() if k != "span" and v is not None and v != []}
    return {k: v for k, v in kept.items() if not (k == "is_static" and v is False)}


def show_tree(query):
    lines = [query.canonical]
    for part in ("task", "target", "entities", "where", "assuming"):
        value = getattr(query, part)
        if value is not None:
            lines.append(f"{part}: {json.dumps(shorten(to_plain(value)), ensure_ascii=False)}")
    return "\n".join(lines)


def run_case(path, text, schema):
    show = describe if path.name.startswith("words") else show_tree
    try:
        return show(compile_query(text, schema))
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda p: p.stem)
def test_what_comes_out_is_what_the_golden_file_says(path, schema):
    cases = read_cases(path)
    actual = [(title, query, run_case(path, query, schema)) for title, query, _ in cases]
    if os.environ.get("WEFT_REFRESH_GOLDEN"):
        write_cases(path, actual)
    titles = [title for title, _, _ in cases]
    assert len(titles) == len(set(titles))
    for (title, query, expected), (_, _, found) in zip(read_cases(path), actual, strict=True):
        assert found == expected, f"{title}: {query}"
