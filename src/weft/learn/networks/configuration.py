"""The configuration of one network: what is sampled, how it is built, how it is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from weft.core import Choice, SampleOptions, Strategy, UserError, from_plain
from weft.core.sampling import LinkKey
from weft.learn.encoders import EncoderOptions
from weft.learn.networks.allowed import refused_setting
from weft.learn.rung import read_model_file

# Settings that only networks for entities follow, and losses that only those that rank items know.
OF_ENTITIES = frozenset(
    (
        "network",
        "start",
        "target",
        "positive_weight",
        "class_ratio",
        "train_cutoffs",
        "checkpoint_steps",
        "compiled",
        "look_rows",
    )
)
RANKING_LOSSES = ("softmax", "bpr")


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that a network is made with; a configuration of the search gives some of it.

    Attributes:
        variant: Name of the configuration; empty for the only one.
        network: Which network, where a search says it; the rung's own otherwise.
        channels: Width of the network.
        fanouts: Rows kept per link and hop; one entry per hop.
        strategy: Which rows: ``last`` or ``uniform``.
        without: Links that are not walked, by name or by their columns alone.
        start: Folder of the saved model whose weights the fit goes on from, as far as they fit; empty to
            begin anew.
        dropout: Share of the state left out while training.
        features: Features of the seed that are read besides the graph: ``past`` labels of the same entity,
            ``all``, or ``none``.
        encoders: Options of `EncoderOptions`.
        batch_size: Seeds per step.
        epochs: At most so many times over the train rows.
        look_rows: Train rows after which val is looked at; after all where there are fewer, and never before
            as many as val has.
        patience: Looks at val without a better one, after which the fit ends.
        learning_rate: Highest of the schedule, after it has warmed up.
        weight_decay: Of AdamW.
        averaging: What is kept of the weights is their mean over steps, each counting so much less than the
            next (Polyak averaging); 0 keeps them as they are. It steadies the choice of an epoch.
        schedule: How the learning rate falls: ``cosine``, ``linear`` or
            ``constant``.
        clip: Longest gradient.
        loss: Empty takes that of the task and metric.
        target: The scale on which a number is learned: ``standard``, ``raw``, ``log`` or ``rank``; see
            `weft.learn.networks.scale`. Predictions are in the number's own units on any.
        positive_weight: How much more a yes counts: a number, or ``balanced``, which is for classes too.
        class_ratio: Rows of a frequent class that an epoch reads per row of the rarest, drawn anew each time;
            0 reads all. Predictions are corrected for it.
        train_cutoffs: Which train rows: ``own``, ``stale`` or ``all``; see `TrainingData.train_rows`.
        checkpoint_steps: A checkpoint is written every so many steps; at the end of an epoch in any case.
        compiled: Whether the network goes through ``torch.compile``: minutes before the first step on a CPU.
        options: What only some networks know.
        budget_s: CPU seconds that the fit may plan for; 0 is no limit.
    """

    variant: str = ""
    network: str = ""
    channels: int = 64
    fanouts: tuple[int, ...] = (32, 16)
    strategy: str = "last"
    without: tuple[str, ...] = ()
    start: str = ""
    dropout: float = 0.1
    features: str = "all"
    encoders: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 512
    epochs: int = 20
    look_rows: int = 8_192
    patience: int = 6
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    averaging: float = 0.98
    schedule: str = "cosine"
    clip: float = 1.0
    loss: str = ""
    target: str = "standard"
    positive_weight: float | str = 1.0
    class_ratio: float = 0.0
    train_cutoffs: str = "all"
    checkpoint_steps: int = 200
    compiled: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    budget_s: float = 0.0

    @staticmethod
    def read(config: Mapping[str, Any]) -> NetworkConfig:
        """Make one of plain values.

        Raises:
            UserError: ``LEARN043`` for a setting that there is not, and for a value that it may not have;
                ``LEARN040`` for a column with an encoder that there is not.
        """
        _refuse_unknown("a network has no setting", config, NetworkConfig)
        _refuse_values(config.items())
        encoders = config.get("encoders", {})
        _refuse_unknown("encoders have no option", encoders, EncoderOptions)
        _refuse_values((f"encoders.{name}", value) for name, value in encoders.items())
        given = dict(config)
        if "fanouts" in given:
            given["fanouts"] = tuple(given["fanouts"])
        given["without"] = tuple(given.get("without", ()))
        made = NetworkConfig(**given)
        # The kinds of columns are checked as the options are made.
        made.encoding()
        return made

    def sampling(self, seed: int, links: Iterable[str], crossed: tuple[str, ...] = ()) -> SampleOptions:
        """Say what is sampled over some links; values are read apart, once per distinct row."""
        walked = tuple(links)
        hops: list[dict[LinkKey, int]] = [dict.fromkeys(walked, kept) for kept in self.fanouts]
        return SampleOptions(
            tuple(hops), Strategy(Choice(self.strategy)), crossed=crossed, columns=(), seed=seed
        )

    @property
    def hops_words(self) -> str:
        """Say how far rows are read, and how many."""
        hops = "1 hop" if len(self.fanouts) == 1 else f"{len(self.fanouts)} hops"
        return f"{hops} of {', '.join(map(str, self.fanouts))} rows per link"

    def encoding(self) -> EncoderOptions:
        """Say how columns are encoded."""
        return EncoderOptions(**self.encoders)

    def of_head(self) -> dict[str, Any]:
        """Return what `choose_goal` takes."""
        loss = {"loss": self.loss} if self.loss else {}
        return {**loss, "target": self.target, "positive_weight": self.positive_weight}


def _refuse_unknown(words: str, given: Iterable[str], of: Any) -> None:
    known = {f.name for f in fields(of)}
    if unknown := sorted(set(given) - known):
        raise UserError("LEARN043", f"{words} '{unknown[0]}'.", f"choose among {', '.join(sorted(known))}.")


def _refuse_values(settings: Iterable[tuple[str, Any]]) -> None:
    if refused := refused_setting(settings):
        name, value, hint = refused
        raise UserError("LEARN043", f"{name} is {value!r}.", hint)


def saved_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of a saved network, as a configuration of another fit takes them."""
    document = read_model_file(folder)
    of_one_fit = ("variant", "start", "budget_s")
    config = asdict(from_plain(NetworkConfig, document["state"]["config"]))
    kept = {k: list(v) if isinstance(v, tuple) else v for k, v in config.items() if k not in of_one_fit}
    return {**kept, "network": document["rung"]}
