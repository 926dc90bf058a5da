"""Which rungs and metrics there are: Weft's own and those that entry points add."""

from __future__ import annotations

import functools
import importlib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

from weft.core import Task, UserError
from weft.learn.networks.registry import added_networks
from weft.learn.rung import Model, Rung, read_model_file
from weft.learn.rungs.network import network_rung

RUNG_GROUP = "weft.rungs"
_BUILT_IN = {
    "constant": "weft.learn.rungs.constant:ConstantRung",
    "entity": "weft.learn.rungs.entity:EntityRung",
    "heuristic": "weft.learn.rungs.heuristic:HeuristicRung",
    "linear": "weft.learn.rungs.linear:LinearRung",
    "network": "weft.learn.rungs.search:NetworkSearch",
    "sage": "weft.learn.rungs.network:SageRung",
    "relgnn": "weft.learn.rungs.network:RelGNNRung",
    "graph_transformer": "weft.learn.rungs.network:GraphTransformerRung",
    "lightgbm": "weft.learn.rungs.boosting:LightGBMRung",
    "blend": "weft.learn.rungs.blend:BlendRung",
    "popularity": "weft.learn.rungs.ranking:PopularityRung",
    "repeat": "weft.learn.rungs.ranking:RepeatRung",
    "cooccurrence": "weft.learn.rungs.ranking:CooccurrenceRung",
    "two_tower": "weft.learn.rungs.recommendation:TwoTowerRung",
    "id_gnn": "weft.learn.rungs.recommendation:IdGnnRung",
    "hybrid": "weft.learn.rungs.recommendation:HybridRung",
    "ranker": "weft.learn.rungs.ranker:RankerRung",
}


def rung_names() -> tuple[str, ...]:
    """List the names of all rungs that are installed."""
    return tuple(sorted({*_BUILT_IN, *added_networks(), *_plugged_in()}))


@functools.cache
def get_rung(name: str) -> Rung:
    """Return the rung called ``name``.

    Raises:
        UserError: ``LEARN006`` when there is none; ``LEARN011`` when its package does not load.
    """
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        rung: Rung = getattr(importlib.import_module(module), attribute)()
        return rung
    if name in added_networks():
        network: Any = network_rung(name)
        return cast(Rung, network)
    if name in (added := _plugged_in()):
        plugged: Rung = load_plug_in(added[name])
        return plugged
    raise UserError("LEARN006", f"there is no rung '{name}'.", f"choose among {', '.join(rung_names())}.")


def rungs_for(task: Task) -> tuple[Rung, ...]:
    """List the rungs that can do ``task``, the simplest first."""
    able = [r for r in map(get_rung, rung_names()) if r.supports(task)]
    return tuple(sorted(able, key=lambda r: (r.cost, r.name)))


def appetite_of(rung: Rung) -> float:
    """Return how large a share of the budget a rung takes; 0 for one that does not search."""
    return float(getattr(rung, "appetite", 0.0))


def is_search(name: str) -> bool:
    """Whether a rung's trials are proposed when those before have ended."""
    return hasattr(get_rung(name), "propose")


def load_model(directory: Path) -> Model:
    """Read a saved model, of whichever rung it is."""
    return get_rung(read_model_file(directory)["rung"]).model.load(directory)


def load_plug_in(entry_point: EntryPoint) -> Any:
    """Load what an entry point names and, if it is a class, make one."""
    try:
        loaded = entry_point.load()
        return loaded() if isinstance(loaded, type) else loaded
    except Exception as error:
        raise UserError(
            "LEARN011",
            f"'{entry_point.name}' of the group {entry_point.group} does not load: "
            f"{type(error).__name__}: {error}.",
            "repair or remove the package that registers it.",
        ) from error


@functools.cache
def _plugged_in() -> dict[str, EntryPoint]:
    return {e.name: e for e in entry_points(group=RUNG_GROUP)}
