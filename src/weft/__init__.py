"""Weft: ask a relational database about the future.

```python
import weft

graph = weft.connect("shop/").graph()
query = graph.query("PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id")
run = query.fit(budget="1m")
```
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from weft.version import __version__

if TYPE_CHECKING:
    from weft.project import (
        DataSet,
        Flow,
        Graph,
        Query,
        Run,
        Session,
        connect,
        dataset,
        from_relbench,
        open_project,
        open_run,
        publish_dataset,
        task,
    )

__all__ = [
    "DataSet",
    "Flow",
    "Graph",
    "Query",
    "Run",
    "Session",
    "__version__",
    "connect",
    "dataset",
    "from_relbench",
    "open_project",
    "open_run",
    "publish_dataset",
    "task",
]
_EXPORTED = frozenset(__all__) - {"__version__"}

if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    # Read once, when torch or LightGBM loads its threads. As they come, threads that wait keep their core
    # busy: beside other work, a network on two threads then takes five times its CPU time.
    os.environ.update(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="2000")


def __getattr__(name: str) -> Any:
    """Import the Python face on first use, so that ``import weft`` stays light."""
    if name in _EXPORTED:
        import weft.project

        return getattr(weft.project, name)
    raise AttributeError(f"module 'weft' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
