"""What the report shows of the networks that a run trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import weft.report as report
from weft.core import from_plain
from weft.learn import Candidate, differing, get_metric, get_rung

if TYPE_CHECKING:
    from weft.project.run import Run

_ORIGINS = {
    "portfolio": "known to do well on many databases",
    "search": "proposed from the trials before",
}
_ALL_LOOKS = "it was trained to its end"


def search_facts(run: Run) -> report.Search | None:
    """Return the trials of networks in the order of the leaderboard; ``None`` where none was trained."""
    names = [r.model for r in run.evaluation.leaderboard if getattr(get_rung(r.rung), "reads_graph", False)]
    if not names:
        return None
    nodes = [f"candidate[{name}]" for name in names]
    outputs = run.project.run(run.plan, targets=tuple(nodes)).outputs
    candidates = [from_plain(Candidate, outputs[node].value) for node in nodes]
    metrics = [c.curve.metric for c in candidates if c.curve.metric]
    if not metrics:
        return None
    trained = [c.config for c in candidates if not c.left_out]
    settings = iter(differing(trained))
    trials = [_trial(c, {} if c.left_out else next(settings)) for c in candidates]
    return report.Search(metrics[0], get_metric(metrics[0]).higher_is_better, tuple(trials))


def _trial(candidate: Candidate, settings: Mapping[str, Any]) -> report.Trial:
    curve, scores = candidate.curve, np.array(candidate.curve.val)
    has_best = curve.best >= 0
    return report.Trial(
        model=candidate.model,
        network=str(candidate.config.get("network") or candidate.rung).replace("_", " "),
        settings=tuple(w for name, value in settings.items() if (w := _setting(name, value))),
        origin=_origin(candidate.config),
        curve=report.thin(np.arange(1.0, len(scores) + 1), scores),
        looks=len(scores),
        best=curve.best + 1,
        kept=curve.kept,
        loss=curve.loss[curve.best] if has_best else None,
        val=candidate.val,
        test=candidate.test,
        fit_s=None if candidate.left_out else candidate.fit_s,
        note=candidate.left_out
        or "; ".join([*([curve.start] if curve.start else []), *curve.events, curve.note or _ALL_LOOKS]),
    )


def _origin(config: Mapping[str, Any]) -> str:
    if config.get("start"):
        return f"{config['start']} again, for longer"
    return _ORIGINS.get(str(config.get("kind")), "")


def _setting(name: str, value: Any) -> str:
    """Write a setting as one reads it; nothing for a link that is walked."""
    if link := name.partition(":")[2]:
        return "" if value else f"without {link}"
    group, _, setting = name.rpartition(".")
    words = setting.replace("_", " ") + (" as" if group == "encoders" and isinstance(value, str) else "")
    if isinstance(value, list):
        return f"{words} {', '.join(map(str, value))}"
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"{words} {report.number_text(value, 2) if number else value}"
