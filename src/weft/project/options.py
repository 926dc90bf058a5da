"""The options of a split, as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.core import SplitOptions, UserError, parse_offset, parse_time

_NAMES = {
    "val_start",
    "test_start",
    "step",
    "eval_anchors",
    "val_fraction",
    "test_fraction",
    "start",
    "end",
    "split_column",
    "max_anchors",
}
_OTHERS = {"audit", "history", "label_table", "metric", "models"}


def split_options(options: Mapping[str, Any]) -> SplitOptions:
    """Turn ``val_start="2005-01-01", step="30 days", …`` into `SplitOptions`.

    Raises:
        UserError: ``DATA115`` for an option that does not exist.
    """
    unknown = sorted(set(options) - _NAMES - _OTHERS)
    if unknown:
        raise UserError(
            "DATA115",
            f"there is no option '{unknown[0]}'.",
            f"options are {', '.join(sorted(_NAMES | _OTHERS))}.",
        )
    given = {name: value for name, value in options.items() if value is not None}
    fractions = {name: float(given[name]) for name in ("val_fraction", "test_fraction") if name in given}
    return SplitOptions(
        step=parse_offset(str(given["step"])) if "step" in given else None,
        val_start_us=_instant(given.get("val_start")),
        test_start_us=_instant(given.get("test_start")),
        num_eval_anchors=int(given.get("eval_anchors", 1)),
        start_us=_instant(given.get("start")),
        end_us=_instant(given.get("end")),
        split_column=given.get("split_column"),
        max_anchors=given.get("max_anchors"),
        **fractions,
    )


def _instant(value: Any) -> int | None:
    return None if value is None else parse_time(str(value))
