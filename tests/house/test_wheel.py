"""A built wheel installs into an empty environment and runs the quickstart there."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, cwd, env=None):
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_built_wheel_runs_the_quickstart_in_an_empty_environment(tmp_path):
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    wheel = next(tmp_path.glob("weft-*.whl"))
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path)
    clean = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "WEFT_TEST_DATA"}}
    code = "from weft.data import generate_shop; generate_shop('shop', num_users=300, seed=1)"
    run(python, "-c", code, cwd=tmp_path, env=clean)
    command = [tmp_path / "env" / "bin" / "weft", "quickstart", "shop", "--budget", "10s", "--json"]
    answer = json.loads(run(*command, cwd=tmp_path, env=clean))
    assert answer["leaderboard"]
    assert Path(answer["report"]).exists()
    size = sum(f.stat().st_size for f in (tmp_path / "env").rglob("*") if f.is_file())
    assert size < 900e6, f"the installation takes {size / 1e6:.0f} MB"
