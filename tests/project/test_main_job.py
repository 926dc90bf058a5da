"""The main job from tables to answers, through the Python face."""

import json
import math
import subprocess
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import weft
from weft.core import InvariantError, UserError
from weft.flow import NodeState
from weft.project import ProjectFolder, propose_queries
from weft.project.reproduction import describe_reproduction

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"
SPEND = "PREDICT SUM(orders.total_amount, 0, 30, days) FOR EACH users.user_id"
NEXT = "PREDICT LIST_DISTINCT(order_items.product_id, 0, 30, days) RANK TOP 10 FOR EACH users.user_id"


def test_the_ladder_is_complete_and_the_verdict_names_the_best_on_val(run):
    rows = run.leaderboard
    models = {r["model"] for r in rows}
    assert {"constant", "entity", "heuristic", "lightgbm"} <= models
    scored = [r for r in rows if not r["left_out"]]
    # A mean of models is preferred while val cannot tell it from the best.
    assert run.winner in (max(scored, key=lambda r: r["val"])["model"], "blend")
    assert run.verdict.startswith(run.winner)
    for row in scored:
        assert row["ci"][0] <= row["test"] <= row["ci"][1]


def test_the_winner_is_better_than_a_constant_and_below_the_best_possible(run):
    best = next(r for r in run.leaderboard if r["model"] == run.winner)
    assert 0.6 < best["test"] < 0.95


def test_a_planted_leak_is_found_and_not_used(run):
    assert "users.lifetime_orders" in {f.subject for f in run.audit}
    used = {s.name for s in run.evaluation.importance.columns}
    assert "users.lifetime_orders" not in used


def test_importance_survives_the_deletion_check(run):
    assert run.evaluation.importance.deletion.is_faithful


def test_a_second_query_runs_no_shared_node_again(graph, run):
    other = graph.query(SPEND).fit(budget="2s", models=("constant", "entity"))
    states = {s["name"]: s["state"] for s in other.record.results["stages"]}
    assert {states[n] for n in ("snapshot", "profile", "tables")} == {"cached"}
    assert states["labels"] == "ran"


def test_the_same_query_again_runs_nothing_and_says_the_same(graph, run):
    again = graph.query(CHURN).fit(budget="2s", seed=0)
    assert {s["state"] for s in again.record.results["stages"]} == {NodeState.CACHED}
    assert again.verdict == run.verdict
    assert again.name != run.name


def test_predictions_are_probabilities_for_every_user_there(run):
    table = run.predict()
    assert table.column_names == ["user_id", "anchor_time", "probability", "prediction"]
    values = table["probability"].to_numpy()
    assert ((values >= 0) & (values <= 1)).all()
    assert table["user_id"].null_count == 0
    assert len(set(table["user_id"].to_pylist())) == table.num_rows


def test_a_run_is_reopened_by_name_in_another_process(run, shop):
    code = (
        "import sys, json, weft\n"
        "run = weft.open_run(sys.argv[1], project=sys.argv[2])\n"
        "print(json.dumps([run.verdict, run.predict()['probability'].to_pylist()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, run.name, str(shop)], capture_output=True, text=True, check=True
    )
    verdict, probabilities = json.loads(done.stdout)
    assert verdict == run.verdict
    assert probabilities == run.predict()["probability"].to_pylist()


def test_a_run_is_explained_in_words_and_as_data(run):
    key = run.predict()["user_id"][0].as_py()
    told = run.explain(key)
    plain = told.to_json()
    assert plain["entity"] == key
    assert plain["amounts"]
    assert set(plain["tables"]) & {"orders", "visits", "users"}
    assert str(told).startswith(f"{run.winner} predicts")
    assert all({"table", "effect", "row"} <= set(r) for r in plain["rows"])
    assert plain["words"].startswith(f"{run.winner} predicts {plain['prediction']:.4g} for users {key} at ")
    assert plain["anchor_time"] in plain["words"]
    assert 0 < plain["usual"] < 1
    for title, sums in (("table", "tables"), ("link", "links"), ("column", "columns")):
        assert f"amount  {title}" in str(told)
        name, amount = next(iter(plain[sums].items()))
        assert f"{amount:+.4f}  {name}" in str(told)
    assert "<table>" in told._repr_html_()


