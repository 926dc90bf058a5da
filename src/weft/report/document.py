"""What a report says, as frozen data: filled by whoever has a finished run, drawn by `render_report`.

Every section is optional: an empty tuple or ``None`` leaves it out. Shares and rates are between 0 and 1,
times are microseconds UTC, long arrays are thinned by the functions of `weft.report.curves` before they
come here.
All of it travels as JSON through `weft.core.to_json` and `weft.core.from_json`.
"""

from __future__ import annotations

from dataclasses import dataclass

from weft.core import Finding, History, Task
from weft.report.coldstart import ColdStart
from weft.report.neighborhood import NeighborRow
from weft.report.score import Score
from weft.report.trials import Curve, Search


@dataclass(frozen=True)
class SplitFacts:
    """One part of the training table.

    ``label_mean`` is the rate of TRUE or the mean of the label; ``undefined`` counts rows left out because
    they have no label.
    """

    name: str
    rows: int
    entities: int
    anchors: int
    label_mean: float | None = None
    undefined: int = 0


@dataclass(frozen=True)
class AnchorFacts:
    """The label rows of one anchor; ``split`` is ``train``, ``val`` or ``test``."""

    anchor_us: int
    split: str
    rows: int
    label_mean: float | None = None


@dataclass(frozen=True)
class TopValue:
    """A frequent value of a column and how many rows hold it."""

    value: str
    count: int


