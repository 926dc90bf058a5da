"""Predictions of a finished run: as a frame, and streamed to a file or database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from weft.compile import Answer, read_table
from weft.core import TaskType, UserError, check_integer, to_plain
from weft.data import export_frame
from weft.flow import Output
from weft.learn import check_quantiles, get_rung
from weft.project.guard import refuse_source
from weft.project.lineage import keep_file
from weft.project.tallies import show_table
from weft.project.view import count_text
from weft.project.views import View

if TYPE_CHECKING:
    from weft.project.run import Run

_FILE = "predictions.parquet"
_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Asking:
    """What is asked of a run that predicts.

    Attributes:
        at: Anchor time; ``None`` is the last fact time.
        entities: Keys; ``None`` for all.
        quantiles: Levels, for predicted numbers.
        source: Where newer rows are.
        top: Items per entity, for recommendations; as many as the query ranks when left out.
        keep_seen: Whether items that the entity chose before are recommended, too.
        all_items: Whether all items are searched, not the collected candidates alone.
    """

    at: Any = None
    entities: Sequence[Any] | None = None
    quantiles: Sequence[float] | None = None
    source: Any = None
    top: int | None = None
    keep_seen: bool = True
    all_items: bool = False

    @property
    def wanted(self) -> dict[str, Any]:
        """What differs from the items that the query asks for."""
        told = {"top": self.top, "keep_seen": self.keep_seen, "all_items": self.all_items}
        usual = to_plain(Asking())
        return {name: value for name, value in told.items() if value != usual[name]}


def predictions(run: Run, asking: Asking) -> pa.Table:
    """Return predictions as an Arrow table; see `Run.predict`."""
    return read_table(_answer(run, asking)[0], _FILE)


def predict_to(
    run: Run, asking: Asking, *, out: str | None, table: str = "predictions", mode: str = "replace"
) -> View:
    """Predict and write the result to a file or database, all or nothing; without ``out`` show it.

    A file is written batch by batch, in bounded memory.
    """
    if out is not None:
        read = run.record.results.get("source_at", run.record.results["source"])
        places = [read, asking.source] if asking.source else [read]
        refuse_source(out, table, places, (t.name for t in run.schema.tables))
    output, model, seconds = _answer(run, asking)
    if out is None:
        return show_table(read_table(output, _FILE))
    with open(output.path(_FILE), "rb") as file:
        found = pq.ParquetFile(file)
        names, num_rows = found.schema_arrow.names, found.metadata.num_rows
        batches = pa.RecordBatchReader.from_batches(
            found.schema_arrow, found.iter_batches(batch_size=_BATCH_ROWS)
        )
        written = export_frame(batches, out, table_name=table, mode=mode)
    plain: dict[str, Any] = {"rows": num_rows, "columns": names} | to_plain(written)
    plain["digest"] = keep_file(run.project, run.record.id, out, output)
    told = f"Wrote {count_text(num_rows, 'row')} to {written.target}"
    if run.task.type is TaskType.LINK_PREDICTION:
        entities = output.value["entities"]
        rate = entities / max(seconds, 1e-9)
        plain |= {"model": model, "entities": entities, "entities_per_s": rate}
        told += (
            f": {entities:,} {'entity' if entities == 1 else 'entities'} by {model}, {rate:,.0f} entities/s"
        )
    return View(f"{told}.", plain)


def _answer(run: Run, asking: Asking) -> tuple[Output, str, float]:
    """Run the Plan; return what it made, by which model, and in how many seconds."""
    _check(run, asking)
    model = _searching(run) if asking.all_items else run.winner
    levels = () if asking.quantiles is None else check_quantiles(run.task, asking.quantiles)
    output, seconds = run.answer(
        Answer.PREDICT,
        asking.at,
        run.keys(asking.entities),
        model=model,
        quantiles=levels,
        wanted=asking.wanted,
        source=asking.source,
    )
    return output, model, seconds


def _check(run: Run, asking: Asking) -> None:
    """Refuse what only recommendations have.

    Raises:
        UserError: ``LEARN062`` for a run that recommends nothing; ``DATA131`` for a length that is none.
    """
    if asking.wanted and run.task.type is not TaskType.LINK_PREDICTION:
        names = ", ".join(asking.wanted)
        raise UserError(
            "LEARN062",
            f"the run '{run.name}' answers a {run.task.type.value} question and recommends no items, but "
            f"{names} was given.",
            "leave it out, or ask for items: PREDICT LIST_DISTINCT(orders.item_id, 0, 30) RANK TOP 12 …",
        )
    if asking.top is not None:
        check_integer("DATA131", "top", asking.top, least=1, most=100_000)


def _searching(run: Run) -> str:
    """Return the network that searches all items: the best on val.

    Raises:
        UserError: ``LEARN063`` when the run has none.
    """
    rows = [r for r in run.evaluation.leaderboard if not r.left_out]
    able = [r.model for r in rows if hasattr(get_rung(r.rung).model, "recommender")]
    if not able:
        raise UserError(
            "LEARN063",
            f"the run '{run.name}' has no network that can search all items.",
            "leave it out to rank the collected candidates, or fit with --models ranker,hybrid,blend.",
        )
    return able[0]
