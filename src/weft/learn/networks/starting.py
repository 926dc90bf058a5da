"""Going on from the weights of a saved network: longer trials of a search, and fits on newer data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weft.core import Split, UserError, from_plain
from weft.learn.candidate import MODEL_FOLDER
from weft.learn.data import TrainingData
from weft.learn.encoder import FIRST_CODE, Encoder
from weft.learn.networks.configuration import NetworkConfig, saved_settings
from weft.learn.networks.heads import Goal, usual_loss
from weft.learn.networks.inputs import NetworkInputs, SeedTerms, last_anchor_us, list_columns, walked_links
from weft.learn.rung import Header, read_model_file
from weft.learn.rungs.linear_terms import Term

WEIGHTS = "weights.safetensors"
_GOES_ON = "it began with the weights of an earlier network"
_MISFITS = ("LEARN041", "LEARN043", "LEARN046", "LEARN049")
# A code that no value of a feature has, be it a category or a number.
_NO_VALUE = -(2**60)
_ROW = ["entity", "anchor_time"]
# What another value of makes weights that do not fit, or mean another thing.
_SHAPE = (
    "channels",
    "fanouts",
    "without",
    "features",
    "options",
    "target",
    "positive_weight",
    "class_ratio",
)


@dataclass(frozen=True)
class Start:
    """What a saved network read, what it learned, and its weights.

    Attributes:
        inputs: Its encoders, so that the weights mean what they meant.
        goal: What it learned.
        raw: The bytes of its weights.
        lost: Features of the seed that it read and that are not made any more: they count as average.
    """

    inputs: NetworkInputs
    goal: Goal
    raw: bytes
    lost: tuple[str, ...] = ()

    @property
    def weights(self) -> dict[str, Any]:
        """The weights by name."""
        from safetensors.torch import load

        return dict(load(self.raw))


def read_start(folder: Path, name: str, config: NetworkConfig, data: TrainingData) -> Start:
    """Read the saved network that a fit goes on from.

    Its encoders are kept with its weights, not fitted anew on the rows of now: the first layer weighs the
    places of an encoded column, so with other quantiles, vocabularies or columns the same weights would read
    other values. A category that came later is read as unknown until a network begins anew. Features of the
    seed are found again by name, since their places and codes follow from the rows of now.

    Args:
        folder: The saved model.
        name: The network to be fitted.
        config: How.
        data: What it is to be fitted on.

    Raises:
        UserError: ``LEARN046`` when it is another network, is built in another way, answers another question,
            reads another schema, or has learned from later rows than those that train has now: val and test
            would be known to it.
    """
    assert data.graph is not None
    document = read_model_file(folder)
    state, header = document["state"], from_plain(Header, document["header"])
    inputs, until = from_plain(NetworkInputs, state["inputs"]), last_anchor_us(data)
    goal = from_plain(Goal, state["goal"])
    inputs.check_sentences()
    reason = _misfit(document, name, config) or _other_loss(goal, config, data)
    if not reason and (header.task, header.classes) != (data.task, data.classes):
        reason = "it answers another question, or tells other classes apart"
    if not reason and inputs.until_us > until:
        reason = "it has learned from labels later than the train rows"
    if not reason and (changes := _changes(inputs, data, config)):
        reason = f"the schema has changed: {changes}"
    if reason:
        raise _refused(folder, reason)
    seed, lost = _found_again(inputs.seed, header.encoder, data.encoder)
    # What is saved in the end has learned from the rows of now.
    inputs = replace(inputs, seed=seed, until_us=until)
    return Start(inputs, goal, (folder / WEIGHTS).read_bytes(), lost)


def _misfit(document: Mapping[str, Any], name: str, config: NetworkConfig) -> str:
    """Say in which way a saved network is built otherwise than a configuration wants it; empty for none."""
    if document["rung"] != name:
        return f"it is a network of the kind '{document['rung']}', not '{name}'"
    earlier = from_plain(NetworkConfig, document["state"]["config"])
    for field in _SHAPE:
        was, wanted = getattr(earlier, field), getattr(config, field)
        if was != wanted:
            return f"its {field} is {was!r}, not {wanted!r}"
    # What is left open is as it is where the usual is said.
    if earlier.encoding() != config.encoding():
        return f"its encoders are {dict(earlier.encoders)}, not {dict(config.encoders)}"
    return ""


def _other_loss(goal: Goal, config: NetworkConfig, data: TrainingData) -> str:
    """Say that a saved network learned by another loss than is wanted; empty where it did not."""
    wanted = config.loss or usual_loss(data.task, data.outline.chosen_metric)
    return "" if goal.loss == wanted else f"its loss is {goal.loss!r}, not {wanted!r}"


def start_warm(config: Mapping[str, Any], name: str, data: TrainingData) -> tuple[dict[str, Any], str]:
    """Let a fit go on from the candidate of an earlier run whose folder ``warm`` of the configuration names.

    It takes the settings of that network, but for those that the configuration gives.

    Args:
        config: Of the fit.
        name: The network to be fitted.
        data: What it is to be fitted on.

    Returns:
        The configuration of the fit, and how it begins in words; empty where nothing is to be gone on from.
        Where the earlier network does not fit, the words say why, and the configuration begins anew.
    """
    given = dict(config)
    warm = given.pop("warm", None)
    if warm is None:
        return given, ""
    folder = Path(warm)
    taken = {**saved_settings(folder / MODEL_FOLDER), **given, "start": str(folder / MODEL_FOLDER)}
    try:
        if _last_val(folder) > _last_us(data.val.seeds):
            raise _refused(folder, "it was chosen on rows that come later than val")
        if _has_learned(folder, data):
            raise _refused(folder, "it may have learned from rows that are val or test now")
        start = read_start(folder / MODEL_FOLDER, name, NetworkConfig.read(taken), data)
    except UserError as error:
        if error.code not in _MISFITS:
            raise
        return given, f"it began anew: {error.message.rstrip('.')}"
    return taken, _GOES_ON + _without(start.lost)


def _without(lost: tuple[str, ...]) -> str:
    """Say which features are left out; empty where none is."""
    if not lost:
        return ""
    words = "a feature that is" if len(lost) == 1 else f"{len(lost)} features that are"
    counts = "counts" if len(lost) == 1 else "count"
    return f", without {words} not made any more and {counts} as average: {', '.join(lost)}"


def _changes(inputs: NetworkInputs, data: TrainingData, config: NetworkConfig) -> str:
    """Say in which columns and links the graph is not the one that a network was fitted on."""
    graph = data.graph
    assert graph is not None
    links = walked_links(graph.source, graph.excluded, config.without)
    was = [*inputs.columns, *(f"the link {k.name}" for k in inputs.links)]
    now = [*list_columns(graph.source, graph.excluded), *(f"the link {k.name}" for k in links)]
    told = [f"{name} is gone" for name in was if name not in now]
    told += [f"{name} is new" for name in now if name not in was]
    return ", ".join(told)


def _found_again(seed: SeedTerms, was: Encoder, now: Encoder) -> tuple[SeedTerms, tuple[str, ...]]:
    """Move terms to where the features are now; also name those that are not made any more.

    Which are made follows from the rows of train. A term of one that is not any more stays at its mean.
    """
    places = {feature: place for place, feature in enumerate(now.features)}
    moved, means, lost = [], list(seed.means), []
    for number, term in enumerate(seed.terms):
        feature = was.features[term.feature]
        if feature not in places:
            moved.append(Term(0, code=_NO_VALUE))
            means[number] = 0.0
            lost.append(feature.name)
            continue
        code = term.code
        if code is not None and code >= FIRST_CODE:
            value, known = was.vocabularies[feature.name][code - FIRST_CODE], now.vocabularies[feature.name]
            code = known.index(value) + FIRST_CODE if value in known else _NO_VALUE
        moved.append(replace(term, feature=places[feature], code=code))
    return SeedTerms(tuple(moved), tuple(means)), tuple(dict.fromkeys(lost))


def _has_learned(folder: Path, data: TrainingData) -> bool:
    """Say whether rows of val or test may have been train rows of a candidate.

    Where rows are not divided by time, its train may have reached among them: then each of them must have
    been one of its own val or test.
    """
    until = from_plain(NetworkInputs, read_model_file(folder / MODEL_FOLDER)["state"]["inputs"]).until_us
    held = pa.concat_tables([rows.seeds.select(_ROW) for rows in (data.val, data.test)])
    held = held.filter(pc.less_equal(held["anchor_time"].cast("timestamp[us]").cast("int64"), until))
    if not len(held):
        return False
    files = [folder / f"{split.value}.parquet" for split in (Split.VAL, Split.TEST)]
    known = pa.concat_tables([pq.read_table(file, columns=_ROW) for file in files])
    if not known.schema.equals(held.schema):
        return True
    return len(held.join(known, _ROW, join_type="left anti")) > 0


def _last_val(folder: Path) -> int:
    """Return the last anchor of the rows that a candidate was chosen on, microseconds UTC."""
    return _last_us(pq.read_table(folder / f"{Split.VAL.value}.parquet", columns=["anchor_time"]))


def _last_us(seeds: Any) -> int:
    return int(seeds["anchor_time"].cast("timestamp[us]").cast("int64").to_numpy().max())


def _refused(folder: Path, reason: str) -> UserError:
    return UserError(
        "LEARN046",
        f"a fit cannot go on from the model in '{folder.name}': {reason}.",
        "begin anew, or name a model of the same network, fitted on the same or an earlier train period.",
    )
