"""``weft hub``, ``weft models`` and ``weft datasets`` as a user types them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weft.cli.app import run_command
from weft.data import generate_shop
from weft.project import ProjectFolder

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"


@pytest.fixture
def weft(tmp_path, monkeypatch, capsys):
    """Run a command in a new folder; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEFT_USER", "ann")

    def call(*arguments):
        code = run_command([str(a) for a in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def plain(weft):
    """Run a command that succeeds and return its JSON."""

    def call(*arguments):
        code, out, err = weft(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    return call


@pytest.fixture
def table(tmp_path):
    (tmp_path / "shop").mkdir()
    pq.write_table(pa.table({"id": [1, 2]}), tmp_path / "shop" / "orders.parquet")
    return tmp_path / "shop"


def test_a_data_set_is_published_found_shown_and_pulled(weft, plain, table, tmp_path):
    said = ("-d", "All orders", "--tag", "team=x", "--tag", "daily")
    code, out, _ = weft("datasets", "add", "shop", "shop", *said)
    assert (code, out) == (0, "Published dataset shop@1.\n")
    assert plain("hub", "publish", "dataset", "shop", "shop")["version"] == 1
    for command in (("hub", "search", "orders"), ("datasets", "list"), ("hub", "search", "--tag", "team=x")):
        found = plain(*command)["found"]
        assert [(f["name"], f["version"], f["owner"]) for f in found] == [("shop", 1, "ann")]
    assert plain("hub", "search", "--kind", "model")["found"] == []
    shown = weft("hub", "show", "shop@latest")[1]
    assert "dataset shop@1" in shown and "All orders" in shown and "team=x, daily" in shown
    told = plain("hub", "pull", "shop", "--out", "mine")
    assert told["files"] == ["orders.parquet"]
    assert (tmp_path / "mine" / "orders.parquet").read_bytes() == (table / "orders.parquet").read_bytes()
    assert "HUB015" in weft("hub", "pull", "shop", "--out", "mine")[2]


def test_a_data_set_is_asked_by_name(weft, plain, tmp_path):
    generate_shop(tmp_path / "tables", num_users=150, seed=1)
    plain("datasets", "add", "shop", "tables")
    fit = plain("fit", "dataset:shop@1", "--query", CHURN, "--budget", "1s", "--models", "constant")
    files = plain("fit", "tables", "--query", CHURN, "--budget", "1s", "--models", "constant")
    assert fit["split_sizes"] == files["split_sizes"]
    states = {s["name"]: s["state"] for s in files["stages"]}
    assert states["snapshot"] == states["labels"] == "cached"
    assert "dataset shop@1" in weft("hub", "trace", "model:users@1")[1]


def test_an_application_is_published_and_pulled(weft, plain, tmp_path):
    (tmp_path / "etl").mkdir()
    (tmp_path / "etl" / "main.py").write_text("print(1)\n")
    first = plain("hub", "publish", "application", "etl", "etl")
    assert first["kind"] == "application" and len(first["facts"]["artifact"]) == 64
    assert plain("hub", "publish", "application", "etl", "etl")["version"] == 1
    plain("hub", "pull", "etl@1")
    assert (tmp_path / "etl-1" / "main.py").read_text() == "print(1)\n"
    code, _, err = weft("hub", "publish", "application", "other", "nowhere")
    assert code == 1 and "HUB017" in err


def test_a_model_is_promoted_rolled_back_and_copied(weft, plain, tmp_path):
    for i, score in enumerate((0.7, 0.8)):
        hub = ProjectFolder(tmp_path).hub
        store = ProjectFolder(tmp_path).store
        digest = store.put_tree({"model.txt": store.put_bytes(bytes([i]))})
        facts = {"test_rows": "r"}
        hub.register_model("churn", run="", digest=digest, metrics={"auroc": score}, facts=facts, store=store)
    plain("models", "promote", "churn@1", "--reason", "first")
    code, out, _ = weft("models", "promote", "churn@candidate", "--better-on", "auroc", "--by", "bea")
    assert (code, out) == (0, "churn@2 is now champion.\n")
    code, _, err = weft("models", "promote", "churn@1", "--better-on", "auroc")
    assert code == 1 and "HUB007" in err
    shown = weft("hub", "show", "churn@champion")[1]
    assert "auroc 0.8000 against 0.7000" in shown and "bea" in shown
    assert weft("models", "rollback", "churn", "--reason", "odd")[1] == "churn@1 is champion again.\n"
    assert "champion" in weft("models")[1] and len(plain("models", "list")["models"]) == 2
    copied = plain("hub", "copy", "churn@champion", "--to", "production")
    assert copied["num_blobs"] == 2 and copied["published"]["version"] == 1
    assert [m["name"] for m in plain("models", "--project", "production")["models"]] == ["churn"]


def test_versions_are_deprecated_and_deleted(weft, plain, table):
    plain("datasets", "add", "shop", "shop")
    assert plain("hub", "deprecate", "shop@1", "--reason", "cents")["deprecated"] == "cents"
    assert plain("hub", "search")["found"] == []
    assert "cents" in weft("hub", "search", "--deprecated")[1]
    plain("hub", "delete", "dataset:shop@1")
    code, _, err = weft("hub", "show", "dataset:shop@1")
    assert code == 1 and "HUB003" in err


def test_a_name_that_several_kinds_share_needs_its_kind(weft, plain, table, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "f").write_text("x")
    plain("datasets", "add", "shop", "shop")
    plain("hub", "publish", "model", "shop", "files")
    code, _, err = weft("hub", "show", "shop")
    assert code == 1 and "HUB004" in err and "dataset:shop, model:shop" in err
    assert plain("hub", "show", "model:shop")["kind"] == "model"


def test_what_is_not_there_is_said(weft):
    for command in (("show", "nothing"), ("pull", "nothing@3"), ("copy", "nothing", "--to", "x")):
        code, _, err = weft("hub", *command)
        assert code == 1 and "HUB003" in err
    code, _, err = weft("hub", "trace", "nothing")
    assert code == 1 and "HUB009" in err
    assert weft("hub", "search")[0] == 0


def test_a_project_may_keep_its_hub_in_postgresql(
    weft, plain, table, tmp_path, postgres, database, monkeypatch
):
    monkeypatch.setenv("HUB_URL", postgres)
    (tmp_path / "weft.yaml").write_text("database: ${HUB_URL}\n")
    plain("datasets", "add", "shop", "shop")
    assert [f["name"] for f in plain("hub", "search")["found"]] == ["shop"]
    assert not (tmp_path / ".weft" / "weft.db").exists()
    assert database.execute("SELECT name FROM weft_hub.published").fetchall() == [("shop",)]