def test_amounts_of_an_explanation_add_up_to_the_probability_that_is_predicted(run):
    predicted = run.predict()
    for key, probability in zip(predicted["user_id"][:5], predicted["probability"][:5], strict=True):
        plain = run.explain(key.as_py()).to_json()
        whole = plain["base"] + sum(a["amount"] for a in plain["amounts"])
        assert plain["unit"] == "log-odds"
        assert 1 / (1 + math.exp(-whole)) == pytest.approx(probability.as_py(), abs=1e-6)
        assert 1 / (1 + math.exp(-plain["base"])) == pytest.approx(plain["usual"], abs=1e-6)


def test_importance_names_tables_links_and_columns_and_is_checked(run):
    told = run.importance()
    for title in ("table", "link", "column", "feature"):
        assert f"share  {title}" in str(told)
    assert "val rows" in str(told)
    assert "most important feature" in str(told)
    plain = told.to_json()["importance"]
    assert {"tables", "links", "columns", "features"} <= set(plain)
    assert plain["deletion"]["is_faithful"]


def test_explained_rows_are_the_entitys_own_and_not_later_than_the_anchor(run, shop):
    predicted = run.predict()
    anchor = predicted["anchor_time"][0].as_py()
    key = predicted["user_id"][0].as_py()
    rows = [r for r in run.explain(key).to_json()["rows"] if r["table"] == "orders"]
    orders = pq.read_table(shop / "shop" / "orders.parquet").to_pylist()
    own = {str(o["order_id"]): o for o in orders if o["user_id"] == key}
    for row in rows:
        assert own[str(row["row"]["order_id"])]["ordered_at"] <= anchor


def test_an_unknown_entity_is_named(run):
    with pytest.raises(UserError, match="DATA126"):
        run.explain("nobody")
    with pytest.raises(UserError, match="DATA077"):
        run.explain(10**9)


def test_a_run_that_does_not_exist_is_named(shop):
    with pytest.raises(UserError, match="FLOW053"):
        weft.open_run("no-such-run", project=shop)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "arrow"])
def test_frames_come_back_in_the_callers_type(make, shop, tmp_path):
    tables = {n: make(pq.read_table(shop / "shop" / f"{n}.parquet").to_pydict()) for n in ("users", "orders")}
    graph = weft.connect(tables, project=tmp_path).graph()
    assert graph.place == weft.Graph.from_data(tables, project=tmp_path).place == "data frames"
    query = graph.query(CHURN)
    example = next(iter(tables.values()))
    assert isinstance(query.labels(), type(example))
    run = query.fit(budget="1s", models=("constant", "heuristic"))
    assert isinstance(run.predict(), type(example))


def test_a_label_table_of_ones_own_is_used(graph, shop, tmp_path):
    labels = graph.query(CHURN).label_table()
    flipped = labels.set_column(2, "label", pa.array([not v for v in labels["label"].to_pylist()]))
    pq.write_table(flipped, tmp_path / "mine.parquet")
    run = graph.query(CHURN).fit(
        budget="1s", models=("constant",), label_table=str(tmp_path / "mine.parquet")
    )
    made = run.output("labels").value["counts"]
    original = graph.query(CHURN).run_labels().counts
    assert made["train"] == original["train"]
    assert made["train_positive"] == original["train"] - original["train_positive"]


def test_an_unknown_option_or_history_or_label_file_is_named(graph):
    with pytest.raises(UserError, match="DATA115"):
        graph.query(CHURN).fit(val_strat="2020-01-01")
    with pytest.raises(UserError, match="DATA123"):
        graph.query(CHURN).fit(history="all")
    with pytest.raises(UserError, match="DATA124"):
        graph.query(CHURN).fit(label_table="nowhere.parquet")


