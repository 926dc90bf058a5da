"""Networks on the ladder: one rung per kind, all trained alike."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, ClassVar

from weft.core import Progress, Resources, Task, TaskType, missing_extra
from weft.learn.data import Outline, TrainingData
from weft.learn.rung import Budget, Config, Model, not_applicable


class NetworkRung:
    """A network over sampled neighborhoods, trained on train, its epoch chosen on val."""

    name: ClassVar[str] = "network"
    cost: ClassVar[int] = 60
    appetite: ClassVar[float] = 2.0
    reads_graph: ClassVar[bool] = True
    resumes: ClassVar[bool] = True
    goes_on: ClassVar[bool] = True
    takes_fixed: ClassVar[bool] = True

    @property
    def model(self) -> type[Model]:
        """The class that reads a saved model back."""
        return _model_class(self.name)

    def supports(self, task: Task) -> bool:
        """Do every task but link prediction, where the extra ``gnn`` is installed."""
        return task.type is not TaskType.LINK_PREDICTION and has_torch()

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """There is one."""
        return [{"budget_s": budget.cpu_s}]

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
        """Train one network.

        Config: see `weft.learn.networks.configuration.NetworkConfig`; ``warm``, the folder of a candidate of
        an earlier run whose settings and weights the fit goes on from where they fit.

        Raises:
            UserError: ``LEARN010`` when there is no graph, ``EXT001`` when torch is not installed.
        """
        if not has_torch():
            raise missing_extra(f"the rung '{self.name}'", "torch", "gnn")
        if data.graph is None:
            raise not_applicable(self.name, "these data have no graph")
        from weft.learn.networks.fitting import Fit

        fit = Fit(self.name, _model_class(self.name), data, config, seed, resources, unfinished)
        return fit.run(deadline, progress)


class SageRung(NetworkRung):
    """GraphSAGE: every row takes the mean of its neighbors, link by link."""

    name = "sage"


class RelGNNRung(NetworkRung):
    """RelGNN: messages cross bridge tables in one step."""

    name = "relgnn"
    cost = 65


class GraphTransformerRung(NetworkRung):
    """A graph transformer: the neighborhood as tokens that attend to each other."""

    name = "graph_transformer"
    cost = 70


def network_rung(name: str) -> NetworkRung:
    """Return the rung of a network that another package adds."""
    rung: NetworkRung = type(f"{name.title()}Rung", (NetworkRung,), {"name": name})()
    return rung


def has_torch() -> bool:
    """Whether the extra ``gnn`` is installed."""
    return all(importlib.util.find_spec(name) for name in ("torch", "safetensors", "optuna"))


def usual_network(task: Task) -> str:
    """Name the network that is tried when none is named: the search, and where items are ranked `id_gnn`."""
    return "id_gnn" if task.type is TaskType.LINK_PREDICTION else "network"


def _model_class(name: str) -> type[Model]:
    from weft.learn.networks.model import NetworkModel

    return type(f"{name.title()}Model", (NetworkModel,), {"rung": name})
