"""Full disks, too little memory, two processes, kills, damaged files, secrets: through the whole job."""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.data import generate_shop
from weft.flow import Store

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"
QUICK = [
    "quickstart",
    "shop",
    "--query",
    CHURN,
    "--budget",
    "1s",
    "--models",
    "constant,entity,heuristic",
    "--json",
]

# Runs the command line with a limit on the size of any file, as on a disk without space.
FULL = """
import resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from weft.cli import main
main(sys.argv[2:])
"""


@pytest.fixture
def place(tmp_path):
    generate_shop(tmp_path / "shop", num_users=150, seed=2)
    return tmp_path


def start(place, arguments, program=("-m", "weft"), **environment):
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
    )


def finish(process):
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in out + err, err
    return process.returncode, out, err


def states(out):
    return {s["name"]: s["state"] for s in json.loads(out)["stages"]}


def check_store(place):
    """Every blob that is there is what its name says."""
    assert Store(place / ".weft").verify() == ()


@pytest.mark.parametrize("limit", [20_000, 250_000])
def test_on_a_full_disk_the_error_has_a_code_and_afterwards_the_run_goes_on(place, limit):
    code, out, err = finish(start(place, QUICK, ("-c", FULL, str(limit))))
    assert code == 2, err
    error = json.loads(out)["error"]
    assert error["hint"]
    assert "full" in err or "space" in err or "large" in err
    if not (place / ".weft" / "blobs").exists():
        return
    check_store(place)
    before = Store(place / ".weft").list_refs("nodes/")
    code, out, err = finish(start(place, QUICK))
    assert code == 0, err
    assert list(states(out).values()).count("cached") >= len(before)
    check_store(place)


# On a disk of its own: fills it but for some kilobytes, runs the command line, makes room, runs it again.
REALLY_FULL = """
mount -t tmpfs -o size=40m tmpfs small
head -c 40000000 /dev/zero > small/fill
"$@"; echo "exit $?"
rm small/fill
"$@"; echo "exit $?"
"""


