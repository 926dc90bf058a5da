"""Cold start from tables to the page: users of whom nothing was recorded are measured apart."""

import datetime as dt
import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import weft
from weft.core import to_json
from weft.data import generate_shop
from weft.learn import Evaluation, get_metric
from weft.learn.targets import Targets

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id"
NEXT = "PREDICT LIST_DISTINCT(visits.product_id, 0, 30, days) RANK TOP 5 FOR EACH users.user_id"
AHEAD = "PREDICT COUNT(orders.*, 0, 14) FORECAST 2 TIMEFRAMES FOR EACH users.user_id"
RECORDS = {"orders": "ordered_at", "visits": "visited_at", "reviews": "reviewed_at"}
NEWCOMERS = 40


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A shop in which 40 users signed up a day before val, and 40 before test; half began to order then."""
    folder = tmp_path_factory.mktemp("cold")
    generate_shop(folder / "shop", num_users=200, seed=0)
    read = {name: pq.read_table(folder / "shop" / f"{name}.parquet") for name in ("users", *RECORDS)}
    last = pc.max(read["orders"]["ordered_at"]).as_py()
    anchors = [last - dt.timedelta(days=30 * k) for k in (1, 2)]
    made = {name: [] for name in read}
    for number in range(2 * NEWCOMERS):
        anchor, key = anchors[number % 2], 900_000 + number
        user = read["users"].slice(number, 1).to_pylist()[0]
        made["users"].append({**user, "user_id": key, "signed_up_at": anchor - dt.timedelta(days=1)})
        if number % 4 < 2:
            for name, own in (("orders", "order_id"), ("visits", "visit_id")):
                row = read[name].slice(number, 1).to_pylist()[0]
                later = anchor + dt.timedelta(days=1 + number % 9)
                made[name].append({**row, own: 90_000_000 + number, "user_id": key, RECORDS.get(name): later})
    for name, rows in made.items():
        grown = pa.concat_tables([read[name], pa.Table.from_pylist(rows, read[name].schema)])
        pq.write_table(grown, folder / "shop" / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def graph(place):
    return weft.connect(str(place / "shop"), project=place).graph()


@pytest.fixture(scope="module")
def run(graph):
    return graph.query(CHURN).fit(budget="1s", models=("constant", "heuristic", "linear"))


def first_record(place):
    """The time of the first order, visit or review of each user, by a plain loop."""
    first = {}
    for name, column in RECORDS.items():
        table = pq.read_table(place / "shop" / f"{name}.parquet")
        for user, at in zip(table["user_id"].to_pylist(), table[column].to_pylist(), strict=True):
            first[user] = min(at, first.get(user, at))
    return first


def predictions_of(run):
    with open(run.output("evaluate").path("predictions.parquet"), "rb") as file:
        return pq.read_table(file)


def known_of(place, table):
    first = first_record(place)
    rows = zip(table["entity"].to_pylist(), table["anchor_time"].to_pylist(), strict=True)
    return [first.get(user, dt.datetime.max) <= anchor for user, anchor in rows]


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_groups_are_those_that_plain_loops_find_and_so_are_their_scores(run, place, split):
    table = predictions_of(run)
    table = table.filter(pc.equal(table["split"], split))
    known = pa.array(known_of(place, table))
    told = run.to_json()["cold_start"][split]
    assert told["without_history"]["rows"] == pc.sum(pc.invert(known)).as_py() >= NEWCOMERS
    assert told["others"]["rows"] == pc.sum(known).as_py()
    assert set(told["models"]) == {"constant", "heuristic", "linear"}
    metric = get_metric("auroc")
    for chosen, group in ((pc.invert(known), "without_history"), (known, "others")):
        rows = table.filter(chosen)
        targets = Targets(rows["label"].to_numpy(), rows["label"].to_numpy().astype(int))
        expected = metric.score(targets, rows[f"model {run.winner}"].to_numpy())
        shown = told["models"][run.winner][group]
        assert shown["score"] == pytest.approx(expected)
        assert shown["interval"][0] <= shown["score"] <= shown["interval"][1]


def test_the_run_says_it_in_a_line_and_as_json(run):
    told = run.to_json()["cold_start"]["test"]
    json.dumps(told)
    rows = told["without_history"]["rows"]
    whole = rows + told["others"]["rows"]
    score, rest = (told["models"][run.winner][g]["score"] for g in ("without_history", "others"))
    (line,) = [one for one in run.text().split("\n") if one.startswith("Entities without history")]
    assert line.startswith(f"Entities without history: {rows} of {whole} test rows, auroc {score:.4g} [")
    assert f"; the others {rest:.4g} [" in line


def test_the_page_shows_both_groups_of_every_model(run, tmp_path):
    page = run.report(tmp_path / "report.html").read_text()
    part = page.split('<section id="coldstart"')[1].split("</section>")[0]
    told = run.to_json()["cold_start"]
    assert "no row of any table that links to users" in part
    for split in ("val", "test"):
        assert f'data-label="without history">{told[split]["without_history"]["rows"]}<' in part
        for scores in told[split]["models"].values():
            assert f"{scores['without_history']['score']:.4f}" in part


def test_a_run_of_before_opens_and_says_nothing_of_cold_start(run, tmp_path):
    store = run.project.store
    kept = json.loads(store.get_bytes(run.record.results["evaluation"]))
    del kept["cold_start"]
    digest = store.put_bytes(to_json(kept).encode())
    results = {**run.record.results, "evaluation": digest}

    earlier = weft.Run(run.project, replace(run.record, results=results))
    assert isinstance(earlier.evaluation, Evaluation)
    assert earlier.to_json()["cold_start"] == {}
    assert "Entities without history" not in earlier.text()
    assert '<section id="coldstart"' not in earlier.report(tmp_path / "earlier.html").read_text()


@pytest.mark.parametrize(
    ("query", "models", "metric"),
    [(NEXT, ("popularity", "repeat"), "map@5"), (AHEAD, ("constant", "linear"), "mae")],
)
def test_lists_and_forecasts_are_measured_apart_too(graph, place, query, models, metric):
    run = graph.query(query).fit(budget="1s", models=models)
    table = predictions_of(run)
    for split, told in run.to_json()["cold_start"].items():
        known = known_of(place, table.filter(pc.equal(table["split"], split)))
        assert told["without_history"]["rows"] == known.count(False) > 0
        assert told["others"]["rows"] == known.count(True)
        assert set(told["models"]) == set(models)
        assert told["models"][run.winner]["others"]["score"] is not None
    assert run.evaluation.metric == metric
    assert "Entities without history: " in run.text()


def test_labels_that_were_given_are_history(place, graph):
    """All users have a label 60 days before test, those of whom nothing is recorded, too."""
    users = pq.read_table(place / "shop" / "users.parquet")["user_id"].to_pylist()
    days = [dt.datetime(2024, 6, 1) + dt.timedelta(days=60 * k) for k in range(4)]
    rows = [{"user_id": u, "anchor_time": at, "label": u % 2 == 0} for at in days for u in users]
    labels = pa.Table.from_pylist(rows)
    run = graph.query(CHURN).fit(budget="1s", models=("constant",), label_table=labels)
    told = run.to_json()["cold_start"]["test"]
    assert told["without_history"]["rows"] == 0
    assert "Entities without history" not in run.text()
