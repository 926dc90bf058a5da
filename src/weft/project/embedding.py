"""Embeddings of entities by a network of a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from weft.compile import Answer, read_table
from weft.core import UserError, to_plain
from weft.data import export_frame
from weft.learn import get_rung
from weft.project.guard import refuse_source
from weft.project.tallies import show_table
from weft.project.view import count_text
from weft.project.views import View

if TYPE_CHECKING:
    from weft.project.run import Run


def embeddings(run: Run, model: str | None, at: Any, entities: Sequence[Any] | None, source: Any) -> pa.Table:
    """Return the embeddings of entities as an Arrow table; see `Run.embed`."""
    return _embedded(run, model, at, entities, source)[0]


def _embedded(
    run: Run, model: str | None, at: Any, entities: Sequence[Any] | None, source: Any
) -> tuple[pa.Table, float]:
    name = choose_network(run, model)
    output, seconds = run.answer(Answer.EMBED, at, entities, model=name, source=source)
    return read_table(output, "embeddings.parquet"), seconds


def choose_network(run: Run, model: str | None) -> str:
    """Return the network that embeds: the one that is named, else the best on val.

    Raises:
        UserError: ``LEARN047`` when the run has no network, or none of that name.
    """
    rows = [r for r in run.evaluation.leaderboard if not r.left_out]
    networks = [r.model for r in rows if hasattr(get_rung(r.model.partition(":")[0]).model, "embed_rows")]
    if model is None and networks:
        return networks[0]
    if model in networks:
        return str(model)
    raise UserError(
        "LEARN047",
        f"the run '{run.name}' has no network" + (f" called '{model}'." if model else "."),
        f"choose one of {', '.join(networks)}."
        if networks
        else "fit with a larger budget, or --models network.",
    )


def embed_to(
    run: Run,
    *,
    model: str | None,
    at: str | None,
    entities: Sequence[Any] | None,
    source: str | None,
    out: str | None,
    table: str,
    mode: str,
) -> View:
    """Embed and write the result to a file or database, all or nothing; without ``out`` show it."""
    if out is not None:
        read = run.record.results.get("source_at", run.record.results["source"])
        refuse_source(out, table, [read, source] if source else [read], (t.name for t in run.schema.tables))
    found, seconds = _embedded(run, model, at, entities, source)
    rate = found.num_rows / max(seconds, 1e-9)
    if out is None:
        return show_table(found)
    written = export_frame(found, out, table_name=table, mode=mode)
    plain = {"rows": found.num_rows, "entities_per_s": rate} | to_plain(written)
    told = f"Wrote {count_text(found.num_rows, 'row')} to {written.target} ({rate:,.0f} entities/s)."
    return View(told, plain)
