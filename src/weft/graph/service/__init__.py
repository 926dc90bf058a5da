"""A graph behind Arrow Flight: shards of rows, a server for each, a client like the local store."""

from weft.graph.service.client import RemoteStore
from weft.graph.service.server import GraphServer
from weft.graph.service.split import split_graph

__all__ = ["GraphServer", "RemoteStore", "split_graph"]