def test_explaining_a_query_fits_nothing(graph):
    told = graph.query(CHURN).explain()
    text = str(told)
    assert "No model was fitted" in text
    assert [r[0] for r in told._splits()] == ["train", "val", "test"]
    assert told.to_json()["task"]["type"] == "binary"
    assert "<table>" in told._repr_html_()


def test_a_recommendation_is_better_than_popularity(graph):
    run = graph.query(NEXT).fit(budget="2s")
    by_model = {r["model"]: r for r in run.leaderboard}
    assert by_model[run.winner]["val"] >= by_model["popularity"]["val"]
    predicted = run.predict()
    assert predicted.column_names == ["user_id", "anchor_time", "item", "score", "rank"]
    assert set(predicted["rank"].to_pylist()) <= set(range(1, 11))
    assert run.explain(predicted["user_id"][0].as_py()).to_json()["about"]


def test_regression_and_forecasting_run_end_to_end(graph):
    spend = graph.query(SPEND).fit(budget="2s", models=("constant", "entity", "lightgbm"))
    assert spend.predict().column_names == ["user_id", "anchor_time", "prediction"]
    text = "PREDICT COUNT(orders.*, 0, 30, days) FORECAST 2 TIMEFRAMES FOR EACH users.user_id"
    run = graph.query(text).fit(budget="2s", models=("constant", "lightgbm"))
    predicted = run.predict()
    assert predicted.column_names == [
        "user_id", "anchor_time", "frame", "frame_start", "frame_end", "prediction",
    ]  # fmt: skip
    first = predicted.slice(0, 2).to_pylist()
    assert first[0]["frame_end"] == first[1]["frame_start"]


def test_multiclass_and_multilabel_run_end_to_end(graph):
    text = "PREDICT LAST(orders.payment, 0, 60, days) FOR EACH users.user_id"
    run = graph.query(text).fit(budget="2s", models=("constant", "lightgbm"))
    assert run.predict().column_names == ["user_id", "anchor_time", "class", "probability", "rank"]
    text = "PREDICT LIST_DISTINCT(orders.payment, 0, 60, days) CLASSIFY FOR EACH users.user_id"
    run = graph.query(text).fit(budget="2s", models=("constant", "lightgbm"))
    assert "class" in run.predict().column_names
    assert run.report().exists()


def test_the_metric_that_models_are_chosen_by_can_be_named(graph):
    query = graph.query("PREDICT SUM(orders.total_amount, 0, 60, days) FOR EACH users.user_id")
    run = query.fit(budget="1s", models=("constant", "entity"), metric="rmse")
    assert {row["metric"] for row in run.leaderboard} == {"rmse"}
    labels = query.label_table()
    train = labels.filter(pc.equal(labels["split"], "train"))["label"]
    rung = run.output("candidate[constant]").value["words"]
    assert rung == f"always {pc.mean(train).as_py():.4g}"
    with pytest.raises(UserError, match="DATA131: metric is 'auroc'"):
        query.fit(metric="auroc")


def test_a_run_keeps_the_scores_of_the_model_that_was_chosen(run):
    kept = run.record.results["winner"]
    row = next(r for r in run.leaderboard if r["model"] == run.winner)
    assert (kept["model"], kept["val"], kept["test"]) == (row["model"], row["val"], row["test"])


def test_frozen_history_is_also_learned_from_stale_train_rows(graph):
    given = {"val_start": "2025-03-01", "test_start": "2025-05-01", "step": "15 days", "eval_anchors": 2}
    run = graph.query(CHURN).fit(budget="2s", history="frozen", models=("constant", "lightgbm"), **given)
    assert run.record.history == "frozen"
    train = run.output("labels").value["counts"]["train"]
    assert run.output("candidate[constant]").value["num_train"] == train
    assert run.output("candidate[lightgbm]").value["num_train"] > train


