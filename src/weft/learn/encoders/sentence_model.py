"""Sentence models on this machine: found by path or name, told apart by content, never downloaded."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.core import UserError, digest_file, digest_value, missing_extra

MODULES = "modules.json"
_PACKAGE = "sentence_transformers"
_PREFIX = "sentence-transformers/"
_WEIGHTS = (".safetensors", ".bin")
# What no model is loaded from here: other engines' weights, and words about it.
_UNREAD = {".onnx", ".h5", ".msgpack", ".ot", ".md", ".png", ".xml", ".py", ".tflite"}
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
# CPU seconds per parameter and word: all-MiniLM-L6-v2 (10.6 million beside its vocabulary) reads 2,000 texts
# of sixteen words in 7.9 s on one core.
_S_PER_CELL = 2.3e-11
_held: dict[str, Path] = {}


@dataclass(frozen=True)
class SentenceModel:
    """A sentence model, named by its content.

    Attributes:
        name: As a reader would call it: the last part of its path, or the name of the package or repository.
        digest: Of the files that it is loaded from.
        dimension: Numbers per text.
        cells: Parameters that every word passes through: those of its layers.
    """

    name: str
    digest: str
    dimension: int
    cells: int

    def seconds(self, num_texts: float, words: float) -> float:
        """Estimate the CPU seconds for some texts of so many words each, counted as work."""
        return num_texts * max(words, 4.0) * self.cells * _S_PER_CELL


def has_sentence_transformers() -> bool:
    """Whether the extra ``text`` is installed."""
    return importlib.util.find_spec(_PACKAGE) is not None


def find_sentence_model(said: str, base: Path) -> tuple[SentenceModel, Path]:
    """Find the model that a user names.

    Args:
        said: A folder, relative to ``base``; a package that carries a model; or a repository in the cache of
            Hugging Face, such as ``all-MiniLM-L6-v2``.
        base: Folder of the project.

    Returns:
        The model, and the folder where it lies.

    Raises:
        UserError: ``EXT001`` without the extra ``text``, ``LEARN049`` when it does not lie on this machine.
    """
    if not has_sentence_transformers():
        raise missing_extra("a sentence model", "sentence-transformers", "text")
    folder = base / Path(said).expanduser()
    if not (folder / MODULES).is_file():
        found = _by_name(said)
        if found is None:
            raise UserError(
                "LEARN049",
                f"there is no sentence model '{said}' on this machine: it is no folder with a {MODULES}, no "
                "installed package that carries one, and not in the cache of Hugging Face.",
                "put the folder of the model here and name it; nothing is downloaded while Weft runs.",
            )
        folder = found
    return _read(said.rstrip("/").rpartition("/")[2], folder), folder


def installed_model() -> tuple[SentenceModel, Path] | None:
    """Return the sentence model that is installed as a package; ``None`` where none is, or more than one.

    What lies in a cache is not installed: it may be there for anything else.
    """
    if not has_sentence_transformers():
        return None
    found = dict(_packages())
    if len(found) != 1:
        return None
    ((name, folder),) = found.items()
    return _read(name, folder), folder


def hold_model(digest: str, folder: Path) -> None:
    """Tell this process where the model of a digest lies; a place that is still there stands."""
    known = _held.get(digest)
    if known is None or not (known / MODULES).is_file():
        _held[digest] = folder


def locate_model(name: str, digest: str) -> Path:
    """Return the folder of the model of a digest.

    Raises:
        UserError: ``LEARN049`` when it does not lie on this machine, or another of that name does.
    """
    held = _held.get(digest)
    if held is not None and (held / MODULES).is_file():
        return held
    other = ""
    for folder in dict.fromkeys(_places(name)):
        found = _digest(folder)
        if found == digest:
            return folder
        other = f"; another of that name, {found[:12]}, does"
    raise UserError(
        "LEARN049",
        f"the sentence model '{name}' ({digest[:12]}) that the model reads texts with does not lie on this "
        f"machine{other}.",
        "install the package that carries it, or say where it lies: weft.learn.hold_model(digest, folder).",
    )


def model_files(folder: Path) -> dict[str, Path]:
    """Return the files that a model is loaded from: relative name → file."""
    files = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}
    kept = {
        n: p
        for n, p in files.items()
        if p.suffix not in _UNREAD and not n.startswith((".", "onnx/", "openvino/"))
    }
    if any(p.suffix == _WEIGHTS[0] for p in kept.values()):
        kept = {n: p for n, p in kept.items() if p.suffix != _WEIGHTS[1]}
    return {n: p for n, p in kept.items() if "__pycache__" not in n}


def _read(name: str, folder: Path) -> SentenceModel:
    try:
        return _measured(name, folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            "LEARN049",
            f"the sentence model in {folder} cannot be read: {error}.",
            "give a folder that SentenceTransformer.save wrote, with a transformer and its weights.",
        ) from error


def _measured(name: str, folder: Path) -> SentenceModel:
    parts = json.loads((folder / MODULES).read_bytes())
    config: Mapping[str, Any] = json.loads((folder / parts[0]["path"] / "config.json").read_bytes())
    width, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
    inner = int(config.get("intermediate_size", 4 * width))
    dimension = width
    for part in parts[1:]:
        own = folder / part["path"] / "config.json"
        if own.is_file():
            dimension = int(json.loads(own.read_bytes()).get("out_features", dimension))
    return SentenceModel(name, _digest(folder), dimension, layers * (4 * width * width + 2 * width * inner))


def _digest(folder: Path) -> str:
    files = model_files(folder)
    stamps = tuple((n, p.stat().st_size, p.stat().st_mtime_ns) for n, p in files.items())
    return _digest_of(folder, stamps)


@functools.lru_cache(maxsize=16)
def _digest_of(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> str:
    return digest_value({name: digest_file(folder / name) for name, _, _ in stamps})


def _places(name: str) -> Iterator[Path]:
    found = _by_name(name)
    if found is not None:
        yield found
    yield from dict(_packages()).values()


def _by_name(said: str) -> Path | None:
    if not _NAME.fullmatch(said):
        return None
    packages = dict(_packages())
    if said in packages:
        return packages[said]
    return _cached(said) or (None if "/" in said else _cached(_PREFIX + said))


def _cached(repository: str) -> Path | None:
    """Find a repository in the cache of Hugging Face."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, MODULES)
    return Path(found).parent if isinstance(found, str) else None


@functools.cache
def _packages() -> tuple[tuple[str, Path], ...]:
    """List the installed packages that carry one sentence model each."""
    found = {}
    for package in importlib.metadata.distributions():
        record = package.read_text("RECORD") or ""
        if MODULES not in record:
            continue
        places = [line.partition(",")[0] for line in record.splitlines() if f"/{MODULES}," in line]
        folders = [Path(str(package.locate_file(place))).parent for place in places]
        able = [f for f in folders if _is_sentence_model(f / MODULES)]
        if len(able) == 1:
            found[package.metadata["Name"]] = able[0]
    return tuple(sorted(found.items()))


def _is_sentence_model(file: Path) -> bool:
    try:
        parts = json.loads(file.read_bytes())
        return bool(parts) and str(parts[0]["type"]).startswith(f"{_PACKAGE}.")
    except (OSError, ValueError, KeyError, TypeError):
        return False
