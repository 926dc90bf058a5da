"""The type stubs of the native module are those of the module that was built."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUB = ROOT / "src" / "weft" / "graph" / "_native.pyi"


def test_the_stub_is_that_of_the_module(tmp_path):
    fresh = tmp_path / "_native.pyi"
    made = [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "weft.graph._native", "-o", str(fresh)]
    subprocess.run(made, check=True)
    subprocess.run(
        [sys.executable, "-m", "ruff", "format", "-q", "--config", ROOT / "pyproject.toml", fresh], check=True
    )
    assert fresh.read_text() == STUB.read_text(), "run make stubs"
