"""Networks that rank items: one rung per kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from weft.core import Progress, Resources, Task, TaskType, missing_extra
from weft.learn.data import Outline
from weft.learn.networks.configuration import OF_ENTITIES, RANKING_LOSSES
from weft.learn.ranking import RankingData
from weft.learn.rung import Budget, Config, Model, not_applicable
from weft.learn.rungs.network import has_torch


class TwoTowerRung:
    """Two towers: the product of a vector per user and one per item."""

    name: ClassVar[str] = "two_tower"
    cost: ClassVar[int] = 60
    appetite: ClassVar[float] = 2.0
    reads_graph: ClassVar[bool] = True
    resumes: ClassVar[bool] = True
    takes_fixed: ClassVar[bool] = True

    @property
    def model(self) -> type[Model]:
        """The class that reads a saved model back."""
        return _model_class(self.name)

    def supports(self, task: Task) -> bool:
        """Do link prediction alone, where the extra ``gnn`` is installed."""
        return task.type is TaskType.LINK_PREDICTION and has_torch()

    def hears(self, setting: str, value: Any) -> bool:
        """Whether a network that ranks items knows a setting, at such a value."""
        return setting not in OF_ENTITIES and (setting != "loss" or value in RANKING_LOSSES)

    def variants(self, outline: Outline, budget: Budget) -> list[dict[str, Any]]:
        """There is one."""
        return [{"budget_s": budget.cpu_s}]

    def fit(
        self,
        data: RankingData,
        config: Config,
        seed: int,
        *,
        resources: Resources,
        deadline: float | None,
        progress: Progress,
        unfinished: Path | None = None,
    ) -> Model:
        """Train one network, its epoch chosen on val.

        Config: see `weft.learn.networks.configuration.NetworkConfig`; its ``options`` are those of
        `weft.learn.networks.slates.RankingOptions`, its ``loss`` is ``softmax`` or ``bpr``.

        Raises:
            UserError: ``LEARN010`` when there is no graph, ``EXT001`` when torch is not installed.
        """
        if not has_torch():
            raise missing_extra(f"the rung '{self.name}'", "torch", "gnn")
        if data.graph is None:
            raise not_applicable(self.name, "these data have no graph")
        from weft.learn.networks.ranking_fit import RankingFit

        fit = RankingFit(self.name, self.model, data, config, seed, resources, unfinished)
        return fit.run(deadline, progress)


class IdGnnRung(TwoTowerRung):
    """Items around the user, each scored by the paths that lead there."""

    name = "id_gnn"
    cost = 62


class HybridRung(TwoTowerRung):
    """Items around the user pair by pair, the rest by two towers."""

    name = "hybrid"
    cost = 65


def _model_class(name: str) -> type[Model]:
    from weft.learn.networks.ranking_model import RankingNetworkModel

    return type(f"{name.title()}Model", (RankingNetworkModel,), {"rung": name})
