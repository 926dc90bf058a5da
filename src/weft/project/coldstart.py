"""What a run says of entities without history: as data, in a line, and in the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import weft.report as report
from weft.learn import ColdStart, Evaluation, GroupScore


def cold_facts(made: Evaluation) -> dict[str, Any]:
    """Return the scores of cold start as plain data, by split and model; empty where none were measured."""
    facts: dict[str, Any] = {}
    for split in dict.fromkeys(told.split for told in made.cold_start):
        measured = [told for told in made.cold_start if told.split == split]
        first = measured[0]
        facts[split] = {
            "without_history": _size(first.without),
            "others": _size(first.others),
            "models": {
                told.model: {"without_history": _score(told.without), "others": _score(told.others)}
                for told in measured
            },
        }
    return facts


def cold_lines(made: Evaluation) -> list[str]:
    """Say in a line how the winner does without history; nothing where every entity had some.

    The line is about test, or about val where test has no such row.
    """
    told = _judged(made.cold_start, made.winner)
    if told is None:
        return []
    without, others = told.without, told.others
    rows = f"{without.num_rows:,} of {without.num_rows + others.num_rows:,} {told.split} rows"
    named = f"{made.metric} " if without.value is None and others.value is not None else ""
    rest = f"the others {named}{_score_text(others)}" if others.num_rows else "there are no others"
    return [f"Entities without history: {rows}, {_named(made.metric, without)}; {rest}."]


def cold_part(made: Evaluation) -> report.ColdStart | None:
    """Return what the report shows of cold start; ``None`` where it was not measured."""
    if not made.cold_start:
        return None
    splits = tuple(
        report.ColdSplit(told.split, *_sizes(told.without), *_sizes(told.others))
        for told in made.cold_start
        if told.model == made.winner
    )
    models = tuple(dict.fromkeys(told.model for told in made.cold_start))
    by_place = {(told.model, told.split): told for told in made.cold_start}
    rows = tuple(
        report.ColdRow(model, tuple(_cells(by_place[model, split.name]) for split in splits))
        for model in models
    )
    return report.ColdStart(splits, rows)


def _judged(measured: Sequence[ColdStart], winner: str) -> ColdStart | None:
    by_split = {told.split: told for told in measured if told.model == winner}
    ordered = [by_split[split] for split in ("test", "val") if split in by_split]
    return next((told for told in ordered if told.without.num_rows), None)


def _named(metric: str, group: GroupScore) -> str:
    return group.note or f"{metric} {_score_text(group)}"


def _score_text(group: GroupScore) -> str:
    if group.value is None:
        return f"have no score ({group.note})"
    inside = f" [{group.interval.low:.4g}, {group.interval.high:.4g}]" if group.interval else ""
    return f"{group.value:.4g}{inside}"


def _sizes(group: GroupScore) -> tuple[int, int]:
    return group.num_rows, group.num_entities


def _size(group: GroupScore) -> dict[str, int]:
    return {"rows": group.num_rows, "entities": group.num_entities}


def _score(group: GroupScore) -> dict[str, Any]:
    spread = group.interval
    return {
        "score": group.value,
        "interval": [spread.low, spread.high] if spread else None,
        "note": group.note,
    }


def _cells(told: ColdStart) -> tuple[report.ColdScore, report.ColdScore]:
    return _cell(told.without), _cell(told.others)


def _cell(group: GroupScore) -> report.ColdScore:
    if group.value is None:
        return report.ColdScore(None, group.note)
    spread = group.interval
    return report.ColdScore(
        report.Score(group.value, spread.low if spread else None, spread.high if spread else None)
    )
