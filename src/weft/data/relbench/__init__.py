"""RelBench folders: their tasks read, and prepared tables written as one.

RelBench's words are translated here and in the connector, and nowhere else: a ``pkey`` is a
primary key, ``fkeys`` are links, a ``timestamp`` of a split is its first anchor.
"""

from weft.data.relbench.folder import RelbenchFolder, RelbenchTask, read_relbench
from weft.data.relbench.write import RelbenchLabels, write_relbench

__all__ = ["RelbenchFolder", "RelbenchLabels", "RelbenchTask", "read_relbench", "write_relbench"]