def test_with_one_val_anchor_there_are_no_stale_train_rows(graph):
    run = graph.query(CHURN).fit(budget="2s", history="frozen", models=("constant", "lightgbm"))
    train = run.output("labels").value["counts"]["train"]
    assert run.output("candidate[lightgbm]").value["num_train"] == train


def test_memory_limit_and_threads_reach_the_engine(shop):
    project = ProjectFolder(shop, memory_limit="1GB", threads=1)
    assert (project.resources.memory_bytes, project.resources.threads) == (10**9, 1)


def test_a_finished_run_shows_itself_in_a_notebook(run, graph):
    assert "<table>" in run._repr_html_()
    assert "<table>" in graph._repr_html_()
    assert "users" in repr(graph)
    assert run.verdict in repr(run)


def test_a_report_that_cannot_be_written_is_a_users_error(run):
    with pytest.raises(UserError, match="DATA125"):
        run.report("/proc/nowhere/report.html")


def test_a_run_without_a_result_is_not_opened(shop):
    project = ProjectFolder(shop)
    record = project.hub.start_run(query="none")
    project.hub.fail_run(record.id, KeyError("x"))
    with pytest.raises(UserError, match="DATA127"):
        weft.open_run(record.name, project=project)


def test_labels_without_counts_are_a_bug():
    from weft.project.tallies import split_sizes

    with pytest.raises(InvariantError, match="DATA128"):
        split_sizes({})


def test_a_source_that_is_gone_is_named():
    from weft.compile.held import held_source

    with pytest.raises(UserError, match="DATA113"):
        held_source("0" * 64)


def test_no_question_can_be_proposed_without_times(tmp_path):
    graph = weft.Graph.from_data({"a": pa.table({"id": [1, 2, 3]})}, project=tmp_path)
    with pytest.raises(UserError, match="DATA118"):
        propose_queries(graph)


def test_a_run_says_how_to_repeat_it(graph, shop, tmp_path):
    options = {"val_start": "2025-03-01", "test_start": "2025-05-01"}
    run = graph.query(CHURN).fit(budget="1s", models=("constant", "entity"), **options)
    command = describe_reproduction(run).commands[0]
    assert command.startswith(f"weft fit {shop / 'shop'} --query '{run.query}'")
    assert "--val-start 2025-03-01 --test-start 2025-05-01" in command
    assert "--models constant,entity" in command
    tables = {n: pq.read_table(shop / "shop" / f"{n}.parquet") for n in ("users", "orders")}
    held = weft.Graph.from_data(tables, project=tmp_path).query(CHURN).fit(budget="1s", models=("constant",))
    line = describe_reproduction(held).commands[0]
    assert line.startswith(f"graph.query({held.query!r}).fit(budget='1s', seed=0, models=('constant',)")


def test_rows_without_a_label_are_counted_where_the_labels_are_shown(graph, tmp_path):
    mean = graph.query("PREDICT AVG(orders.total_amount, 0, 30, days) FOR EACH users.user_id")
    view = mean.write_labels(tmp_path / "labels.parquet")
    assert "Left out because their label is undefined: train " in view.text
    assert view.plain["counts"]["test_undefined"] > 0


def test_a_notebook_shows_tables_and_escapes_what_it_shows(run, graph):
    for shown in (graph, graph.query(CHURN), graph.query(CHURN).explain(), run, run.importance()):
        assert "<" in shown._repr_html_()
    assert "<table>" in run.leaderboard._repr_html_()
    assert "users.lifetime_orders" in run.audit._repr_html_()
    assert "lifetime_orders" in repr(run.audit)
    assert "what it does" in repr(run.leaderboard)
    assert isinstance(run.leaderboard, list)
    odd = graph.query(
        "PREDICT COUNT(orders.* WHERE orders.payment = '<b>', 0, 30) = 0 FOR EACH users.user_id"
    )
    assert "<b>" not in odd._repr_html_()
