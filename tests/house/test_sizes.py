"""Files, functions and words that the house style limits."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
NATIVE = sorted((ROOT / "native").glob("[sbt]*/*.[ch]pp"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
BANNED_MODULES = {"utils", "helpers", "manager", "misc", "util", "helper", "common"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path):
    text = path.read_text()
    assert text.count("\n") <= MAX_FILE_LINES
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long


@pytest.mark.parametrize("path", NATIVE, ids=lambda p: str(p.relative_to(ROOT)))
def test_native_files_stay_small(path):
    assert path.read_text().count("\n") <= MAX_FILE_LINES


def test_no_module_has_a_name_that_says_nothing():
    assert not [p for p in SOURCES if p.stem in BANNED_MODULES]


def test_every_room_has_a_page_that_says_what_it_owns():
    rooms = [p for p in (ROOT / "src" / "weft").iterdir() if (p / "__init__.py").exists()]
    assert rooms
    for room in rooms:
        text = (room / "README.md").read_text()
        for word in ("Owns", "Never", "Invariants"):
            assert word in text, f"{room.name}/README.md lacks '{word}'"
