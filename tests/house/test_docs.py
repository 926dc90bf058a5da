"""The documentation is built, and the examples in it run and print what they say."""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(path: Path) -> list[tuple[str, str]]:
    """Language and body of every fence of a page."""
    return FENCE.findall(path.read_text())


def pages_with(language: str) -> list[Path]:
    return [
        p for p in PAGES if "generated" not in p.parts and any(lang == language for lang, _ in examples(p))
    ]


NUMBER = re.compile(r"[+-]?\d+\.\d+")


def assert_alike(printed: str, shown: str) -> None:
    """Words must be equal; numbers with decimals may differ a little between processors.

    What follows "on test" in a verdict is a judgement that such a difference may tip.
    """
    printed, shown = (text.partition(" on test")[0] for text in (printed, shown))
    assert NUMBER.sub("#", printed.strip()) == NUMBER.sub("#", shown.strip())
    for left, right in zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True):
        assert float(left) == pytest.approx(float(right), rel=0.05, abs=0.02)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder with a generated shop in ``shop/``, as the tutorial makes it."""
    from weft.data import generate_shop

    folder = tmp_path_factory.mktemp("docs")
    generate_shop(folder / "shop", num_users=2000, seed=0)
    return folder


@pytest.mark.parametrize("page", pages_with("python"), ids=lambda p: str(p.relative_to(ROOT)))
def test_python_examples_run_and_print_what_the_page_shows(page, shop, monkeypatch):
    monkeypatch.chdir(shop)
    namespace: dict[str, object] = {}
    blocks = examples(page)
    for index, (language, body) in enumerate(blocks):
        if language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(body, str(page), "exec"), namespace)
        following = blocks[index + 1] if index + 1 < len(blocks) else ("", "")
        if following[0] == "text" and printed.getvalue():
            assert_alike(printed.getvalue(), following[1])


@pytest.mark.parametrize("page", pages_with("console"), ids=lambda p: str(p.relative_to(ROOT)))
def test_weft_commands_on_the_pages_succeed(page, shop):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for language, body in examples(page):
        if language != "console":
            continue
        for line in body.splitlines():
            command = shlex.split(line.removeprefix("$ "), comments=True)
            if command[:1] == ["weft"]:
                done = subprocess.run(command, cwd=shop, env=environment, capture_output=True, text=True)
                assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_the_site_is_built_without_a_warning():
    done = subprocess.run([sys.executable, ROOT / "docs" / "build.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (ROOT / "site" / "index.html").exists()
