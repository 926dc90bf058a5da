"""What the commands show: the same content as text for people and as plain data for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weft.core import Finding, Stype, format_time, to_plain
from weft.data import ColumnStatistics, LinkStatistics, TableStatistics
from weft.flow import Examined, Fault, examine_store
from weft.project.view import text_table

if TYPE_CHECKING:
    from weft.project.folder import ProjectFolder
    from weft.project.graph import Graph


@dataclass(frozen=True)
class View:
    """One thing to show: ``text`` for a terminal, ``plain`` for ``--json``."""

    text: str
    plain: Any


def tables_view(graph: Graph, only: str | None = None) -> View:
    """Show all tables with keys, times and findings, or the columns of one."""
    if only is not None:
        return _table_view(graph, only)
    rows = []
    for table in graph.tables:
        statistics = graph.profile.table(table.name)
        rows.append(
            [
                table.name,
                f"{statistics.num_rows:,}",
                str(len(table.columns)),
                ", ".join(table.primary_key) or "–",
                table.time_column or "–",
                time_range(graph, table.name) or "–",
            ]
        )
    header = ["table", "rows", "columns", "primary key", "time", "from … to"]
    parts = [text_table(header, rows)]
    ends = graph.profile.end_time_proposals
    if ends:
        parts.append(
            "\n".join(
                f"{t}.{c} may be an end time; set tables.{t}.end_time_column to use it."
                for t, c in ends.items()
            )
        )
    if graph.findings:
        parts.append("Data quality:\n" + "\n".join(finding_line(f) for f in graph.findings))
    plain = {
        "tables": [_plain_table(graph, t.name) for t in graph.tables],
        "findings": to_plain(graph.findings),
        "end_time_proposals": ends,
    }
    return View("\n\n".join(parts), plain)


def links_view(graph: Graph) -> View:
    """Show the links with match rates, degrees and the reasons why they are links."""
    rows, plain = [], []
    for statistics in link_statistics(graph):
        evidence = graph.profile.link_evidence(statistics.link)
        rows.append(
            [
                statistics.link.name,
                f"{statistics.match_rate:.1%}",
                f"{statistics.degree_mean:.1f}",
                f"{statistics.degree_max:,}",
                evidence.source if evidence else "–",
                f"{evidence.confidence:.0%}" if evidence else "–",
                "; ".join(evidence.reasons) if evidence else "",
            ]
        )
        plain.append(to_plain(statistics) | {"name": statistics.link.name, "evidence": to_plain(evidence)})
    if not rows:
        return View("No links were found. State them in weft.yaml under links.add.", {"links": []})
    header = ["link", "matched", "mean", "max", "source", "sure", "why"]
    return View(text_table(header, rows), {"links": plain})


def models_view(folder: ProjectFolder) -> View:
    """List the models that the runs of a project registered, by name and newest version first."""
    models = () if folder.is_unused else folder.hub.list_models()
    names = {} if folder.is_unused else {record.id: record.name for record in folder.hub.list_runs()}
    rows, plain = [], []
    for model in models:
        run = names.get(model.run_id, "")
        scores = ", ".join(f"{metric} {score:.4f}" for metric, score in model.metrics.items())
        told = [run or "–", scores or "–", second_of(model.created_us), ", ".join(model.aliases) or "–"]
        rows.append([model.name, str(model.version), *told])
        plain.append({**to_plain(model), "run": run or None})
    header = ["model", "version", "run", "test", "created", "aliases"]
    text = text_table(header, rows) if rows else nothing_of(folder, "models")
    return View(text, {"models": plain})


def second_of(time_us: int) -> str:
    """Write a time without the parts of its second."""
    return format_time(time_us - time_us % 1_000_000)


def nothing_of(folder: ProjectFolder, things: str) -> str:
    """Say that a project has no such things yet."""
    return (
        f"No {things} yet in {folder.folder}. Start a run with weft quickstart FOLDER, or name the project's "
        "folder with --project."
    )


def verify_store(folder: ProjectFolder) -> View:
    """Compare everything in the store with its checksums; name what is damaged, who needs it, what to do."""
    found = Examined(0, 0, ()) if folder.is_unused else examine_store(folder.store)
    plain = {
        "num_blobs": found.num_blobs,
        "num_refs": found.num_refs,
        "is_sound": not found.faults,
        "faults": [to_plain(f) | {"what_to_do": _remedy(f)} for f in found.faults],
    }
    head = f"{found.num_blobs:,} pieces of content and {found.num_refs:,} names were checked"
    if not found.num_blobs + found.num_refs:
        return nothing_kept(folder, plain)
    if not found.faults:
        return View(f"{head}: all are sound.", plain)
    lines = [f"{head}: {len(found.faults):,} cannot be used."]
    for fault in found.faults:
        lines += ["", f"{fault.fault}: {fault.place}", f"  needed by: {_needed_by(fault)}"]
        lines.append(f"  what to do: {_remedy(fault)}")
    return View("\n".join(lines), plain)


def nothing_kept(folder: ProjectFolder, plain: Any) -> View:
    """Say that nothing is kept yet."""
    return View(f"Nothing is kept in {folder.folder} yet.", plain)


_REMADE = ("nodes/", "runs/", "plans/")


def _needed_by(fault: Fault) -> str:
    named = [n for n in fault.needed_by if not n.startswith(("nodes/", "plans/"))]
    steps = len(fault.needed_by) - len(named)
    told = [*named[:5], *([f"{len(named) - 5} more names"] if len(named) > 5 else [])]
    return ", ".join([*told, *([f"{steps} kept steps"] if steps else [])]) or "nothing"


def _remedy(fault: Fault) -> str:
    """Say what to do about a fault, by what needs it."""
    if not fault.needed_by:
        return "nothing needs it; weft store gc removes it."
    kept = [n.split("/") for n in fault.needed_by if not n.startswith(_REMADE)]
    runs = sorted({n[1] for n in kept if n[0] == "results"})
    if runs:
        return f"repeat the query of {', '.join(runs)}, which puts it back, or restore it from a copy."
    return "repeat the query: what cannot be used is made again and replaced, the rest is found."


def finding_line(finding: Finding) -> str:
    """Write a finding in one line."""
    return f"  {finding.severity.value:<5}  {finding.subject}: {finding.sentences}"


def link_statistics(graph: Graph) -> list[LinkStatistics]:
    """Return the statistics of every link of the schema."""
    return [s for t in graph.profile.statistics for s in t.links]


def time_range(graph: Graph, table: str) -> str:
    """Return the range of a table's own time column, empty without one."""
    column = graph.schema.table(table).time_column
    if column is None:
        return ""
    statistics = graph.profile.table(table).column(column)
    if statistics.minimum is None or statistics.maximum is None:
        return ""
    return f"{_day(statistics.minimum)} … {_day(statistics.maximum)}"


