"""What must not stand in the repository: machine paths, unfinished marks, print."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FORBIDDEN = re.compile(r"\bTODO\b|\bFIXME\b|NotImplementedError|/root/|/work/|\.pyenv")

TEXTS = set(
    [
        ".py",
        ".pyi",
        ".md",
        ".toml",
        ".yaml",
        ".yml",
        ".sh",
        ".j2",
        ".lark",
        ".txt",
        ".css",
        ".js",
        ".html",
        ".svg",
        ".json",
        ".cpp",
        ".hpp",
    ]
)


def tracked_files() -> list[Path]:
    out = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    names = out.stdout.splitlines() or [str(p.relative_to(ROOT)) for p in (ROOT / "src").rglob("*.py")]
    return [ROOT / n for n in names if n != "tests/house/test_words.py"]


def test_no_unfinished_marks_and_no_paths_of_a_machine():
    found = []
    for path in tracked_files():
        if path.suffix in TEXTS or path.name in {"Makefile", "run"}:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if FORBIDDEN.search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found


def test_nothing_that_a_build_leaves_behind_is_kept():
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout == ""


def test_no_two_test_files_outside_packages_share_a_name():
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    names = [p.name for p in tests if not (p.parent / "__init__.py").exists()]
    assert sorted(set(names)) == sorted(names)
