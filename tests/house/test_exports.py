"""The door of every room: sorted public names that exist, and a light import."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted(p.parent.name for p in (ROOT / "src" / "weft").glob("*/__init__.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_the_door_lists_names_that_exist(room):
    module = importlib.import_module(f"weft.{room}")
    names = list(module.__all__)
    assert len(names) == len(set(names))
    missing = [n for n in names if getattr(module, n, None) is None]
    assert not missing


def test_import_weft_brings_no_heavy_library():
    heavy = [
        "duckdb",
        "ibis",
        "lightgbm",
        "sklearn",
        "matplotlib",
        "pandas",
        "torch",
        "polars",
        "dbos",
        "sqlalchemy",
    ]
    code = f"import sys, weft; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_import_weft_takes_under_three_tenths_of_a_second_of_cpu():
    code = "import time; t = time.process_time(); import weft; print(time.process_time() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.3


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ["PASSIVE", "2000"]),
        ({"GOMP_SPINCOUNT": "7"}, [None, "7"]),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, ["ACTIVE", None]),
    ],
)
def test_threads_that_wait_sleep_unless_the_user_says_how_they_wait(given, told):
    names = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"]
    code = f"import os, weft; print([os.environ.get(n) for n in {names}])"
    environment = {k: v for k, v in os.environ.items() if k not in names} | given
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert out.stdout.strip() == str(told)
