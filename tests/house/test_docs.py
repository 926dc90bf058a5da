"""The documentation is built, and the examples in it run and print what they say."""

import contextlib
import io
import itertools
import os
import re
import shlex
import shutil
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
def generated(tmp_path_factory):
    """The shop that the tutorial generates."""
    from weft.data import generate_shop

    folder = tmp_path_factory.mktemp("docs") / "shop"
    generate_shop(folder, num_users=2000, seed=0)
    return folder


@pytest.fixture
def place(generated, tmp_path, monkeypatch):
    """A new folder with the shop in ``shop/``: a page may rest on nothing that another page did."""
    shutil.copytree(generated, tmp_path / "shop")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    # Two pages may write modules of one name.
    for name in set(sys.modules) - known:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").resolve().is_relative_to(tmp_path):
            del sys.modules[name]
    sys.path_importer_cache.clear()


def pages_with_examples() -> list[Path]:
    return sorted({*pages_with("python"), *pages_with("console")})


@pytest.mark.parametrize("page", pages_with_examples(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_runs_from_top_to_bottom_and_prints_what_it_shows(page, place):
    namespace: dict[str, object] = {}
    blocks = examples(page)
    for (language, body), following in itertools.zip_longest(blocks, blocks[1:], fillvalue=("", "")):
        if language == "console":
            run_commands(body, place)
        elif language == "python":
            printed = run_python(body, page, namespace)
            if following[0] == "text" and printed:
                assert_alike(printed, following[1])


def run_python(body: str, page: Path, namespace: dict[str, object]) -> str:
    """What ``body`` prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(body, str(page), "exec"), namespace)
    return printed.getvalue()


def run_commands(body: str, place: Path) -> None:
    """Run the ``weft`` commands of a console block; the others belong to the page's reader."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for line in body.replace("\\\n", " ").splitlines():
        command = shlex.split(line.removeprefix("$ "), comments=True)
        if command[:1] == ["weft"]:
            done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_the_site_is_built_without_a_warning():
    done = subprocess.run([sys.executable, ROOT / "docs" / "build.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (ROOT / "site" / "index.html").exists()
