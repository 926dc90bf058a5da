"""The report of a real run of every kind of task, opened in a real browser."""

import pytest

import weft
from weft.core import TaskType
from weft.data import generate_shop

EACH = "FOR EACH users.user_id"
QUERIES = {
    TaskType.BINARY: f"PREDICT COUNT(orders.*, 0, 30) = 0 {EACH}",
    TaskType.REGRESSION: f"PREDICT SUM(orders.total_amount, 0, 30) {EACH}",
    TaskType.MULTICLASS: f"PREDICT FIRST(orders.payment, 0, 60) {EACH}",
    TaskType.MULTILABEL: f"PREDICT LIST_DISTINCT(orders.payment, 0, 60) CLASSIFY {EACH}",
    TaskType.MULTILABEL_RANKING: f"PREDICT LIST_DISTINCT(orders.payment, 0, 60) RANK TOP 2 {EACH}",
    TaskType.LINK_PREDICTION: f"PREDICT LIST_DISTINCT(visits.product_id, 0, 30) RANK TOP 5 {EACH}",
    TaskType.FORECASTING: f"PREDICT COUNT(orders.*, 0, 14) FORECAST 2 TIMEFRAMES {EACH}",
}
CHANCES = {"ROC", "Precision and recall", "Calibration", "Lift"}
LISTS = {"MAP at k", "Recall at k"}
PLOTS = {
    TaskType.BINARY: CHANCES | {"Confusion of linear"},
    TaskType.REGRESSION: {"Predicted against actual: linear", "Residuals: linear"},
    TaskType.MULTICLASS: CHANCES | {"Confusion"},
    TaskType.MULTILABEL: CHANCES | LISTS,
    TaskType.MULTILABEL_RANKING: CHANCES | LISTS,
    TaskType.LINK_PREDICTION: LISTS,
    TaskType.FORECASTING: {"Predicted against actual: linear", "Residuals: linear", "By frame"},
}
MODELS = {
    TaskType.MULTILABEL: "lightgbm",
    TaskType.MULTILABEL_RANKING: "lightgbm",
    TaskType.LINK_PREDICTION: "ranker",
}
SECTIONS = {"ladder", "plots", "importance", "examples", "audit", "labels", "schema", "run", "reproduce"}


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    folder = tmp_path_factory.mktemp("every")
    generate_shop(folder / "shop", num_users=200, seed=0)
    return weft.connect(str(folder / "shop"), project=folder).graph()


def texts(browser, selector):
    return browser.run(f"[...document.querySelectorAll('{selector}')].map(e => e.textContent)")


@pytest.mark.parametrize("kind", list(TaskType), ids=lambda kind: kind.value)
def test_the_report_of_every_task_opens_whole_and_without_errors(kind, graph, browser, tmp_path):
    run = graph.query(QUERIES[kind]).fit(budget="1s", models=(MODELS.get(kind, "linear"),))
    path = run.report(tmp_path / "report.html")
    for width in (1280, 390):
        browser.open(path.as_uri(), width)
        assert browser.complaints() == []
        assert browser.run("document.documentElement.scrollWidth") <= width
    sections = set(browser.run("[...document.querySelectorAll('main > section')].map(s => s.id)"))
    assert sections >= SECTIONS
    assert set(texts(browser, "#plots h3")) >= PLOTS[kind]
    assert set(texts(browser, "#importance h3")) >= {"Tables", "Links", "Columns", "Features"}
    assert len(texts(browser, "#examples article")) >= 1
    assert all(heading.startswith("users ") for heading in texts(browser, "#examples h3"))
    assert "Splits" in texts(browser, "#labels h3")
    command = texts(browser, "#reproduce pre")[0]
    assert command.startswith("weft fit ")
    assert run.query in command
