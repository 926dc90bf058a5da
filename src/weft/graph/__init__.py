"""The graph engine: prepared tables as a graph on disk, and time-correct neighborhoods from it."""

from weft.core import ALL, Choice, SampleOptions, Strategy
from weft.graph.approximate import ApproximateIndex, IndexOptions
from weft.graph.batches import SeedBatch, SeedBatches
from weft.graph.build import materialize
from weft.graph.cache import BatchCache, batch_key
from weft.graph.embeddings import Seen
from weft.graph.loader import Loader
from weft.graph.negatives import NegativeSampler, NegativeStrategy
from weft.graph.sampling import Exclusion, Sampler
from weft.graph.source import Source
from weft.graph.store import Residency, Store
from weft.graph.topk import Similarity, TopKBlock, TopKOptions, top_k, top_k_blocks
from weft.graph.wire import decode_batch, encode_batch

__all__ = [
    "ALL",
    "ApproximateIndex",
    "BatchCache",
    "Choice",
    "Exclusion",
    "IndexOptions",
    "Loader",
    "NegativeSampler",
    "NegativeStrategy",
    "Residency",
    "SampleOptions",
    "Sampler",
    "SeedBatch",
    "SeedBatches",
    "Seen",
    "Similarity",
    "Source",
    "Store",
    "Strategy",
    "TopKBlock",
    "TopKOptions",
    "batch_key",
    "decode_batch",
    "encode_batch",
    "materialize",
    "top_k",
    "top_k_blocks",
]
