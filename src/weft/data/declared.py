"""What a source itself says about its keys, times and links: a catalog or a manifest."""

from __future__ import annotations

from dataclasses import dataclass, field

from weft.core import Link


@dataclass(frozen=True)
class Declared:
    """Constraints that a source declares; they beat whatever is inferred.

    Attributes:
        primary_keys: Table → its key columns, in order.
        time_columns: Table → the column that says when a row came to be.
        end_time_columns: Table → the column that says when a row ceased to be.
        links: Declared foreign keys, composite ones included.
        source: Who declares it, in words, such as ``"manifest.yaml"``.
    """

    primary_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    time_columns: dict[str, str] = field(default_factory=dict)
    end_time_columns: dict[str, str] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    source: str = ""
