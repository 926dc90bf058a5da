"""The bench of networks on a GPU, at a hundredth of its size: it runs with or without one, and says which."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCH = Path(__file__).parents[3] / "bench" / "gpu.py"


# Every GPU, where there are some, and none of them.
SHOWN = [{"CUDA_VISIBLE_DEVICES": ""}, *([{}] if torch.cuda.is_available() else [])]


def bench(file: Path, shown: dict[str, str]) -> list[str]:
    without = {k: v for k, v in os.environ.items() if k != "WEFT_TEST_DATA"}
    command = [sys.executable, str(BENCH), "--scale", "0.01", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env=without | shown)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("shown", SHOWN, ids=lambda s: "no GPU" if s else "GPU")
def test_the_search_is_measured_beside_products_and_training_is_told_as_not_run(tmp_path, shown):
    lines = bench(tmp_path / "rows.json", shown)
    told_as_lacking = lines[0].startswith("there is no GPU here: the CPU is measured in its place (")
    assert told_as_lacking == bool(shown)
    written = json.loads((tmp_path / "rows.json").read_text())
    rows = {r["name"]: r for r in written["rows"]}
    assert all({"name", "value", "unit", "limit"} <= set(r) for r in rows.values())
    assert [line.split()[0] for line in lines[2:]] == list(rows)
    assert rows["train_samples_per_s"]["value"] is None
    assert "not run: WEFT_TEST_DATA is not set" in rows["train_samples_per_s"]["note"]
    for d in (64, 128, 256):
        search, product = rows[f"topk_pairs_d{d}"], rows[f"product_pairs_d{d}"]
        assert search["limit"] == rows["product_flops"]["value"] / (2 * d)
        assert 0 < product["value"] <= product["limit"] * 1.001
        assert rows[f"topk_of_product_d{d}"]["value"] == search["value"] / product["value"]
    assert written["machine"]["cores"] >= 1