@dataclass(frozen=True)
class ColumnFacts:
    """One column: its meaning, and its statistics in one pass.

    ``low`` and ``high`` are printed as they are. ``histogram`` holds counts of bins of equal width between
    them. ``note`` says what became of the column, such as "left out by the audit".
    """

    name: str
    stype: str
    dtype: str = ""
    null_share: float = 0.0
    num_distinct: int | None = None
    low: str | None = None
    high: str | None = None
    mean: float | None = None
    histogram: tuple[int, ...] = ()
    top: tuple[TopValue, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class TableFacts:
    """One table. ``role`` is ``"entity"``, ``"target"``, ``"item"`` or empty."""

    name: str
    rows: int
    primary_key: tuple[str, ...] = ()
    time_column: str | None = None
    role: str = ""
    first_us: int | None = None
    last_us: int | None = None
    columns: tuple[ColumnFacts, ...] = ()


@dataclass(frozen=True)
class LinkFacts:
    """One foreign key, with the share of its non-null values that have a match."""

    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    match_rate: float | None = None
    mean_children: float | None = None
    max_children: int | None = None
    source: str = ""


@dataclass(frozen=True)
class FindingFacts:
    """A finding and what was decided: such as ``"dropped"``, ``"kept by you"``, ``"as of 2024-01-01"``."""

    finding: Finding
    decision: str


@dataclass(frozen=True)
class Rung:
    """One line of the ladder. ``note`` says why a candidate has no score, or what it is in words."""

    model: str
    val: Score | None
    test: Score | None
    fit_s: float | None = None
    rows_per_s: float | None = None
    words: str = ""
    note: str = ""


@dataclass(frozen=True)
class Bin:
    """A bin of a calibration plot: mean prediction, rate of the label, number of rows."""

    predicted: float
    actual: float
    count: int


@dataclass(frozen=True)
class Confusion:
    """Counts of rows, ``counts[actual][predicted]``, in the order of ``labels``."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    words: str = ""


@dataclass(frozen=True)
class BinaryPlots:
    """The plots of one model's probabilities on one split. ``lift`` has shares on both axes."""

    model: str
    split: str
    base_rate: float
    auroc: float
    average_precision: float
    roc: Curve
    precision_recall: Curve
    lift: Curve
    calibration: tuple[Bin, ...]
    expected_calibration_error: float
    threshold: float | None = None
    confusion: Confusion | None = None


@dataclass(frozen=True)
class RegressionPlots:
    """The plots of one model's predictions of a number. ``points`` is a sample: x actual, y predicted."""

    model: str
    split: str
    mae: float
    rmse: float
    r2: float
    points: Curve
    bins: tuple[Bin, ...]
    residual_low: float
    residual_high: float
    residual_counts: tuple[int, ...]


@dataclass(frozen=True)
class FrameFacts:
    """How far the predictions of one frame of a forecast are off; ``frame`` counts from 0."""

    frame: int
    rows: int
    mean_actual: float
    mean_predicted: float
    mae: float


@dataclass(frozen=True)
class RankingPlots:
    """How well the first k of a list are, for k = ``ks``."""

    model: str
    split: str
    ks: tuple[int, ...]
    map_at_k: tuple[float, ...]
    recall_at_k: tuple[float, ...]


@dataclass(frozen=True)
class Bar:
    """A thing that matters, in words, and its share; shares of one list add up to at most 1.

    ``mean`` is its mean signed amount, ``None`` where there is none.
    """

    name: str
    words: str
    value: float
    mean: float | None = None


@dataclass(frozen=True)
class DeletionCheck:
    """Proof that the importance means something.

    ``removed`` counts features taken away; ``important`` and ``random`` are how far predictions moved
    when the most important, or random, features are taken away; ``words`` says it in one sentence.
    """

    removed: tuple[int, ...]
    important: tuple[float, ...]
    random: tuple[float, ...]
    words: str = ""


@dataclass(frozen=True)
class Importance:
    """What moved predictions, by table, link, column, feature and how many links away it lies.

    It was measured on ``num_rows`` rows of val; ``unit`` is that of the mean amounts.
    """

    model: str
    tables: tuple[Bar, ...] = ()
    links: tuple[Bar, ...] = ()
    columns: tuple[Bar, ...] = ()
    features: tuple[Bar, ...] = ()
    deletion: DeletionCheck | None = None
    num_rows: int | None = None
    hops: tuple[Bar, ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class Contribution:
    """What moved one prediction: in words, the value seen, and by how much (signed)."""

    words: str
    value: str
    amount: float
    source: str = ""


@dataclass(frozen=True)
class AmountGroup:
    """Amounts added up in one way, such as by table."""

    title: str
    items: tuple[Contribution, ...]

    @property
    def reach(self) -> float:
        """The largest amount, to which bars are drawn."""
        return max((abs(item.amount) for item in self.items), default=0.0) or 1.0


@dataclass(frozen=True)
class RowsSeen:
    """Rows of one table behind an explanation; ``rows`` holds printed cells in the order of ``columns``."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Example:
    """One prediction, explained.

    ``unit`` says what amounts are, such as "in log-odds"; ``command`` asks for the whole explanation.
    ``neighborhood`` are the rows that a network read and that moved it most, ``seen`` says of how many.
    """

    entity: str
    anchor_us: int
    prediction: str
    words: str = ""
    actual: str = ""
    unit: str = ""
    contributions: tuple[Contribution, ...] = ()
    rows: tuple[RowsSeen, ...] = ()
    command: str = ""
    groups: tuple[AmountGroup, ...] = ()
    neighborhood: tuple[NeighborRow, ...] = ()
    seen: str = ""


@dataclass(frozen=True)
class DataVersion:
    """The content a run saw: a table and the digest of its snapshot."""

    table: str
    digest: str
    rows: int | None = None
    source: str = ""


@dataclass(frozen=True)
class Stage:
    """One step of the run. ``state`` is ``"ran"`` or ``"reused"``; ``why`` is the engine's own line."""

    name: str
    state: str
    seconds: float | None = None
    rows: int | None = None
    peak_memory_bytes: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Reproduction:
    """How to get the same result again. ``packages`` holds pairs of name and version."""

    commands: tuple[str, ...]
    seed: int
    packages: tuple[tuple[str, str], ...] = ()
    machine: str = ""


@dataclass(frozen=True)
class ReportDocument:
    """Everything that one report shows.

    Attributes:
        title: A short name of the question, such as the query's name.
        run: The run's name.
        words: The question in words.
        query: The question in PQL.
        verdict: One sentence: what won, by how much, and whether that is more than noise.
        winner: ``model`` of the rung that is drawn first.
        positive: What a TRUE label means, in words; for binary tasks.
        metric: As `Task.metric`; ``higher_is_better`` says which way it counts.
        horizon_us: Length of the label window from the anchor; ``None`` for static tasks.
        history_start_us: The oldest time in the tables, where the split diagram begins.
        audit: Empty with ``was_audited`` says that nothing was found.
    """

    title: str
    run: str
    words: str
    query: str
    task: Task
    history: History
    verdict: str
    winner: str = ""
    metric: str = ""
    higher_is_better: bool = True
    positive: str = ""
    weft_version: str = ""
    created_us: int | None = None
    seconds: float | None = None
    horizon_us: int | None = None
    history_start_us: int | None = None
    splits: tuple[SplitFacts, ...] = ()
    anchors: tuple[AnchorFacts, ...] = ()
    tables: tuple[TableFacts, ...] = ()
    links: tuple[LinkFacts, ...] = ()
    audit: tuple[FindingFacts, ...] = ()
    was_audited: bool = True
    quality: tuple[Finding, ...] = ()
    ladder: tuple[Rung, ...] = ()
    search: Search | None = None
    binary: tuple[BinaryPlots, ...] = ()
    regression: tuple[RegressionPlots, ...] = ()
    frames: tuple[FrameFacts, ...] = ()
    confusion: Confusion | None = None
    ranking: tuple[RankingPlots, ...] = ()
    cold_start: ColdStart | None = None
    importance: Importance | None = None
    examples: tuple[Example, ...] = ()
    versions: tuple[DataVersion, ...] = ()
    stages: tuple[Stage, ...] = ()
    reproduction: Reproduction | None = None
