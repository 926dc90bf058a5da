"""The worker's command line: what it needs, what it leaves, and how it ends."""

import json
import resource
import subprocess
import sys

import pytest

from weft.core import to_json
from weft.flow.record import look_up
from weft.flow.worker import read_log, read_result
from weft.testing.backends import make_spec


def command(*arguments):
    return [sys.executable, "-P", "-m", "weft.flow.worker", *map(str, arguments)]


def work(*arguments, **options):
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60, **options)


def test_a_specification_may_lie_in_the_store(store, tmp_path):
    (tmp_path / "go").touch()
    spec = make_spec(store, "talk", hints={"until": str(tmp_path / "go")})
    done = work(store.put_bytes(to_json(spec).encode()), "--store", store.url, "--echo")
    assert (done.returncode, done.stdout, done.stderr) == (0, "first\nsecond\n", "")
    assert read_log(store, spec.id, 6) == b"second\n"
    assert read_result(store, spec.id).state == "succeeded"
    assert look_up(store, spec.parts.key).record is not None
    assert [p.name for p in (tmp_path / "store/logs/suite").iterdir()] == ["a-1.log"]


def test_a_folder_gets_log_progress_and_result(store, tmp_path):
    (tmp_path / "spec.json").write_text(to_json(make_spec(store, "refuse")))
    done = work(tmp_path / "spec.json", "--folder", tmp_path / "out")
    assert done.returncode == 1
    assert (tmp_path / "out/log").read_text().startswith("about to refuse\n")
    assert json.loads((tmp_path / "out/result.json").read_text())["failure"]["code"] == "SCH001"


@pytest.mark.parametrize(("text", "more"), [("[]", []), ("{", []), (None, []), ("rank", ["--rank", "3"])])
def test_what_is_no_specification_is_refused(store, tmp_path, text, more):
    path = tmp_path / "spec.json"
    if text is not None:
        path.write_text(to_json(make_spec(store, "add", nodes=2)) if text == "rank" else text)
    done = work(path, *more)
    assert done.returncode == 1
    assert done.stderr.startswith("FLOW066: ")


def test_workers_on_machines_of_their_own_leave_one_output(store, tmp_path):
    log = tmp_path / "log"
    spec = make_spec(store, "count", hints={"log": str(log)}, nodes=2)
    digest = store.put_bytes(to_json(spec).encode())
    for rank in (1, 0):
        done = work(digest, "--store", store.url, "--rank", rank, "--master", "first:29500")
        assert done.returncode == 0, done
    assert log.read_text() == "1 of 2 at port 29500\n0 of 2 at port 29500\n"
    assert look_up(store, spec.parts.key).record.value == {"rank": "0"}
    assert read_result(store, spec.id, rank=1).state == "succeeded"


def test_a_secret_that_cannot_be_had_is_told_in_the_result(store, tmp_path):
    spec = make_spec(store, "tell_secret", secrets={"PASSWORD": "env:NOT_SET_ANYWHERE"})
    done = work(store.put_bytes(to_json(spec).encode()), "--store", store.url)
    assert done.returncode == 1
    assert read_result(store, spec.id).failure.code == "FLOW062"


def test_of_workers_of_which_one_fails_none_leaves_an_output(store, tmp_path):
    spec = make_spec(store, "fail_beside", nodes=2)
    done = work(store.put_bytes(to_json(spec).encode()), "--store", store.url)
    assert done.returncode == 3
    assert "rank 1" in read_result(store, spec.id).failure.message
    assert look_up(store, spec.parts.key).record is None


@pytest.mark.parametrize(("program", "code"), [("count", 0), ("fail_beside", 3)])
def test_the_first_worker_leaves_no_output_before_those_of_other_machines_succeed(
    store, tmp_path, program, code
):
    log = tmp_path / "log"
    spec = make_spec(store, program, hints={"log": str(log)}, nodes=2)
    digest = store.put_bytes(to_json(spec).encode())
    group = ("--store", store.url, "--master", "first:29500")
    folder = tmp_path / "first"
    first = subprocess.Popen(command(digest, *group, "--rank", 0, "--folder", folder))
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            first.wait(4)
        assert look_up(store, spec.parts.key).record is None
        assert work(digest, *group, "--rank", 1).returncode == code
        assert first.wait(20) == (2 if code else 0)
    finally:
        first.kill()
        first.wait()
    assert (look_up(store, spec.parts.key).record is None) == bool(code)
    if code:
        failure = read_result(store, spec.id).failure
        assert failure.code == "FLOW096" and "worker 1 of node 'a' did not succeed" in failure.message


def test_a_log_that_cannot_be_written_ends_the_attempt_with_the_reason(store, tmp_path):
    (tmp_path / "spec.json").write_text(to_json(make_spec(store, "chatter")))

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = work(tmp_path / "spec.json", "--folder", tmp_path / "out", preexec_fn=limit)
    assert done.returncode == 2, done
    failure = json.loads((tmp_path / "out/result.json").read_text())["failure"]
    assert (failure["code"], "the log of node 'a'" in failure["message"]) == ("FLOW012", True)
    assert (tmp_path / "out/log").stat().st_size == 100_000


def test_a_worker_begins_without_what_decides_over_plans_and_words_for_tables():
    later = [
        "weft.flow.runner",
        "weft.flow.examine",
        "weft.flow.backends.registry",
        "weft.core.schema",
        "socket",
    ]
    code = f"import sys, weft.flow.worker.command; print([m for m in {later} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
