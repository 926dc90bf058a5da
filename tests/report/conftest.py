"""A report of a whole run, made from synthetic data."""

from dataclasses import replace

import numpy as np
import pytest
from report_browser import Browser, find_chromium

from weft.core import Finding, History, Offset, Severity, Task, TaskType
from weft.report import (
    AmountGroup,
    AnchorFacts,
    Bar,
    ColdRow,
    ColdScore,
    ColdSplit,
    ColdStart,
    ColumnFacts,
    Contribution,
    Curve,
    DataVersion,
    DeletionCheck,
    Example,
    FindingFacts,
    Importance,
    LinkFacts,
    NeighborRow,
    ReportDocument,
    Reproduction,
    RowsSeen,
    Rung,
    Score,
    Search,
    SplitFacts,
    Stage,
    TableFacts,
    TopValue,
    Trial,
    binary_plots,
    confusion_of,
    ranking_plots,
    regression_plots,
    thin,
)

DAY_US = 86_400_000_000
START_US = 19_723 * DAY_US
VERDICT = (
    "LightGBM on relational aggregates wins with an AUROC of 0.829 on test, 0.031 above the best single rule "
    "(days since the last order); the difference is more than noise (95 % interval 0.017 to 0.046)."
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    program = find_chromium()
    if not program:
        pytest.skip("Chromium is not installed")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def anchors(mean):
    times = [START_US + 30 * DAY_US * k for k in range(1, 18)]
    splits = ["train"] * 13 + ["val"] * 2 + ["test"] * 2
    return tuple(
        AnchorFacts(time, split, 700 + 70 * k, mean(k))
        for k, (time, split) in enumerate(zip(times, splits, strict=True))
    )


def tables():
    def column(name, stype, dtype="int64", **facts):
        return ColumnFacts(name, stype, dtype, **facts)

    amounts = column(
        "total_amount",
        "numerical",
        "float64",
        num_distinct=9120,
        low="2.1",
        high="480.9",
        mean=38.4,
        histogram=(220, 900, 1400, 1100, 700, 420, 260, 130, 80, 40, 22, 9, 4),
    )
    tiers = column(
        "tier",
        "categorical",
        "string",
        num_distinct=3,
        top=(TopValue("basic", 1204), TopValue("plus", 560), TopValue("business", 236)),
    )
    years = column(
        "birth_year",
        "numerical",
        null_share=0.118,
        num_distinct=58,
        low="1948",
        high="2005",
        histogram=(3, 4, 5, 4, 6, 7, 6, 5, 4),
    )
    counter = column(
        "lifetime_orders",
        "numerical",
        num_distinct=61,
        low="0",
        high="94",
        note="left out by the audit",
        histogram=(80, 40, 21, 9, 6, 3, 1),
    )
    late = column(
        "days_late", "numerical", num_distinct=16, low="0", high="16", histogram=(90, 4, 3, 2, 1, 1)
    )
    end = START_US + 547 * DAY_US
    return (
        TableFacts(
            "users", 2000, ("user_id",), "signed_up_at", "entity", START_US, end, (tiers, years, counter)
        ),
        TableFacts("orders", 23594, ("order_id",), "ordered_at", "target", START_US, end, (amounts,)),
        TableFacts("order_items", 47158, ("order_id", "line_no"), "created_at", "", START_US, end),
        TableFacts("products", 250, ("product_id",), "launched_at", "", START_US, end),
        TableFacts("categories", 25, ("category_id",), None),
        TableFacts("deliveries", 23395, ("delivery_id",), "delivered_at", "", START_US, end, (late,)),
        TableFacts("reviews", 9157, ("review_id",), "reviewed_at", "", START_US, end),
        TableFacts("visits", 49119, ("visit_id",), "visited_at", "", START_US, end),
    )


def links():
    rows = (
        ("orders", "user_id", "users", "user_id", 1.0, 11.8, 94),
        ("order_items", "order_id", "orders", "order_id", 1.0, 2.0, 8),
        ("order_items", "product_id", "products", "product_id", 0.996, 188.2, 2010),
        ("products", "category_id", "categories", "category_id", 1.0, 12.5, 31),
        ("categories", "parent_category_id", "categories", "category_id", 1.0, 4.0, 4),
        ("users", "interest_category_id", "categories", "category_id", 1.0, 100.0, 214),
        ("deliveries", "order_id", "orders", "order_id", 1.0, 1.0, 1),
        ("reviews", "user_id", "users", "user_id", 1.0, 4.6, 40),
        ("reviews", "order_id", "orders", "order_id", 1.0, 0.4, 1),
        ("reviews", "product_id", "products", "product_id", 0.961, 36.6, 310),
        ("visits", "user_id", "users", "user_id", 1.0, 23.0, 240),
        ("visits", "product_id", "products", "product_id", 1.0, 157.0, 900),
    )
    return tuple(LinkFacts(a, (b,), c, (d,), e, f, g, "names and values") for a, b, c, d, e, f, g in rows)


def audit():
    alarm = Finding(
        "equals_aggregate",
        Severity.ALARM,
        "users",
        ("lifetime_orders",),
        "users.lifetime_orders equals the number of orders of the user over all time for 100 % of 2,000 "
        "rows, so it holds what happens after the anchor.",
        "leave it dropped, or keep it as of the day it was written.",
    )
    note = Finding(
        "no_time",
        Severity.NOTE,
        "categories",
        (),
        "categories has no time: its rows are always visible.",
        "name its time column if it has one.",
    )
    return (FindingFacts(alarm, "dropped"), FindingFacts(note, ""))


def importance():
    features = (
        Bar("a", "days since the user's last order", 0.31),
        Bar("b", "number of bad reviews of late deliveries in the last 120 days", 0.22),
        Bar("c", "number of the user's orders in the last 90 days", 0.17),
        Bar("d", "the user's tier", 0.09),
        Bar("e", "largest days_late of the user's deliveries in the last 60 days", 0.07),
    )
    by_table = (
        Bar("orders", "orders", 0.52),
        Bar("reviews", "reviews", 0.25),
        Bar("deliveries", "deliveries", 0.12),
    )
    by_link = (Bar("orders.user_id -> users", "", 0.61), Bar("reviews.user_id -> users", "", 0.25))
    columns = (
        Bar("orders.ordered_at", "", 0.48),
        Bar("reviews.rating", "", 0.22),
        Bar("deliveries.days_late", "", 0.1),
    )
    check = DeletionCheck(
        (0, 1, 2, 4, 8, 16),
        (0, 0.08, 0.13, 0.18, 0.22, 0.25),
        (0, 0.004, 0.009, 0.02, 0.05, 0.11),
        "Removing the four most important features moves predictions by 0.18, four random ones by 0.02.",
    )
    return Importance("lightgbm", by_table, by_link, columns, features, check)


def neighborhood():
    return (
        NeighborRow("users 1187", -1, -0.21, "tier business, newsletter false"),
        NeighborRow("reviews 90125", 0, 1.42, "rating 1, body Waited and waited", "reviews.user_id -> users"),
        NeighborRow("products P00017", 1, -0.002, "list_price 19.9", "reviews.product_id -> products"),
        NeighborRow("orders 511200", 0, 0.63, "age 41 days, payment card", "orders.user_id -> users"),
        NeighborRow("deliveries 7000", 3, 0.3, "days_late 4", "deliveries.order_id -> orders"),
        NeighborRow("order_items 511200, 1", 3, -0.01, "quantity 2", "order_items.order_id -> orders"),
    )


def examples():
    contributions = (
        Contribution("number of bad reviews of late deliveries in the last 120 days", "1", 1.42, "reviews"),
        Contribution("days since the user's last order", "41", 0.63, "orders"),
        Contribution("number of the user's orders in the last 90 days", "3", -0.38, "orders"),
        Contribution("the user's tier", "business", -0.21, "users"),
    )
    seen = RowsSeen(
        "reviews",
        ("reviewed_at", "rating", "body"),
        (("2025-04-19 18:02:11", "1", "Waited and waited, the delivery was late again."),),
    )
    return (
        Example(
            "user 1187",
            START_US + 510 * DAY_US,
            "0.91",
            "A bad review of a late delivery moved it most.",
            "no order",
            "log-odds",
            contributions,
            (seen,),
            groups=(AmountGroup("Tables", contributions[:2]),),
            neighborhood=neighborhood(),
            seen="Read were reviews 3, orders 2, deliveries 1.",
        ),
        Example(
            "user 1020",
            START_US + 510 * DAY_US,
            "0.12",
            "Orders nearly every week.",
            "ordered",
            "log-odds",
            (Contribution("number of the user's orders in the last 90 days", "14", -2.2, "orders"),),
        ),
    )


def ladder():
    return (
        Rung("constant", Score(0.5), Score(0.5), 0.01, 2_400_000.0, "the same probability for everyone"),
        Rung(
            "entity",
            Score(0.688, 0.667, 0.709),
            Score(0.694, 0.673, 0.716),
            0.04,
            910_000.0,
            "each user's own past",
        ),
        Rung(
            "heuristic",
            Score(0.794, 0.777, 0.812),
            Score(0.798, 0.781, 0.815),
            0.9,
            240_000.0,
            "days since the user's last order",
        ),
        Rung(
            "lightgbm",
            Score(0.826, 0.81, 0.843),
            Score(0.829, 0.813, 0.845),
            6.2,
            31_000.0,
            "LightGBM on 214 relational aggregates",
        ),
        Rung(
            "blend",
            Score(0.827, 0.811, 0.843),
            Score(0.828, 0.812, 0.844),
            0.3,
            28_000.0,
            "lightgbm and heuristic",
        ),
        Rung("gnn", None, None, None, None, "", "left out: torch is not installed"),
    )


def cold_start():
    """Val has too few entities without history, test enough; only the winner has intervals."""
    few = ColdScore(None, "7 entities are too few to score")

    def row(model, val, without, others):
        return ColdRow(model, ((few, ColdScore(val)), (ColdScore(without), ColdScore(others))))

    return ColdStart(
        (ColdSplit("val", 7, 7, 3724, 1883), ColdSplit("test", 41, 40, 3793, 1904)),
        (
            row("lightgbm", Score(0.826, 0.81, 0.843), Score(0.613, 0.52, 0.7), Score(0.831, 0.816, 0.846)),
            row("constant", Score(0.5), Score(0.5), Score(0.5)),
        ),
    )


def search(metric, start, reached, count):
    """Trials that come near ``reached``, each a little less than the one before; the last was left out."""
    rng = np.random.default_rng(5)
    trials = []
    for number in range(count):
        looks = int(rng.integers(4, 24))
        end = reached + 0.03 * number * (start - reached)
        scores = end + (start - end) * np.exp(-np.arange(looks) / 3) + rng.normal(0, 0.004 * abs(end), looks)
        best = int(np.argmax(scores) if reached > start else np.argmin(scores))
        trials.append(
            Trial(
                model=f"network:{number + 1}",
                network=("sage", "relgnn", "graph transformer")[number % 3],
                settings=(
                    "channels 64",
                    f"fanouts {32 >> number % 3}, 16",
                    "learning rate 0.001",
                    "numbers bins",
                ),
                origin="" if number else "network:3 again, for longer",
                curve=thin(np.arange(1.0, looks + 1), scores),
                looks=looks,
                best=best + 1,
                kept=float(scores[best]),
                loss=0.61 - 0.001 * number,
                val=float(scores[best]),
                test=float(end),
                fit_s=14.2 + number,
                note="val did not get better for 6 looks",
            )
        )
    reason = "the rung 'network' was left out: 12 s are too few for one pass over the train rows"
    trials.sort(key=lambda t: -t.val if reached > start else t.val)
    return Search(metric, reached > start, (*trials, Trial("network:99", "sage", note=reason)))


@pytest.fixture(scope="session")
def churn():
    """A binary task with every section filled."""
    rng = np.random.default_rng(0)
    truth = np.clip(rng.beta(1.6, 1.1, 3800), 0.01, 0.99)
    label = rng.random(3800) < truth
    noisy = {
        name: np.clip(truth + rng.normal(0, sd, 3800), 0, 1)
        for name, sd in (("lightgbm", 0.08), ("heuristic", 0.3))
    }
    noisy["heuristic"] = np.round(noisy["heuristic"], 1)
    plots = [binary_plots(label, score, model=name, threshold=0.55) for name, score in noisy.items()]
    return ReportDocument(
        title="churn",
        run="churn-2025-07-02-a91f",
        words="Will a user place no order in the next 30 days?",
        query="PREDICT COUNT(orders.*, 0, 30, days) = 0\nFOR EACH users.user_id",
        task=Task(TaskType.BINARY, "users", "user_id", horizon=Offset(30)),
        history=History.SEED_TIME,
        verdict=VERDICT,
        winner="lightgbm",
        metric="auroc",
        positive="no order in the window",
        weft_version="0.1.0",
        created_us=START_US + 549 * DAY_US + 37_800_000_000,
        seconds=23.4,
        horizon_us=30 * DAY_US,
        history_start_us=START_US,
        splits=(
            SplitFacts("train", 15730, 1712, 13, 0.603),
            SplitFacts("val", 3731, 1890, 2, 0.634),
            SplitFacts("test", 3834, 1944, 2, 0.652),
        ),
        anchors=anchors(lambda k: 0.6 + 0.05 * np.sin(k / 2.5) + 0.003 * k),
        tables=tables(),
        links=links(),
        audit=audit(),
        quality=(
            Finding(
                "dangling_reference",
                Severity.NOTE,
                "order_items",
                ("product_id",),
                "0.4 % of 47,158 values have no match in products.product_id.",
                "nothing is needed.",
            ),
        ),
        ladder=ladder(),
        search=search("auroc", 0.55, 0.822, 7),
        cold_start=cold_start(),
        binary=tuple(p for p in plots if p),
        importance=importance(),
        examples=examples(),
        versions=tuple(
            DataVersion(t.name, f"{i:02x}" * 32, t.rows, f"shop/{t.name}.parquet")
            for i, t in enumerate(tables(), 160)
        ),
        stages=(
            Stage("snapshot", "reused", 0.0, 154_698, None, "same files as in run churn-2025-07-01-77c0"),
            Stage("profile", "ran", 1.3, 154_698, 310_000_000),
            Stage("labels", "ran", 0.4, 23_295, 260_000_000),
            Stage("features", "ran", 9.8, 23_295, 640_000_000),
            Stage("candidate lightgbm", "ran", 6.2, 15_730, 710_000_000),
        ),
        reproduction=Reproduction(
            (
                "weft demo shop --seed 0",
                'weft quickstart shop --query "PREDICT COUNT(orders.*, 0, 30, days) = 0 '
                'FOR EACH users.user_id" --seed 0',
            ),
            0,
            (("weft", "0.1.0"), ("duckdb", "2.0.0"), ("lightgbm", "4.7.0"), ("numpy", "2.4.6")),
            "2 cores, 24 GB",
        ),
    )


@pytest.fixture(scope="session")
def spend(churn):
    """A regression task without importance and examples, in frozen history."""
    rng = np.random.default_rng(1)
    actual = np.where(rng.random(3000) < 0.6, 0, rng.gamma(1.6, 40, 3000))
    predicted = np.maximum(0, 0.7 * actual + rng.gamma(1.2, 10, 3000))
    plots = regression_plots(actual, predicted, model="lightgbm")
    return replace(
        churn,
        title="spend",
        words="How much will a user spend in the next 30 days?",
        history=History.FROZEN,
        query="PREDICT SUM(orders.total_amount, 0, 30, days) FOR EACH users.user_id",
        metric="mae",
        higher_is_better=False,
        search=search("mae", 60.0, 27.1, 16),
        task=Task(TaskType.REGRESSION, "users", "user_id", horizon=Offset(30)),
        anchors=anchors(lambda k: 36 + 6 * np.cos(k / 3)),
        binary=(),
        regression=(plots,),
        importance=None,
        examples=(),
        splits=tuple(replace(s, label_mean=38.2) for s in churn.splits),
        positive="",
        ladder=(
            Rung("constant", Score(38.1, 36.9, 39.6), Score(38.6, 37.0, 40.2), 0.01, 1e6),
            Rung("lightgbm", Score(27.3, 26.0, 28.8), Score(27.9, 26.4, 29.5), 5.0, 3e4),
        ),
    )


@pytest.fixture(scope="session")
def products(churn):
    """A link prediction task."""
    rng = np.random.default_rng(2)
    wanted = [set(rng.integers(0, 60, rng.integers(0, 5)).tolist()) for _ in range(500)]
    lists = {
        "ranker": [[*list(w)[:2], *rng.permutation(60).tolist()][:20] for w in wanted],
        "popularity": [rng.permutation(60).tolist()[:20] for _ in wanted],
    }
    plots = tuple(
        ranking_plots([list(w) for w in wanted], ranked, model=name) for name, ranked in lists.items()
    )
    task = Task(
        TaskType.LINK_PREDICTION,
        "users",
        "user_id",
        item_table="products",
        item_column="product_id",
        top_k=10,
    )
    return replace(
        churn,
        title="next products",
        task=task,
        binary=(),
        ranking=plots,
        metric="map@10",
        anchors=anchors(lambda k: None),
        importance=None,
        examples=(),
        winner="ranker",
    )


@pytest.fixture(scope="session")
def classes(churn):
    """A multiclass task."""
    rng = np.random.default_rng(3)
    names = np.array(["card", "invoice", "wallet", "voucher"])
    actual = rng.integers(0, 4, 900)
    predicted = np.where(rng.random(900) < 0.7, actual, rng.integers(0, 4, 900))
    matrix = confusion_of(names[actual].tolist(), names[predicted].tolist())
    return replace(
        churn,
        title="payment",
        task=Task(TaskType.MULTICLASS, "orders", "order_id"),
        binary=(),
        confusion=matrix,
        metric="accuracy",
    )


@pytest.fixture(scope="session")
def many(churn):
    """Fifty tables, fan-in and fan-out, a cycle, and names of every length."""
    rng = np.random.default_rng(4)
    names = [f"table_{i:02d}" + ("_with_a_rather_long_name" if i % 7 == 0 else "") for i in range(50)]
    facts = tuple(
        TableFacts(n, int(10 ** rng.uniform(1, 8)), ("id",), "created_at" if i % 3 else None)
        for i, n in enumerate(names)
    )
    pairs = [(i, int(rng.integers(0, max(1, i // 2)))) for i in range(1, 50)] + [
        (3, 40),
        (10, 10),
        (20, 2),
        (30, 1),
    ]
    found = tuple(
        LinkFacts(names[a], (f"{names[b]}_id",), names[b], ("id",), float(rng.choice([1.0, 1.0, 0.99, 0.6])))
        for a, b in pairs
    )
    return replace(churn, tables=facts, links=found)


@pytest.fixture(scope="session")
def hostile(churn):
    """Names and texts that try to be markup."""
    evil = '<script>alert("x")</script><img src=x onerror=alert(1)>\'"&'
    facts = TableFacts(
        evil,
        3,
        (evil,),
        evil,
        "entity",
        0,
        1,
        (ColumnFacts(evil, "text", top=(TopValue(evil, 2),), note=evil),),
    )
    other = TableFacts("b", 3)
    return replace(
        churn,
        title=evil,
        run=evil,
        words=evil,
        query=evil,
        verdict=evil,
        positive=evil,
        tables=(facts, other),
        links=(LinkFacts("b", (evil,), evil, (evil,), 0.5),),
        winner=evil,
        ladder=(Rung(evil, Score(0.5), None, words=evil, note=evil),),
        binary=tuple(replace(p, model=evil) for p in churn.binary),
        audit=(FindingFacts(Finding(evil, Severity.ALARM, evil, (evil,), evil, evil), evil),),
        examples=(
            Example(
                evil,
                0,
                evil,
                evil,
                evil,
                evil,
                (Contribution(evil, evil, 1.0),),
                (RowsSeen(evil, (evil,), ((evil,),)),),
                evil,
                (AmountGroup(evil, (Contribution(evil, evil, -1.0),)),),
                (NeighborRow(evil, -1, 0.0, evil), NeighborRow(evil, 0, 1.0, evil, evil)),
                evil,
            ),
        ),
        search=Search(
            evil, True, (Trial(evil, evil, (evil,), evil, Curve((1.0,), (0.5,)), 1, 1, 0.5, note=evil),)
        ),
        importance=Importance(evil, features=(Bar(evil, evil, 0.5),)),
        versions=(DataVersion(evil, evil, 1, evil),),
        stages=(Stage(evil, "ran", why=evil),),
        reproduction=Reproduction((evil,), 0, ((evil, evil),), evil),
    )


@pytest.fixture(scope="session")
def bare():
    """Nothing but a question and a verdict."""
    return ReportDocument(
        "q",
        "run",
        "Will it?",
        "PREDICT x",
        Task(TaskType.BINARY, "t", "id", is_static=True),
        History.SEED_TIME,
        "No model beat a constant.",
        was_audited=False,
    )
