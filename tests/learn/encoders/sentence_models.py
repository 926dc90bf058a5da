"""Sentence models for tests: a stand-in that needs no package, and a real one with random weights."""

import json

import numpy as np

DIMENSION = 16
WORDS = ["the", "a", "box", "was", "broken", "lovely", "slow", "never", "again", "parcel", "came", "late"]
_CONFIG = {"hidden_size": DIMENSION, "num_hidden_layers": 2, "intermediate_size": 32}


def write_stand_in(folder, weights=b"weights"):
    """Write the files that say what a model is, with weights that nothing can load."""
    folder.mkdir(parents=True)
    parts = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    (folder / "modules.json").write_text(json.dumps(parts))
    (folder / "config.json").write_text(json.dumps(_CONFIG))
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def write_real(folder):
    """Write a model of the package with random weights."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    parts = folder.parent / f"{folder.name}-parts"
    parts.mkdir(parents=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (parts / "vocab.txt").write_text("\n".join(vocabulary))
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(vocabulary), num_attention_heads=2, **_CONFIG)
    BertModel(config).save_pretrained(parts)
    BertTokenizerFast(vocab_file=str(parts / "vocab.txt")).save_pretrained(parts)
    transformer = Transformer(str(parts))
    pooling = Pooling(DIMENSION)
    SentenceTransformer(modules=[transformer, pooling], device="cpu").save(str(folder))
    return folder


class StandIn:
    """Reads a text as the words that it has."""

    def __init__(self):
        self.read = []

    def encode(self, texts, **asked):
        assert asked["normalize_embeddings"] and all(isinstance(t, str) for t in texts)
        self.read += texts
        found = np.ones((len(texts), DIMENSION)) * 0.01
        for row, text in enumerate(texts):
            for word in text.split():
                found[row, sum(word.encode()) % DIMENSION] += 1
        return found / np.linalg.norm(found, axis=1, keepdims=True)
