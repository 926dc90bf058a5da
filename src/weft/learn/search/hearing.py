"""What of the settings that a project states a single rung follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.learn.search.space import fixed_settings, is_fixed

# Which network, of several: said to a search alone.
_NETWORK = "network"


def heard_settings(rung: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a user fixes to one value as a configuration of a rung; what it does not know is left out.

    Args:
        rung: One with ``takes_fixed``; its ``hears``, where it has that, says whether it knows a setting.
        said: As for `read_space`.

    Raises:
        UserError: ``LEARN045`` as for `read_space`.
    """
    return fixed_settings({name: value for name, value in said.items() if _hears(rung, name, value)})


def unheard_names(rung: Any, said: Mapping[str, Any]) -> list[str]:
    """Name the settings that a rung does not follow: those it does not know, and those of several values."""
    return [
        name
        for name, value in said.items()
        if name == _NETWORK or not _hears(rung, name, value) or not is_fixed(name, value)
    ]


def _hears(rung: Any, name: str, value: Any) -> bool:
    hears = getattr(rung, "hears", None)
    only = value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    return hears is None or bool(hears(name, only))
