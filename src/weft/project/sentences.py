"""Which texts a sentence model reads for networks: told and decided before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from weft.compile import FitSpec, SentenceSpec, reads_graph
from weft.core import Stype, UserError, from_plain, to_plain
from weft.learn import (
    SentenceModel,
    Sentences,
    find_sentence_model,
    hold_model,
    installed_model,
    model_files,
)

if TYPE_CHECKING:
    from weft.project.graph import Graph

_TEXT, _BY_COLUMN, _KIND = "encoders.text", "encoders.by_column", "sentence"
# A phrase of fewer words is a name: pieces of words tell more of it than its sense.
_LEAST_WORDS = 4.0
_LETTERS_PER_WORD = 6.0
# So much of a budget may go into what is not a fit; importing the package takes a part of it.
_SHARE, _LOAD_S = 0.1, 3.0


@dataclass(frozen=True)
class SentencePlan:
    """What a sentence model is to read, and why it does not read the rest.

    Attributes:
        spec: For the Plan; ``None`` where nothing is read.
        folder: Where the model lies; empty without one.
        notes: Sentences about what is read and what is not.
    """

    spec: SentenceSpec | None = None
    folder: Any = None
    notes: tuple[str, ...] = ()

    @property
    def sentences(self) -> Sentences | None:
        """What a choice of encoders is told."""
        if self.spec is None:
            return None
        return Sentences(from_plain(SentenceModel, self.spec.model), frozenset(self.spec.columns))

    def keep(self, store: Any) -> SentenceSpec | None:
        """Put the files of the model into the store, for whoever runs the Plan."""
        if self.spec is None:
            return None
        hold_model(self.spec.model["digest"], self.folder)
        files = {name: store.put_file(path) for name, path in model_files(self.folder).items()}
        return replace(self.spec, tree=store.put_tree(files))


@dataclass(frozen=True)
class _Column:
    name: str
    num_texts: int
    words: float
    is_phrase: bool
    seconds: float = field(default=0.0, compare=False)


def plan_sentences(graph: Graph, spec: FitSpec) -> SentencePlan:
    """Choose the texts that a sentence model reads.

    A model that ``weft.yaml`` names, else the one that is installed as a package, reads the columns of text
    that hold sentences, as long as that takes a tenth of the budget or less. What ``search`` says stands.

    Args:
        graph: Of the query.
        spec: What is fitted.

    Raises:
        UserError: ``LEARN049`` when a model is asked for that does not lie on this machine, ``EXT001`` when
            the extra ``text`` is not installed.
    """
    if not reads_graph(spec.models):
        return SentencePlan()
    said = graph.project.settings.sentence_model
    texts, by_column = _as_list(spec.space.get(_TEXT, "auto")), dict(spec.space.get(_BY_COLUMN, {}))
    columns = [c for c in _columns(graph) if by_column.get(c.name, _KIND) == _KIND]
    asked = {c.name for c in columns if by_column.get(c.name) == _KIND or _KIND in texts}
    if not asked and (not columns or "auto" not in texts):
        return SentencePlan()
    found = find_sentence_model(said, graph.project.folder) if said else installed_model()
    if found is None:
        if asked:
            raise UserError(
                "LEARN049",
                f"{min(asked)} is to be read by a sentence model, and none is named.",
                "name one by sentence_model in weft.yaml, or install exactly one as a package.",
            )
        return SentencePlan()
    model, folder = found
    timed = [replace(c, seconds=model.seconds(c.num_texts, c.words)) for c in columns]
    chosen, notes = _choose(timed, asked, spec.budget_s)
    if not chosen:
        return SentencePlan(notes=tuple(notes))
    seconds, names = _LOAD_S + sum(c.seconds for c in chosen), tuple(c.name for c in chosen)
    told = f"{model.name} reads {', '.join(names)} once, in about {seconds:.2g} s"
    return SentencePlan(SentenceSpec(to_plain(model), "", names, seconds), folder, (told, *notes))


def _choose(columns: Sequence[_Column], asked: set[str], budget_s: float) -> tuple[list[_Column], list[str]]:
    chosen = [c for c in columns if c.name in asked]
    notes: list[str] = []
    left_s = _SHARE * budget_s - _LOAD_S - sum(c.seconds for c in chosen)
    for column in sorted(columns, key=lambda c: (c.seconds, c.name)):
        if column.name in asked or column.is_phrase:
            continue
        if column.seconds > left_s:
            notes.append(
                f"{column.name} is hashed: about {column.num_texts:,} texts take a sentence model about "
                f"{column.seconds:.2g} s, more than is left of a tenth of the budget"
            )
            continue
        left_s -= column.seconds
        chosen.append(column)
    return sorted(chosen, key=lambda c: c.name), notes


def _columns(graph: Graph) -> Iterator[_Column]:
    """Yield the columns of text."""
    counted = {s.table: s for s in graph.profile.statistics}
    for table in graph.schema.tables:
        for column in table.columns:
            if column.stype is not Stype.TEXT or table.name not in counted:
                continue
            known = counted[table.name].column(column.name)
            words = (known.length_mean or 0.0) / _LETTERS_PER_WORD
            yield _Column(
                f"{table.name}.{column.name}",
                known.distinct,
                words,
                _is_phrase([v.value for v in known.top_values], words),
            )


def _is_phrase(values: Sequence[str], words: float) -> bool:
    """Say whether most texts are names or the like, by the most frequent of them."""
    counts = [len(value.split()) for value in values]
    return (sum(counts) / len(counts) if counts else words) < _LEAST_WORDS


def _as_list(said: Any) -> list[Any]:
    return list(said) if isinstance(said, (list, tuple)) else [said]
