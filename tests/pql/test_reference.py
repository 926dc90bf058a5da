"""The pages about the language: every query on them compiles, every error on them is real."""

import re
from pathlib import Path

import pytest
from test_golden import FOLDER, read_cases

from weft.pql import compile_query, describe, format_statement, parse

DOCS = Path(__file__).parents[2] / "docs"
RULES = Path(__file__).parents[2] / "src" / "weft" / "pql"
PAGE = (DOCS / "reference" / "pql.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STATEMENTS = [s for lang, body in FENCE.findall(PAGE) if lang == "sql" for s in body.strip().split("\n\n")]
OUTPUTS = [output for path in FOLDER.glob("*.txt") for _, _, output in read_cases(path)]


def codes_in(text):
    return set(re.findall(r"\bPQL0\d\d\b", text))


@pytest.mark.parametrize("statement", STATEMENTS)
def test_statements_of_the_reference_compile(statement, schema):
    query = compile_query(statement, schema)
    assert describe(query)
    assert format_statement(parse(query.canonical)) == query.canonical


def test_the_reference_shows_a_real_error():
    shown = [body.strip() for lang, body in FENCE.findall(PAGE) if lang == "text"]
    assert shown and all(text in OUTPUTS for text in shown)


def test_the_reference_names_every_word_of_the_language():
    grammar = (RULES / "grammar.lark").read_text(encoding="utf-8")
    words = set(re.findall(r"[A-Z]{2,}", " ".join(re.findall(r"/(.*)/i$", grammar, re.MULTILINE))))
    words -= {"INFINITY", "TIMEFRAME", "INITY"}
    assert words
    assert [w for w in sorted(words) if not re.search(rf"(?<![A-Z]){w}", PAGE)] == []


@pytest.mark.parametrize("page", sorted((DOCS / "errors").glob("PQL0*.md")), ids=lambda p: p.stem)
def test_pages_of_errors_show_what_really_comes_out(page):
    text = page.read_text(encoding="utf-8")
    [shown] = [body.strip() for lang, body in FENCE.findall(text) if lang == "text"]
    assert shown.startswith(f"{page.stem}: ")
    tested = (Path(__file__).parent / "test_compile.py").read_text(encoding="utf-8")
    assert shown in OUTPUTS or all(line.strip() in tested for line in shown.splitlines())


def test_every_rule_is_in_a_golden_file():
    codes = set().union(
        *(codes_in(p.read_text(encoding="utf-8")) for p in RULES.rglob("*.py") if p.parent != RULES)
    )
    codes |= {"PQL001", "PQL002", "PQL003", "PQL004", "PQL005"}
    assert codes - codes_in("\n".join(OUTPUTS)) == {"PQL070", "PQL071"}


def test_every_rule_has_a_file_of_its_own():
    codes = {}
    for path in (RULES / "rules").glob("*.py"):
        found = re.search(r'^CODE = "(PQL\d{3})"$', path.read_text(encoding="utf-8"), re.MULTILINE)
        if path.stem not in ("__init__", "statement"):
            assert found, path.name
            codes.setdefault(found[1], []).append(path.name)
    assert all(len(files) == 1 for files in codes.values())
