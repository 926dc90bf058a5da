"""The commands as a user types them: output, exit codes, help."""

import json
import os
import re
import subprocess
import sys
import types

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from weft import connect
from weft.cli import command_help
from weft.cli.app import run_command
from weft.cli.commands.fitting import _show
from weft.core import UserError
from weft.data import generate_shop

LACKING = {"x", "predict", "explain", "report"}
CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"
QUICK = ["--query", CHURN, "--budget", "1s", "--models", "constant,entity,heuristic"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    generate_shop(folder / "shop", num_users=200, seed=1)
    return folder


@pytest.fixture
def weft(place, monkeypatch, capsys):
    """Run a command in the folder; return exit code, stdout and stderr."""
    monkeypatch.chdir(place)

    def call(*arguments):
        code = run_command([str(a) for a in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_quickstart_prints_the_promised_json(weft, place):
    code, out, _ = weft("quickstart", "shop", *QUICK, "--json")
    answer = json.loads(out)
    assert code == 0
    assert {"run", "task", "history", "split_sizes", "audit", "leaderboard", "verdict", "report"} <= set(
        answer
    )
    assert set(answer["split_sizes"]) == {"train", "val", "test"}
    row = answer["leaderboard"][0]
    assert {"model", "metric", "val", "test", "ci", "fit_s", "rows_per_s"} <= set(row)
    assert (place / answer["report"]).exists()


def test_quickstart_without_a_query_proposes_three_and_runs_the_first(weft):
    code, out, err = weft("quickstart", "shop", "--budget", "1s", "--models", "constant,entity")
    assert code == 0
    proposals = [line.strip() for line in err.splitlines() if line.strip().startswith("PREDICT")]
    assert len(proposals) == 3
    assert proposals[0] in out
    assert "Verdict:" in out


def test_progress_stays_quiet_when_stderr_is_no_terminal(weft):
    _, _, err = weft("fit", "shop", *QUICK)
    assert err == ""


def test_labels_are_written_under_the_keys_own_name(weft, place):
    code, out, _ = weft("labels", "shop", "--query", CHURN, "--out", "labels.parquet")
    assert code == 0
    table = pq.read_table(place / "labels.parquet")
    assert table.column_names == ["user_id", "anchor_time", "label", "split"]
    assert f"{table.num_rows:,} labels" in out


def test_tables_links_and_query_explain_say_what_was_found(weft):
    for command in (["tables", "shop"], ["links", "shop"], ["tables", "shop", "--table", "orders"]):
        code, out, _ = weft(*command)
        assert code == 0
        assert "user_id" in out
        code, out, _ = weft(*command, "--json")
        assert json.loads(out)
    code, out, _ = weft("query", "explain", "shop", "--query", CHURN)
    assert code == 0
    assert "No model was fitted" in out
    code, out, _ = weft("query", "explain", "shop", "--query", CHURN, "--json")
    assert json.loads(out)["splits"]["test"]


def test_every_link_shows_its_source_confidence_and_reasons(weft, place):
    (place / "weft.yaml").write_text('links: {add: ["visits.user_id -> users"]}\n')
    try:
        _, text, _ = weft("links", "shop")
        links = {k["name"]: k["evidence"] for k in json.loads(weft("links", "shop", "--json")[1])["links"]}
    finally:
        (place / "weft.yaml").unlink()
    assert len(links) >= 4
    for name, evidence in links.items():
        assert 0 < evidence["confidence"] <= 1
        assert evidence["reasons"]
        (line,) = [row for row in text.splitlines() if row.startswith(f"{name} ")]
        assert f"{evidence['source']}" in line
        assert f"{evidence['confidence']:.0%}" in line
        assert evidence["reasons"][0] in line
    assert {n for n, e in links.items() if e["source"] == "user"} == {"visits.user_id -> users"}
    assert "it is the key of 'users' by name" in links["orders.user_id -> users"]["reasons"]


def test_a_run_predicts_explains_and_reports_later(weft, place):
    weft("fit", "shop", *QUICK)
    code, out, _ = weft("runs", "--json")
    assert code == 0
    assert json.loads(out)["runs"]
    code, out, _ = weft("runs", "latest")
    assert "Verdict" in out
    code, out, _ = weft("predict", "latest", "--json")
    rows = json.loads(out)["predictions"]
    assert rows
    code, out, _ = weft("explain", "latest", rows[0]["user_id"], "--json")
    assert json.loads(out)["model"]
    code, out, _ = weft("explain", "latest")
    assert code == 0
    code, out, _ = weft("explain", "latest", "--by", "users.tier", "--json")
    assert {c["value"] for c in json.loads(out)["cohorts"]["cohorts"]} >= {"basic"}
    code, out, _ = weft("explain", "latest", rows[0]["user_id"], "--out", "why.html")
    assert (place / "why.html").read_text().startswith("<!doctype html>")
    for words in (("--out", "x.html"), (rows[0]["user_id"], "--by", "users.tier")):
        code, _, err = weft("explain", "latest", *words)
        assert code == 1 and "LEARN061" in err
    code, out, _ = weft("report", "latest", "--out", "r.html")
    assert (place / "r.html").read_text().lower().startswith("<!doctype html>")


def test_items_are_recommended_to_a_file(weft, place):
    query = "PREDICT LIST_DISTINCT(order_items.product_id, 0, 30) RANK TOP 5 FOR EACH users.user_id"
    weft("fit", "shop", "--query", query, "--budget", "1s", "--models", "popularity,repeat")
    code, out, _ = weft("predict", "latest", "--top", "12", "--out", "items.parquet")
    assert code == 0 and "entities/s" in out
    kept = pq.read_table(place / "items.parquet")
    assert max(kept["rank"].to_pylist()) == 12
    code, out, _ = weft("predict", "latest", "--top", "12", "--drop-seen", "--out", "items.csv", "--json")
    told, new = json.loads(out), pd.read_csv(place / "items.csv")
    assert told["rows"] == len(new) and told["entities"] == new["user_id"].nunique()
    assert not kept.to_pandas()[["user_id", "item"]].equals(new[["user_id", "item"]])
    code, _, err = weft("predict", "latest", "--all-items")
    assert code == 1 and "LEARN063" in err
    weft("fit", "shop", *QUICK)
    code, _, err = weft("predict", "latest", "--top", "3")
    assert code == 1 and "LEARN062" in err


@pytest.mark.parametrize("target", ["p.parquet", "p.csv", "p.duckdb", "p.sqlite"])
def test_predictions_are_written_and_appended(weft, place, target):
    weft("fit", "shop", *QUICK)
    code, out, err = weft("predict", "latest", "--out", target, "--json")
    assert code == 0, err
    once = json.loads(out)["rows"]
    code, out, err = weft("predict", "latest", "--out", target, "--mode", "append", "--json")
    assert code == 0, err
    assert json.loads(out)["rows_total"] == 2 * once
    if target.endswith(".duckdb"):
        with duckdb.connect(str(place / target), read_only=True) as connection:
            assert connection.execute("SELECT count(*) FROM predictions").fetchone()[0] == 2 * once


def test_init_writes_a_project_that_runs_and_does_not_overwrite(weft, place):
    code, _, err = weft("init", "made", "--source", "shop")
    assert code == 0, err
    text = (place / "made" / "weft.yaml").read_text()
    assert "source: ../shop" in text
    code, _, err = weft("fit", "made", "--query", "proposal1", "--budget", "1s", "--models", "constant")
    assert code == 0, err
    code, _, err = weft("init", "made", "--source", "shop")
    assert code == 1
    assert "DATA119" in err


def test_quantiles_are_columns_beside_a_predicted_number(weft):
    spend = "PREDICT SUM(orders.total_amount, 0, 30, days) FOR EACH users.user_id"
    weft("fit", "shop", "--query", spend, "--budget", "1s", "--models", "constant,heuristic")
    code, out, err = weft("predict", "latest", "--quantiles", "0.1,0.9", "--json")
    assert code == 0, err
    row = json.loads(out)["predictions"][0]
    assert row["q10"] <= row["q90"]
    code, _, err = weft("predict", "latest", "--quantiles", "ten")
    assert code == 1
    assert "LEARN031" in err


def test_store_gc_says_what_it_did(weft):
    assert weft("tables", "shop")[0] == 0
    code, out, _ = weft("store", "gc", "--dry-run")
    assert code == 0
    assert "would be removed" in out
    code, out, _ = weft("store", "gc", "--json")
    assert "num_blobs" in json.loads(out)


def test_store_verify_names_a_flipped_byte_and_repeating_the_query_mends_it(weft, place):
    fit = ["fit", "shop", *QUICK, "--project", "flip"]
    assert weft(*fit)[0] == 0
    code, out, _ = weft("store", "verify", "--project", "flip")
    assert code == 0
    assert "all are sound" in out
    for blob in (place / "flip" / ".weft" / "blobs").rglob("*"):
        if blob.is_file() and blob.read_bytes().startswith(b"PAR1"):
            content = bytearray(blob.read_bytes())
            content[len(content) // 2] ^= 1
            blob.chmod(0o644)
            blob.write_bytes(content)
            break
    code, out, _ = weft("store", "verify", "--project", "flip", "--json")
    answer = json.loads(out)
    assert (code, answer["is_sound"], len(answer["faults"])) == (1, False, 1)
    assert answer["faults"][0]["digest"] == blob.parent.name + blob.name
    code, out, _ = weft("store", "verify", "--project", "flip")
    assert code == 1
    assert f"damaged: blobs/{blob.parent.name}/{blob.name}" in out
    assert "needed by: runs/" in out
    assert "repeat the query" in out
    assert weft(*fit)[0] == 0
    assert weft("store", "verify", "--project", "flip")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["quikstart"], 1, "DATA116"),
        (["quickstart", "nowhere"], 1, "DATA020"),
        (["quickstart", "shop", "--query", "PREDICT"], 1, "PQL"),
        (["quickstart", "shop", "--query", CHURN.replace("orders", "orderz")], 1, "PQL"),
        (["fit", "shop", "--query", "churny"], 1, "DATA129"),
        (["fit", "shop", "--frob"], 1, "see weft fit --help"),
        (["fit", "shop", "--query", CHURN, "--models", "oracle"], 1, "LEARN006"),
        (["fit", "shop", "--query", CHURN, "--budget", "soon"], 1, "DATA002"),
        (["fit", "shop", "--query", CHURN, "--memory-limit", "lots"], 1, "DATA003"),
        (["fit", "shop", "--query", CHURN, "--history", "none"], 1, "DATA123"),
        (["fit", "shop", "--query", CHURN, "--seed", "-1"], 1, "DATA131"),
        (["fit", "shop", "--query", CHURN, "--models", ",,"], 1, "DATA131"),
        (["fit", "shop", "--query", CHURN, "--metric", "beauty"], 1, "LEARN007"),
        (["labels", "shop", "--query", CHURN, "--out", "shop/labels.csv"], 1, "DATA130"),
        (["predict", "no-such-run"], 1, "FLOW053"),
        (["tables", "shop", "--project", "/proc/nowhere"], 2, "DATA114"),
    ],
)  # fmt: skip
def test_what_a_user_gets_wrong_has_a_code_a_hint_and_an_exit_code(weft, arguments, code, word):
    got, out, err = weft(*arguments)
    assert got == code
    assert word in err
    assert "Hint:" in err
    assert "Traceback" not in err
    assert out == ""


def test_explain_before_predict_runs_nothing(weft, place):
    for name in ("fit", "quickstart"):
        code, out, _ = weft(name, "shop", "--query", f"EXPLAIN {CHURN}")
        assert code == 0
        assert "No model was fitted" in out and "Verdict" not in out
    with pytest.raises(UserError, match="DATA132"):
        connect("shop").graph().query(f"EXPLAIN {CHURN}").fit()


def test_with_json_an_error_is_an_object(weft):
    code, out, _ = weft("quickstart", "nowhere", "--json")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "DATA020"


def test_a_bug_of_ours_is_exit_three_and_no_traceback(weft, monkeypatch):
    def fail(*_, **__):
        raise KeyError("x")

    monkeypatch.setattr("weft.project.graph.Graph.ask", fail)
    code, _, err = weft("fit", "shop", "--query", CHURN)
    assert code == 3
    assert "DATA117" in err
    assert "Traceback" not in err


def test_every_command_has_a_help_text_with_an_example():
    pages = dict(command_help())
    assert {"weft quickstart", "weft query explain", "weft store gc", "weft demo"} <= set(pages)
    for name, text in pages.items():
        if name == "weft version" or any(other.startswith(f"{name} ") for other in pages):
            continue
        assert "Example: weft" in text, name
        assert "--json" in text, name


def test_a_first_line_of_help_fits_the_list_of_commands():
    lists = [text for name, text in command_help() if "COMMAND [ARGS]" in text]
    assert not [
        line for text in lists for line in text.splitlines() if line.endswith("...") and "[ARGS]" not in line
    ]


def test_a_place_without_runs_is_named(weft, place):
    for command in ("predict", "report"):
        code, _, err = weft(command, "latest", "--project", "bare")
        assert (code, "FLOW053" in err, str(place / "bare") in err) == (1, True, True)
    code, out, _ = weft("runs", "--project", "bare")
    assert str(place / "bare") in out
    for command in ("verify", "gc"):
        assert "Nothing is kept" in weft("store", command, "--project", "bare")[1]
        assert json.loads(weft("store", command, "--project", "bare", "--json")[1])["num_blobs"] == 0


def test_the_models_of_all_runs_are_listed_with_the_run_that_made_each(weft, place):
    assert "No models yet in" in weft("models", "--project", "modelled")[1]
    assert json.loads(weft("models", "--project", "modelled", "--json")[1]) == {"models": []}
    assert not (place / "modelled").exists()
    for seed in (0, 1):
        assert weft("fit", "shop", *QUICK, "--seed", seed, "--project", "modelled")[0] == 0
    runs = json.loads(weft("runs", "--project", "modelled", "--json")[1])["runs"]
    code, out, _ = weft("models", "--project", "modelled", "--json")
    models = json.loads(out)["models"]
    assert code == 0
    assert [(m["name"], m["version"], m["run"]) for m in models] == [
        ("users", 2, runs[0]["name"]),
        ("users", 1, runs[1]["name"]),
    ]
    assert models[0]["metrics"] == {"auroc": runs[0]["results"]["winner"]["test"]}
    code, out, _ = weft("models", "--project", "modelled")
    lines = out.splitlines()
    assert lines[0].split() == ["model", "version", "run", "test", "created", "aliases"]
    assert lines[1].split()[:4] == ["users", "2", runs[0]["name"], "auroc"]


def test_looking_leaves_no_folder_behind(weft, place):
    (place / "looked").mkdir()
    for words in (
        "runs",
        "runs x",
        "models",
        "predict",
        "explain",
        "report",
        "store verify",
        "store gc",
        "version",
    ):
        where = () if words == "version" else ("--project", "looked")
        assert weft(*words.split(), *where)[0] == (1 if words.split()[-1] in LACKING else 0)
    assert list((place / "looked").iterdir()) == []


def test_the_console_script_answers_and_interrupting_is_resumable(place):
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "weft", "version"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0
    assert done.stdout.strip()


def test_what_the_reader_of_the_source_noticed_reaches_tables_and_report(weft, place, tmp_path):
    folder = tmp_path / "m"
    generate_shop(folder, num_users=60, seed=1)
    (folder / "empty.csv").write_bytes(b"")
    (folder / "towns.csv").write_bytes("town_id,town\n1,Köln\n2,Bonn\n".encode("cp1252"))
    code, out, _ = weft("tables", folder)
    assert code == 0
    assert "alarm  empty: 'empty.csv' has zero bytes and is not read." in out
    assert "towns.csv" in out
    code, out, _ = weft("fit", folder, *QUICK, "--report", "m.html")
    assert code == 0
    assert "has zero bytes and is not read" in (place / "m.html").read_text()
    (folder / "empty.csv").unlink()
    _, out, _ = weft("tables", folder)
    assert "zero bytes" not in out
    assert "towns.csv" in out


def test_values_that_a_run_could_not_read_are_counted_in_its_text_and_report(weft, place, tmp_path):
    folder = tmp_path / "u"
    generate_shop(folder, num_users=60, seed=1)
    prices = ["free", "9,95", *(f"1.{i:03d},50" for i in range(58))]
    users = pq.read_table(folder / "users.parquet")
    pq.write_table(users.append_column("fee", [prices[: users.num_rows]]), folder / "users.parquet")
    (place / "weft.yaml").write_text("tables: {users: {columns: {fee: numerical}}}\n")
    try:
        code, out, _ = weft("fit", folder, *QUICK, "--report", "u.html")
    finally:
        (place / "weft.yaml").unlink()
    assert code == 0
    assert "Data: users.fee: 1 of 60 values (1.7%) is not float64 and becomes null: row 1 'free'." in out
    assert "1 of 60 values (1.7%)" in (place / "u.html").read_text()


@pytest.mark.parametrize(
    "command",
    [
        ["tables", "nowhere"],
        ["links", "nowhere"],
        ["fit", "nowhere", *QUICK],
        ["quickstart", "nowhere", "--project", "new"],
        ["init", "new", "--source", "nowhere"],
        ["tables", "project"],
    ],
    ids=" ".join,
)
def test_a_source_that_cannot_be_opened_leaves_nothing_behind(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "weft.yaml").write_text("source: nowhere\n")
    assert run_command(command) == 1
    assert "DATA02" in capsys.readouterr().err
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == ["project", "project/weft.yaml"]


def test_labels_that_pandas_wrote_as_text_are_taken_back(weft, place):
    code, out, _ = weft("labels", "shop", "--query", CHURN, "--out", "given.csv")
    assert code == 0
    counts = out[out.index("(") :]
    again = weft("labels", "shop", "--query", CHURN, "--out", "given.csv")[1]
    assert again == out
    named = re.findall(r"(train|val|test)( positive)?", counts)
    assert [split for split, _ in named] == ["train", "train", "val", "val", "test", "test"]
    frame = pd.read_csv(place / "given.csv")
    assert frame["label"].dtype == bool
    for name, labels in (("words", frame["label"]), ("numbers", frame["label"].astype(int))):
        folder = place / "own"
        folder.mkdir(exist_ok=True)
        frame.assign(label=labels).to_csv(folder / f"{name}.csv", index=False)
        code, out, err = weft("fit", "shop", *QUICK, "--labels", folder / f"{name}.csv", "--json")
        assert code == 0, err
        assert sum(json.loads(out)["split_sizes"].values()) == len(frame)


def test_one_row_is_written_as_one(weft, place):
    weft("fit", "shop", *QUICK)
    _, out, _ = weft("predict", "latest", "--out", "all.csv")
    assert " rows to " in out
    key = str(pd.read_csv(place / "all.csv")["user_id"][0])
    _, out, _ = weft("predict", "latest", "-e", key, "--out", "one.csv")
    assert out.startswith("Wrote 1 row to ")


@pytest.mark.parametrize("as_json", [True, False])
def test_an_option_that_does_nothing_is_named_on_stderr(capsys, as_json):
    line = "Not used: trials 7: no search over networks does a link_prediction task, which it is for."
    run = types.SimpleNamespace(
        unused=[line], report=lambda path: "r.html", to_json=lambda: {"run": "a"}, text=lambda: "Run a"
    )
    _show(run, None, as_json)
    told = capsys.readouterr()
    assert told.err == line + "\n" and told.out.startswith('{"run": "a"}' if as_json else "Run a\n")
