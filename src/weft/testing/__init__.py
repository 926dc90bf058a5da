"""A public kit: oracles, tiny databases, and strategies that draw random ones.

The strategies need hypothesis, so they are imported from their modules, `weft.testing.databases` and
`weft.testing.queries`.
"""

from weft.testing.oracle import Label, expected_labels, expected_population, expected_static
from weft.testing.tiny import day, open_frames, open_rows, prepare_rows

__all__ = [
    "Label",
    "day",
    "expected_labels",
    "expected_population",
    "expected_static",
    "open_frames",
    "open_rows",
    "prepare_rows",
]
