"""Small facts about a run, as they are kept and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from weft.core import Finding, InvariantError, from_plain
from weft.data import QUERY_READS_LATEST
from weft.flow import Event
from weft.project.view import cell_text, count_text, text_table
from weft.project.views import View


def decision_on(results: Mapping[str, Any], finding: Finding) -> str:
    """Say what became of a flagged column."""
    if finding.rule == QUERY_READS_LATEST:
        return "read, as the query asks"
    audit = results["audit"]
    excluded = {tuple(pair) for pair in audit["excluded"]}
    as_of = {(table, column) for table, column, _ in audit["as_of"]}
    columns = {(finding.table, c) for c in finding.columns}
    if columns & as_of:
        return "used as of a stated time"
    if columns & excluded:
        return "not used"
    return "kept by you" if finding.severity.value == "alarm" else "note"


def unread_values(findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return those findings of preparing the tables that count values read as missing."""
    return [f for f in findings if f["rule"] == "unreadable_values"]


def unread_findings(results: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return what a run keeps of the values that it could not read; runs of earlier versions keep none."""
    return tuple(from_plain(Finding, f) for f in results.get("unread", ()))


def alarm_lines(results: Mapping[str, Any], alarms: Sequence[Finding]) -> list[str]:
    """Return a line per column that a run could not read as a whole, then one per alarm of its audit."""
    lines = [f"Data: {f.subject}: {f.sentences}" for f in unread_findings(results)]
    return lines + [f"Audit: {f.subject}: {f.evidence} ({decision_on(results, f)})" for f in alarms]


def split_sizes(counts: dict[str, int]) -> dict[str, int]:
    """Return the number of rows of each split."""
    sizes = {str(k): counts[k] for k in ("train", "val", "test") if k in counts}
    if not sizes:
        raise InvariantError("DATA128", f"the labels came without counts: {counts}.")
    return sizes


def undefined_text(counts: Mapping[str, int]) -> str:
    """Say how many rows were left out because their label is undefined; empty when none were."""
    found = {k.removesuffix("_undefined"): v for k, v in counts.items() if k.endswith("_undefined")}
    if not found:
        return ""
    told = ", ".join(f"{name} {num:,}" for name, num in found.items())
    return f"Left out because their label is undefined: {told}."


def stage_facts(event: Event) -> dict[str, Any]:
    """Return what a run keeps of the last event of a node."""
    return {
        "name": event.node,
        "state": event.state.value,
        "why": event.why,
        "seconds": round(event.seconds, 3),
        "cpu_s": event.cpu_s,
        "rows": event.rows,
        "rows_per_s": event.rows_per_s,
        "peak_bytes": event.peak_bytes,
    }


def show_table(table: pa.Table, most: int = 20) -> View:
    """Show the first rows of a table."""
    rows = [[cell_text(v) for v in row.values()] for row in table.slice(0, most).to_pylist()]
    text = text_table(table.column_names, rows)
    if table.num_rows > most:
        text += f"\n… {count_text(table.num_rows - most, 'more row')}; write them all with --out."
    return View(text, {"rows": table.num_rows, "predictions": table.to_pylist()})


def not_tried_lines(parameters: Mapping[str, Any]) -> list[str]:
    """Say in lines which rungs a run left out before any data were read, and what settings it did not use."""
    lines = [f"Not tried: {name}: {why}." for name, why in parameters.get("not_tried", {}).items()]
    return lines + unused_lines(parameters)


def unused_lines(parameters: Mapping[str, Any]) -> list[str]:
    """Say in lines which options and settings did nothing for a run."""
    unheard = [parameters["unheard"]] if parameters.get("unheard") else []
    return [f"Not used: {why}." for why in (*parameters.get("unused", ()), *unheard)]