def _table_view(graph: Graph, name: str) -> View:
    table, statistics = graph.schema.table(name), graph.profile.table(name)
    reasons = {e.subject: "; ".join(e.reasons) for e in graph.profile.evidence}
    rows = []
    for column in table.columns:
        seen = statistics.column(column.name)
        rows.append(
            [
                column.name,
                column.stype.value,
                column.dtype.value,
                f"{seen.null_rate:.1%}",
                f"{'' if seen.is_distinct_exact else '≈'}{seen.distinct:,}",
                column_summary(seen, column.stype),
                reasons.get(f"{name}.{column.name}", ""),
            ]
        )
    header = ["column", "meaning", "stored", "null", "distinct", "values", "why"]
    return View(text_table(header, rows), _plain_table(graph, name))


def column_summary(statistics: ColumnStatistics, stype: Stype) -> str:
    """Say in a few words which values a column holds."""
    low, high = statistics.minimum, statistics.maximum
    if stype is Stype.TIMESTAMP and low is not None and high is not None:
        return f"{_day(low)} … {_day(high)}"
    if stype is Stype.NUMERICAL and low is not None and high is not None:
        return f"{low:g} … {high:g}, mean {statistics.mean or 0:.4g}"
    return ", ".join(v.value[:20] for v in statistics.top_values[:3])


def _plain_table(graph: Graph, name: str) -> dict[str, Any]:
    table = graph.schema.table(name)
    statistics: TableStatistics = graph.profile.table(name)
    reasons = {e.subject: e for e in graph.profile.evidence}
    plain: dict[str, Any] = to_plain(table)
    plain["rows"] = statistics.num_rows
    plain["statistics"] = to_plain(statistics.columns)
    plain["evidence"] = [to_plain(e) for s, e in reasons.items() if s == name or s.startswith(f"{name}.")]
    return plain


def _day(time_us: float) -> str:
    return format_time(int(time_us))[:10]
