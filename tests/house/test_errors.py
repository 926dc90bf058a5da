"""Every error code has a page and a test that triggers it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"^(PQL|SCH|DATA|GRAPH|LEARN|FLOW|HUB|APP|AUTH|EXT)\d{3}$")


def codes_in_source() -> set[str]:
    found = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.match(node.value):
                found.add(node.value)
    for path in (ROOT / "native").glob("[sb]*/*.[ch]pp"):
        found |= set(re.findall(r'"(GRAPH\d{3})"', path.read_text()))
    return found


def test_every_code_has_a_page_whose_title_names_it():
    lacking = []
    for code in sorted(codes_in_source()):
        page = ROOT / "docs" / "errors" / f"{code}.md"
        if not page.exists() or not page.read_text().startswith(f"# {code}"):
            lacking.append(code)
    assert not lacking


def test_every_page_has_a_code_in_the_source():
    pages = {p.stem for p in (ROOT / "docs" / "errors").glob("*.md")} - {"index"}
    assert pages - codes_in_source() == set()


def test_every_code_is_triggered_by_a_test():
    texts = [
        p.read_text() for p in (ROOT / "tests").rglob("*") if p.suffix in {".py", ".txt", ".json", ".md"}
    ]
    texts += [p.read_text() for p in (ROOT / "native" / "tests").glob("*.cpp")]
    joined = "\n".join(texts)
    assert [c for c in sorted(codes_in_source()) if c not in joined] == []
