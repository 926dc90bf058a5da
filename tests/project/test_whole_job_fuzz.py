"""Random tables, data, queries and options through every command: no traceback reaches a user.

``WEFT_FUZZ_SECONDS`` says for how long; ``WEFT_FUZZ_SEED`` runs one case alone.
"""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import sys
import time
import traceback

import pytest
from fuzz_queries import random_query
from fuzz_values import seeded
from fuzz_worlds import SANE_SIZES, SIZES, make_world, write_settings, write_world

import weft
from weft.cli.app import run_command
from weft.core import WeftError

SECONDS = float(os.environ.get("WEFT_FUZZ_SECONDS") or (240 if os.environ.get("WEFT_CI") else 25))
ONE_SEED = os.environ.get("WEFT_FUZZ_SEED")
MAX_CASE_S = 150
ERROR = re.compile(r"^[A-Z]{2,5}\d{3}: .+", re.MULTILINE)
HINT = re.compile(r"^Hint: \S.+", re.MULTILINE)


class Broken(AssertionError):
    """A command did what it must never do."""


def call(*arguments):
    """Run a command as a user would, check what holds for every command; return exit code and stdout."""
    texts = [str(a) for a in arguments]
    code, printed, told = _run(texts)
    said = f"weft {' '.join(map(repr, texts))}\nexit {code}\n{printed[-1500:]}\n{told[-1500:]}"
    if code not in (0, 1, 2) or "Traceback" in printed + told:
        raise Broken(f"{said}\n{_traceback(texts)}")
    if code and not (ERROR.search(told) and HINT.search(told)):
        raise Broken(f"no code or no hint: {said}")
    if "--json" in arguments:
        try:
            json.loads(printed, parse_constant=_refuse)
        except ValueError as error:
            raise Broken(f"no JSON ({error}): {said}") from error
    return code, printed


def _run(texts):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command(texts)
    return code, out.getvalue(), err.getvalue()


