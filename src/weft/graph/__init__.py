"""The graph engine: prepared tables as a graph on disk, and time-correct neighborhoods from it."""

from weft.graph.loader import Loader
from weft.graph.topk import Seen, Similarity, TopKBlock, TopKOptions, top_k, top_k_blocks

__all__ = ["Loader", "Seen", "Similarity", "TopKBlock", "TopKOptions", "top_k", "top_k_blocks"]
