"""The search over networks as a rung: each trial a candidate, configured when earlier ones have ended."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from weft.core import Progress, Resources, UnavailableError, UserError
from weft.learn.candidate import MODEL_FOLDER, Candidate, read_candidate
from weft.learn.choice import rank_on_val
from weft.learn.data import Outline, TrainingData
from weft.learn.metrics import Metric, get_metric
from weft.learn.networks.configuration import saved_settings
from weft.learn.registry import get_rung
from weft.learn.rolling import fit_rolling, rolling_gain
from weft.learn.rung import Budget, Config, Model, not_applicable
from weft.learn.rungs.network import NetworkRung
from weft.learn.search import (
    Kind,
    Traits,
    Trial,
    check_space,
    default_space,
    improves,
    make_portfolio,
    plan_rounds,
    propose,
    read_space,
)
from weft.learn.search.space import Choices, Space, arrange, complete, flatten

_PATIENCE = 12
# What `variants` says of a trial that is no setting of the network.
_PLACE = ("round", "place", "kind", "trials", "origins")


class NetworkSearch(NetworkRung):
    """The best network that a budget finds: a portfolio, proposals of Optuna, the best trained longer."""

    name: ClassVar[str] = "network"
    rolls: ClassVar[bool] = True
    # They are part of its space.
    takes_fixed: ClassVar[bool] = False

    @property
    def model(self) -> type[Model]:
        """The class that reads a saved model back; each trial is saved as the network that it is."""
        return get_rung("sage").model

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """List the trials of all rounds; what each tries is told by `propose`."""
        told: list[dict[str, Any]] = []
        for number, planned in enumerate(plan_rounds(budget.cpu_s, budget.trials)):
            for place in range(planned.trials):
                words = {"variant": str(len(told) + 1), "round": number, "place": place}
                told.append({**words, **asdict(planned), "kind": planned.kind.value})
        return told

    def propose(
        self,
        data: TrainingData,
        asked: Config,
        finished: Sequence[Path],
        said: Mapping[str, Any],
        seed: int,
        *,
        warm: Path | None = None,
    ) -> list[dict[str, Any]]:
        """Say what the trials of a round are; fewer than planned where no more are worth it.

        Args:
            data: With a graph.
            asked: One of `variants`, of the round.
            finished: Folders of the candidates of the rounds before.
            said: What the user says about the space; see `read_space`.
            seed: Of the proposals.
            warm: Folder of the candidate of an earlier run: the first trial, moved into the space.

        Raises:
            UserError: ``LEARN045`` for a setting of the space that there is not or that may not be so,
                ``LEARN012`` for train rows that there are not.
        """
        space = _space(data, said)
        kind, count = Kind(asked["kind"]), int(asked["trials"])
        told = [c for c in map(read_candidate, finished) if not c.left_out]
        told.sort(key=lambda c: int(c.config["variant"]))
        metric = get_metric(data.outline.chosen_metric)
        if kind is Kind.LONGER:
            best = sorted(told, key=lambda c: _order(metric, c))[:count]
            return [{**_own(c), "start": c.model} for c in best]
        gains = [(c, rolling_gain(metric, c)) for c in told]
        trials = [Trial(_own(c), gain) for c, gain in gains if gain is not None]
        if kind is Kind.SEARCH and not improves([t.gain for t in trials], _PATIENCE):
            return []
        wanted = [] if kind is Kind.SEARCH else _first(data, space, warm)[:count]
        more = count - len(wanted)
        return wanted + (propose(space, trials, more, seed + int(asked["round"])) if more else [])

    def fit(
        self,
        data: TrainingData,
        config: Config,
        seed: int,
        *,
        resources: Resources,
        deadline: float | None,
        progress: Progress,
        unfinished: Path | None = None,
    ) -> Model:
        """Fit the network that a trial names.

        Config: see `weft.learn.networks.configuration.NetworkConfig`; ``members``, the folders of earlier
        trials, one of which ``start`` may name; ``origins``, see `weft.learn.rolling`.

        Raises:
            UserError: ``LEARN010`` when there is no graph; ``LEARN043`` when no network is named.
        """
        given = {k: v for k, v in config.items() if k not in _PLACE}
        members = [Path(m) for m in given.pop("members", ())]
        name = str(given.get("network", ""))
        if not name:
            raise UserError("LEARN043", "a trial of the search names no network.", "give one: network: sage.")
        if start := given.get("start"):
            given["start"] = str(_folder_of(start, members))
        limits: dict[str, Any] = {"resources": resources, "deadline": deadline, "progress": progress}
        fit_one = functools.partial(_fit_one, get_rung(name), seed, limits)
        try:
            if origins := config.get("origins"):
                return fit_rolling(data, given, origins, fit_one, unfinished)
            return fit_one(data, given, unfinished)
        except UnavailableError as error:
            if error.code != "LEARN050":
                raise
            # A trial that the memory does not hold is no reason to lose the others.
            raise not_applicable(self.name, error.message) from error


def _space(data: TrainingData, said: Mapping[str, Any]) -> Space:
    """Return what may be tried on these data."""
    assert data.graph is not None
    links, has_sentences = [k.name for k in data.graph.source.links], data.graph.sentences is not None
    space = read_space(said, default_space(data.task.type, links, sentences=has_sentences))
    check_space(space, data.task)
    if isinstance(cutoffs := space["train_cutoffs"], Choices):
        for value in cutoffs.values:
            data.train_parts(value)
    return space


def _fit_one(
    rung: Any, seed: int, limits: Mapping[str, Any], data: TrainingData, config: Config, folder: Path | None
) -> Model:
    model: Model = rung.fit(data, config, seed, **limits, unfinished=folder)
    return model


def _own(candidate: Candidate) -> dict[str, Any]:
    """Return what a trial tried, without what says when it was tried and for how long."""
    left = (*_PLACE, "variant", "budget_s", "start")
    return {k: v for k, v in candidate.config.items() if k not in left}


def _order(metric: Metric, candidate: Candidate) -> tuple[float, ...]:
    gain = rolling_gain(metric, candidate)
    return (-np.inf if gain is None else gain) * -1, *rank_on_val(metric, candidate)


def _first(data: TrainingData, space: Space, warm: Path | None) -> list[dict[str, Any]]:
    """Return an earlier network and the configurations of the portfolio, moved into the space."""
    assert data.graph is not None
    links = data.graph.source.links
    parents = Counter(link.child for link in links)
    traits = Traits(len(data.train), len(links), has_bridges=any(n > 1 for n in parents.values()))
    points = [arrange(complete(config, space)) for config in make_portfolio(traits)]
    if warm is not None:
        earlier = saved_settings(warm / MODEL_FOLDER)
        points.insert(0, arrange({**flatten(earlier), **complete(earlier, space)}))
    return [config for i, config in enumerate(points) if config not in points[:i]]


def _folder_of(start: str, members: Sequence[Path]) -> Path:
    for folder in members:
        if read_candidate(folder).model == start:
            return folder / MODEL_FOLDER
    raise not_applicable("network", f"the trial '{start}' that it goes on from is not there")
