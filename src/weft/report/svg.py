"""The little of SVG that charts need: elements, a frame with two scales, axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from weft.report.formats import short_text

Point = tuple[float, float]


def element(name: str, *children: str, **attributes: object) -> Markup:
    """Make one element; everything that is not `Markup` is escaped, ``None`` attributes are left out.

    ``class_`` becomes ``class``, an underscore a hyphen, and floats are written with one decimal.
    """
    parts = [
        f' {_attribute(key)}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    inner = Markup("").join(children)
    return Markup("<{0}{1}>{2}</{0}>").format(name, Markup("".join(parts)), inner)


def drawing(width: float, height: float, words: str, *children: str, class_: str = "chart") -> Markup:
    """Make a picture that scales with its place and says in ``words`` what it shows."""
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        role="img",
        aria_label=words,
        class_=class_,
    )


def text(x: float, y: float, content: str, class_: str = "label", anchor: str | None = None) -> Markup:
    """Write ``content`` at a point."""
    return element("text", content, x=x, y=y, class_=class_, text_anchor=anchor)


def polyline(points: Sequence[Point], class_: str) -> Markup:
    """Draw a line through ``points``."""
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_)


@dataclass(frozen=True)
class Frame:
    """A rectangle on the page and the numbers at its edges."""

    width: float
    height: float
    x_domain: tuple[float, float]
    y_domain: tuple[float, float]
    left: float = 46
    right: float = 24
    top: float = 30
    bottom: float = 40

    def x(self, value: float) -> float:
        """Return the place of a number on the horizontal axis, kept inside the frame."""
        return self.left + _share(value, self.x_domain) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Return the place of a number on the vertical axis, kept inside the frame."""
        return (
            self.height - self.bottom - _share(value, self.y_domain) * (self.height - self.top - self.bottom)
        )

    def points(self, xs: Sequence[float], ys: Sequence[float]) -> list[Point]:
        """Return the places of many points; those that are no numbers are left out."""
        pairs = zip(xs, ys, strict=True)
        return [(self.x(a), self.y(b)) for a, b in pairs if math.isfinite(a) and math.isfinite(b)]


def axes(
    frame: Frame,
    x_title: str,
    y_title: str,
    *,
    x_text: Callable[[float], str] = short_text,
    y_text: Callable[[float], str] = short_text,
    x_ticks: Sequence[float] | None = None,
) -> Markup:
    """Draw grid lines, tick labels and titles."""
    parts = []
    base, end = frame.height - frame.bottom, frame.width - frame.right
    for value in ticks(*frame.y_domain, 5):
        y = frame.y(value)
        parts.append(element("line", x1=frame.left, x2=end, y1=y, y2=y, class_="grid"))
        parts.append(text(frame.left - 6, y + 4, y_text(value), "tick", "end"))
    for value in ticks(*frame.x_domain, 5) if x_ticks is None else x_ticks:
        parts.append(text(frame.x(value), base + 15, x_text(value), "tick", "middle"))
    parts.append(element("line", x1=frame.left, x2=end, y1=base, y2=base, class_="axis"))
    parts.append(text((frame.left + end) / 2, frame.height - 6, x_title, "label", "middle"))
    parts.append(text(2, 13, y_title))
    return Markup("").join(parts)


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """Return round numbers within a range, about ``wanted`` of them.

    Example:
        >>> ticks(0, 1, 5)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def padded(values: Sequence[float], share: float = 0.06) -> tuple[float, float]:
    """Return the range of ``values`` with a margin; never empty."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    margin = (high - low) * share or abs(high) * share or 1.0
    return low - margin, high + margin


def _share(value: float, domain: tuple[float, float]) -> float:
    low, high = domain
    return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5


def _attribute(key: str) -> str:
    return "viewBox" if key == "viewBox" else key.rstrip("_").replace("_", "-")


def _value(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