def _traceback(texts):
    """Run a command that failed once more, for where it did."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEFT_DEBUG", "1")
        return _run(texts)[2][-5000:]


def _refuse(constant):
    raise ValueError(f"{constant} is not JSON")


def run_case(seed, place):
    """Connect random tables, ask random questions, and ask everything of a run there is to ask."""
    rng = seeded(seed)
    is_sane = rng.random() < 0.7
    world = make_world(rng, sizes=SANE_SIZES if is_sane else SIZES)
    source = write_world(rng, world, place / "source")
    project = place / "project"
    project.mkdir()
    where = [source, "--project", project]
    kind = rng.random()
    if kind < 0.25:
        write_settings(rng, world, project, source)
        where = [project]
    elif kind < 0.4 and call("init", project, "--source", source)[0] == 0:
        where = [project]
    for command in ("tables", "links"):
        if call(command, *where, *_json(rng))[0]:
            return "tables refused"
    schema = _schema(where)
    for _ in range(6 if is_sane else 3):
        if ask(rng, where, schema, is_sane, place):
            answers(rng, project, place)
            return "answered"
    return "fit refused"


def ask(rng, where, schema, is_sane, place):
    """Ask one random question with random options; tell whether a run came of it."""
    question = ["--query", random_query(rng, schema)] if rng.random() < 0.95 else []
    odd = 0.1 if is_sane else 0.6
    given = split_options(rng, odd) if rng.random() < 0.5 else []
    if question and rng.random() < 0.3:
        call("query", "explain", *where, *question, *given, *_json(rng))
    if question and rng.random() < 0.3:
        target = place / rng.choice(["l.csv", "l.parquet"])
        call("labels", *where, *question, *given, "--out", target, *_json(rng))
    given += [
        "--budget",
        _pick(rng, odd / 2, ["1s"], ["0.3s", "0s", "1ms", "-1s", "soon", "", "nans", "1e-9s"]),
    ]
    if rng.random() < 0.5:
        given += ["--models", _pick(rng, odd, MODELS, ODD_MODELS)]
    command = "fit" if question and rng.random() < 0.5 else "quickstart"
    code, _ = call(command, *where, *question, *given, "--seed", rng.randint(0, 9), *_json(rng))
    return code == 0


MODELS = ["constant", "constant,entity,heuristic", "lightgbm", "linear", "constant,lightgbm,blend", "blend"]
ODD_MODELS = [
    "popularity",
    "ranker",
    "",
    ",",
    "oracle",
    "constant,constant",
    "CONSTANT",
    "\x00",
    "blend,blend",
]


def _pick(rng, odd, usual, unusual):
    return rng.choice(unusual if rng.random() < odd else usual)


def _json(rng):
    return ["--json"] if rng.random() < 0.7 else []


def split_options(rng, odd):
    """Options of a split, usual and unusual."""
    drawn = []
    if rng.random() < 0.4:
        starts = ["0001-01-01", "9999-12-31", "soon", "", "2021-03-01"]
        drawn += ["--val-start", _pick(rng, odd, ["2021-01-01", "2020-12-01T00:00:00Z"], starts)]
        if rng.random() < 0.8:
            drawn += ["--test-start", _pick(rng, odd, ["2021-03-01", "2021-05-01"], [*starts, "99999-01-01"])]
    if rng.random() < 0.3:
        steps = ["0 days", "-1 days", "1 second", "9999 years", "99999999999999999999 days", "soon", "1 hour"]
        drawn += ["--step", _pick(rng, odd, ["30 days", "1 month", "7 days"], steps)]
    if rng.random() < 0.2:
        drawn += ["--eval-anchors", _pick(rng, odd, ["1", "2"], ["0", "-1", "1000000", "9" * 20, "x"])]
    if rng.random() < 0.4:
        drawn += ["--history", _pick(rng, odd, ["frozen", "seed_time"], ["all", ""])]
    if rng.random() < 0.2:
        drawn += [
            "--memory-limit",
            _pick(rng, odd, ["200MB", "1GB"], ["50MB", "1KB", "0", "-1GB", "many", "9" * 30]),
        ]
    if rng.random() < 0.2:
        drawn += ["--threads", _pick(rng, odd, ["1", "3"], ["0", "64", "x"])]
    return drawn


def answers(rng, project, place):
    """Ask a finished run everything."""
    here = ["--project", project]
    at = rng.choice(
        [[], [], ["--at", "2021-06-01"], ["--at", "0001-01-01"], ["--at", "9999-12-31"], ["--at", "?"]]
    )
    code, out = call("predict", "latest", *here, *at, "--json")
    rows = json.loads(out)["predictions"] if code == 0 else []
    target = place / rng.choice(["p.csv", "p.parquet", "p.sqlite", "p.duckdb", "p.xyz"])
    call(
        "predict", "latest", *here, *at, "--out", target, "--table", rng.choice(["p", "a b", 'q"', "select"])
    )
    key = next(iter(rows[0].values())) if rows else "1"
    for entity in (key, rng.choice(["nobody", "1", "0", "-1", "99999999999999999999", "nan", "", "'"])):
        call("explain", "latest", *here, *at, *rng.choice([[], ["--json"]]), "--", entity)
        call("predict", "latest", *here, f"--entity={entity}", "--json")
    call("explain", "latest", *here, "--json")
    call("report", "latest", *here, "--out", place / "r.html", "--json")
    call("runs", *here, "--json")
    call("runs", "latest", *here, *rng.choice([[], ["--json"]]))
    call("store", "gc", *here, "--json")


def _schema(where):
    folder = {"project": where[2]} if len(where) == 3 else {}
    try:
        return (weft.connect(where[0], **folder).graph() if folder else weft.open_project(where[0])).schema
    except WeftError:
        return None


@contextlib.contextmanager
def at_most(seconds):
    """Turn a command that does not come back into a failure that shows where it was."""

    def ring(*_):
        raise Broken(f"no answer after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_whatever_comes_every_command_ends_with_an_answer_or_a_coded_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    deadline = time.monotonic() + SECONDS
    seeds = iter([int(ONE_SEED)]) if ONE_SEED else iter(range(10**9))
    ends = {}
    for seed in seeds:
        if time.monotonic() > deadline and ends:
            break
        place = tmp_path / f"case{seed}"
        place.mkdir()
        try:
            with at_most(MAX_CASE_S):
                end = run_case(seed, place)
        except Exception as error:
            again = f"WEFT_FUZZ_SEED={seed} python -m pytest {__file__}"
            where = "" if isinstance(error, Broken) and "exit" in str(error) else traceback.format_exc()
            pytest.fail(f"case {seed}: {error}\n{where}\nAgain: {again}", pytrace=False)
        ends[end] = ends.get(end, 0) + 1
        shutil.rmtree(place)
    sys.stdout.write(f"{sum(ends.values())} cases: {ends}\n")
    if not ONE_SEED:
        assert ends.get("answered", 0) >= 1