def test_on_a_disk_that_is_really_full_the_same_command_goes_on_when_there_is_room(place):
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a test mount a file system of its own (unshare -rm)")
    (place / "small").mkdir()
    command = ["unshare", "-rm", "sh", "-c", REALLY_FULL, "sh", sys.executable, "-m", "weft", *QUICK]
    done = subprocess.run(
        [*command, "--project", "small"], cwd=place, capture_output=True, text=True, timeout=300
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    full, first_exit, answer, last_exit = done.stdout.splitlines()
    assert (first_exit, last_exit) == ("exit 2", "exit 0"), done.stderr
    assert json.loads(full)["error"]["hint"]
    assert json.loads(answer)["verdict"]


@pytest.mark.parametrize("limit", ["1MB", "40MB", "200MB"])
def test_a_small_memory_limit_is_an_answer_or_a_coded_error(place, limit):
    code, out, err = finish(start(place, [*QUICK, "--memory-limit", limit]))
    answer = json.loads(out)
    if code == 0:
        assert answer["verdict"]
    else:
        assert code == 1
        assert "memory" in answer["error"]["message"]
        assert answer["error"]["hint"]
    code, _, err = finish(start(place, QUICK))
    assert code == 0, err


def test_two_processes_in_one_project_both_finish_and_share_what_they_make(place):
    both = [start(place, QUICK) for _ in range(2)]
    ends = [finish(process) for process in both]
    assert [code for code, _, _ in ends] == [0, 0], ends
    told = [json.loads(out) for _, out, _ in ends]
    assert told[0]["run"] != told[1]["run"]
    assert told[0]["verdict"] == told[1]["verdict"]
    one, other = (states(out) for _, out, _ in ends)
    assert one.keys() == other.keys()
    assert not [name for name in one if one[name] == other[name] == "ran"]
    check_store(place)
    _, out, _ = finish(start(place, ["runs", "--json"]))
    assert len(json.loads(out)["runs"]) == 2


def test_two_processes_with_two_questions_share_the_tables(place):
    other = [a if a != CHURN else CHURN.replace("30", "60") for a in QUICK]
    ends = [finish(p) for p in [start(place, QUICK), start(place, other)]]
    assert [code for code, _, _ in ends] == [0, 0], ends
    check_store(place)
    for arguments in (QUICK, other):
        _, out, _ = finish(start(place, arguments))
        assert set(states(out).values()) == {"cached"}


def test_truncated_parquet_is_named_and_the_runs_before_stay(place):
    code, out, _ = finish(start(place, QUICK))
    run = json.loads(out)["run"]
    path = place / "shop" / "orders.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    code, out, err = finish(start(place, QUICK))
    assert code == 1
    assert "orders.parquet" in json.loads(out)["error"]["message"]
    code, out, err = finish(start(place, ["predict", run, "--json"]))
    assert code == 0, err
    path.write_bytes(whole)
    code, out, err = finish(start(place, QUICK))
    assert code == 0, err
    assert set(states(out).values()) == {"cached"}


def test_mixed_encodings_name_the_file_and_the_line(place):
    lines = [f"{i},name{i}" for i in range(200)]
    text = "\n".join(["id,name", *lines]).encode()
    (place / "shop" / "people.csv").write_bytes(text + "\n200,Zoë\n".encode() + "201,Zoë\n".encode("latin-1"))
    code, out, _ = finish(start(place, QUICK))
    assert code == 1
    message = json.loads(out)["error"]["message"]
    assert "people.csv" in message
    assert "line 203" in message


def test_a_wrong_password_is_refused_and_nowhere_shown(place, guarded_url):
    arguments = ["quickstart", guarded_url, "--query", CHURN, "--json"]
    _, debugged = start(place, arguments, WEFT_DEBUG="1").communicate(timeout=60)
    assert "Traceback" in debugged and "hunter2" not in debugged
    code, out, err = finish(start(place, arguments))
    assert code == 1
    assert json.loads(out)["error"]["code"] == "DATA028"
    assert "hunter2" not in out + err
    (place / "weft.yaml").write_text("source: " + guarded_url.replace("hunter2", "${SHOP_PASSWORD}"))
    code, out, err = finish(start(place, ["tables", ".", "--json"], SHOP_PASSWORD="hunter2"))
    assert code == 1
    assert "hunter2" not in out + err
    for path in (place / ".weft").rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes(), path


def wide_table(folder, num_columns):
    """An entity with very many columns, one of which tells the label, and its events."""
    rng = np.random.default_rng(0)
    n = 60
    columns = {f"c{i}": rng.integers(0, 50, n) * (i % 7 + 0.5) for i in range(num_columns - 1)}
    pq.write_table(pa.table({"user_id": np.arange(n)} | columns), folder / "users.parquet")
    days = rng.integers(0, 300, 2000)
    events = {
        "order_id": np.arange(2000),
        "user_id": rng.integers(0, n, 2000),
        "created_at": np.datetime64("2024-01-01", "us") + days * np.timedelta64(1, "D"),
    }
    pq.write_table(pa.table(events), folder / "orders.parquet")


def test_ten_thousand_columns_are_profiled_prepared_and_labelled(tmp_path):
    (tmp_path / "shop").mkdir()
    wide_table(tmp_path / "shop", 10_000)
    code, out, err = finish(start(tmp_path, ["labels", "shop", "--query", CHURN, "--out", "l.csv", "--json"]))
    assert code == 0, err
    assert json.loads(out)["counts"]["train"]


def test_two_thousand_columns_end_in_a_verdict(tmp_path):
    (tmp_path / "shop").mkdir()
    wide_table(tmp_path / "shop", 2_000)
    code, out, err = finish(start(tmp_path, QUICK))
    assert code == 0, err
    assert json.loads(out)["verdict"]
