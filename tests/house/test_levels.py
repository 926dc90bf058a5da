"""The rooms import only downwards."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_import_linter_finds_no_broken_contract():
    program = Path(sys.executable).with_name("lint-imports")
    out = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert out.returncode == 0, out.stdout
