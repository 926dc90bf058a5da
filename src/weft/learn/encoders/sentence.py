"""The encoder of sentences: a sentence model reads each distinct text once. It is fitted on nothing."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weft.core import digest_value, missing_extra
from weft.learn.encoders.column import Array, BoundColumn, Encoded, Plain
from weft.learn.encoders.sentence_model import SentenceModel, has_sentence_transformers, locate_model

_BLOCK = 1_024
_STEP = 32
# Blocks of texts are digested one by one, so that no copy of all of them is made.
_DIGESTED = 65_536
_vectors: dict[tuple[str, str], Path] = {}
_encoding = threading.Lock()
Step = Callable[[int, int], None]


@dataclass(frozen=True)
class SentenceText(Plain):
    """A text is the direction in which a sentence model sees it (Reimers and Gurevych, 2019).

    What a text becomes follows from the text and the model alone, so that nothing of later rows can be in it.

    Attributes:
        model: Name of the sentence model.
        digest: Of its files: no other model will do.
        dimension: Numbers per text.
    """

    model: str
    digest: str
    dimension: int

    @property
    def width(self) -> int:
        """The direction, the length of the text, and the mark of a missing one."""
        return self.dimension + 2

    def bind(self, dictionary: pa.Array | None) -> BoundColumn:
        """Find or make the vectors of all texts of a dictionary."""
        texts = pa.array([], pa.string()) if dictionary is None else dictionary.cast(pa.string())
        return _Sentences(self, *_find_vectors(self, texts))


@dataclass(frozen=True)
class _Sentences:
    """Encodes codes by the vectors of a file; the file is mapped, so that only what is asked for is read.

    Attributes:
        encoder: Of the column.
        vectors: float16 ``(texts, dimension)``.
        lengths: float32 ``(texts,)``, NaN for a missing text.
    """

    encoder: SentenceText
    vectors: Array
    lengths: Array

    def encode(self, values: Array) -> Encoded:
        """Look the codes up; -1 is missing."""
        codes = values.astype(np.int64)
        there = np.flatnonzero(codes >= 0)
        there = there[~np.isnan(self.lengths[codes[there]])]
        dense = np.zeros((len(codes), self.encoder.width), np.float32)
        # A direction has length 1; each number is brought to the size of the other inputs of a network.
        found = self.vectors[codes[there]].astype(np.float32) * np.float32(np.sqrt(self.encoder.dimension))
        dense[there, :-2] = found
        dense[:, -1] = 1.0
        dense[there, -2], dense[there, -1] = self.lengths[codes[there]], 0.0
        return Encoded.of(len(codes), dense=dense)


def hold_vectors(texts: pa.Array, digest: str, path: Path) -> None:
    """Tell this process in which file the vectors of some texts by the model of a digest are."""
    _vectors[digest_texts(texts), digest] = path


def digest_texts(texts: pa.Array) -> str:
    """Name texts, in order, by their content."""
    blocks = (texts.slice(i, _DIGESTED).to_pylist() for i in range(0, len(texts), _DIGESTED))
    return digest_value([digest_value(block) for block in blocks])


def write_vectors(
    folder: Path,
    model: SentenceModel,
    texts: pa.Array,
    path: Path,
    *,
    known: tuple[pa.Array, Array] | None = None,
    step: Step = lambda done, total: None,
) -> int:
    """Write the vectors of texts to a file of numpy, a block at a time.

    Args:
        folder: Where the model lies.
        model: The model.
        texts: Distinct texts; a missing one becomes zeros.
        path: The file; float16 ``(texts, dimension)``, of length 1 each.
        known: Texts whose vectors are known, and these.
        step: Told after each block how many of how many texts are done.

    Returns:
        How many texts the model read.
    """
    vectors = np.lib.format.open_memmap(path, "w+", np.float16, (len(texts), model.dimension))
    old = _known_places(texts, known)
    if known is not None:
        found = np.flatnonzero(old >= 0)
        for start in range(0, len(found), _BLOCK):
            part = found[start : start + _BLOCK]
            vectors[part] = known[1][old[part]]
    new = np.flatnonzero((old < 0) & texts.is_valid().to_numpy(zero_copy_only=False))
    encoder = _load(folder) if len(new) else None
    for start in range(0, len(new), _BLOCK):
        part = new[start : start + _BLOCK]
        vectors[part] = _encode(encoder, texts.take(pa.array(part)).to_pylist())
        step(start + len(part), len(new))
    vectors.flush()
    return len(new)


def _known_places(texts: pa.Array, known: tuple[pa.Array, Array] | None) -> Array:
    if known is None or not len(known[0]):
        return np.full(len(texts), -1, np.int64)
    found = pc.index_in(texts, value_set=known[0], skip_nulls=True)
    return np.asarray(pc.fill_null(found.cast(pa.int64()), -1).to_numpy(zero_copy_only=False))


def _load(folder: Path) -> Any:
    if not has_sentence_transformers():
        raise missing_extra("a sentence model", "sentence-transformers", "text")
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    # Weft tells how far the work is itself.
    logging.disable_progress_bar()
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def _encode(encoder: Any, texts: list[str]) -> Array:
    asked = {"batch_size": _STEP, "show_progress_bar": False, "normalize_embeddings": True}
    return np.asarray(encoder.encode(texts, **asked), np.float16)


def _find_vectors(encoder: SentenceText, texts: pa.Array) -> tuple[Array, Array]:
    counted = pc.fill_null(pc.utf8_length(texts).cast(pa.float32()), np.nan)
    lengths = np.log1p(counted.to_numpy(zero_copy_only=False)) / np.float32(4)
    if not len(texts):
        return np.zeros((0, encoder.dimension), np.float16), lengths
    held = _vectors.get((digest_texts(texts), encoder.digest))
    if held is not None and held.is_file():
        return np.load(held, mmap_mode="r"), lengths
    model = SentenceModel(encoder.model, encoder.digest, encoder.dimension, 0)
    folder = locate_model(encoder.model, encoder.digest)
    # What is mapped outlives the name of its file.
    with _encoding, tempfile.TemporaryDirectory(prefix="weft-sentences-") as scratch:
        path = Path(scratch) / "vectors.npy"
        write_vectors(folder, model, texts, path)
        return np.load(path, mmap_mode="r"), lengths
