"""Charts over time: the label at each anchor, and how anchors are divided."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from markupsafe import Markup

from weft.core import History, to_datetime, to_micros
from weft.report.document import AnchorFacts, ReportDocument
from weft.report.formats import count_text, date_text, number_text, percent_text, short_text
from weft.report.svg import Frame, axes, drawing, element, padded, polyline, text

SPLITS = ("train", "val", "test")
MAX_WINDOWS = 60
_LANE = 46.0


def label_plot(anchors: Sequence[AnchorFacts], width: float, title: str, *, is_rate: bool) -> Markup:
    """Draw the rate or mean of the label at each anchor, colored by split."""
    known = [a for a in anchors if a.label_mean is not None]
    means = [a.label_mean for a in known if a.label_mean is not None]
    low, high = min(means), max(means)
    domain = (0.0, max(high * 1.15, 1e-9)) if low >= 0 else padded([low, high])
    if is_rate:
        domain = (0.0, min(1.0, domain[1]))
    span = padded([float(a.anchor_us) for a in known], 0.03)
    frame = Frame(width, 250.0, span, domain, bottom=34)
    marks = [_anchor_mark(frame, a, mean, is_rate=is_rate) for a, mean in zip(known, means, strict=True)]
    lines = []
    for name in SPLITS:
        part = [(a.anchor_us, a.label_mean or 0.0) for a in known if a.split == name]
        lines.append(polyline([(frame.x(t), frame.y(v)) for t, v in part], f"line thin {name}"))
    write = percent_text if is_rate else number_text
    words = f"{title}: from {write(low)} to {write(high)} over {count_text(len(known))} anchors"
    labels = axes(frame, "", title, y_text=percent_text if is_rate else short_text, x_ticks=())
    return drawing(width, 250, words, labels, _time_labels(frame, width), *lines, *marks)


def split_plot(document: ReportDocument, width: float) -> Markup:
    """Draw one lane for each split: its anchors, their label windows, and the history seen."""
    horizon = document.horizon_us or 0
    times = [a.anchor_us for a in document.anchors]
    start = min([*times, *([] if document.history_start_us is None else [document.history_start_us])])
    lanes = [(name, _of_split(document.anchors, name)) for name in SPLITS]
    lanes = [(name, found) for name, found in lanes if found]
    height = _LANE * len(lanes) + 40
    domain = padded([float(start), float(max(times) + horizon)], 0.01)
    frame = Frame(width, height, domain, (0.0, 1.0), left=8, right=8, top=4, bottom=26)
    parts = [_time_labels(frame, width)]
    for index, (name, found) in enumerate(lanes):
        seen = found[0] if document.history is History.FROZEN and name != "train" else found[-1]
        parts.append(_lane(frame, 8 + index * _LANE, name, found, horizon, start, seen))
    base = frame.height - frame.bottom
    parts.append(element("line", x1=frame.left, x2=width - 8, y1=base, y2=base, class_="axis"))
    words = "Splits. " + "; ".join(
        f"{name}: {count_text(len(found))} anchors from {date_text(found[0])} to {date_text(found[-1])}"
        for name, found in lanes
    )
    return drawing(width, height, words, *parts)


def time_ticks(low_us: float, high_us: float, wanted: int) -> list[tuple[int, str]]:
    """Return instants on the calendar within a range, at most ``wanted``, with their labels."""
    first, last = to_datetime(int(low_us)), to_datetime(int(high_us))
    days = (last - first).total_seconds() / 86_400
    for months in (1, 2, 3, 6, 12, 24, 60, 120, 240, 600):
        if 30.4 * months * wanted >= days and days > 62:
            return _month_ticks(first, last, months)
    for step_s in (1, 10, 60, 600, 3600, 21_600, 86_400, 172_800, 604_800, 1_209_600, 2_419_200):
        if step_s * wanted >= days * 86_400:
            return _even_ticks(low_us, high_us, step_s)
    return []


def _month_ticks(first: dt.datetime, last: dt.datetime, months: int) -> list[tuple[int, str]]:
    index = first.year * 12 + first.month - 1
    index += -index % months
    found: list[tuple[int, str]] = []
    while True:
        year, month = divmod(index, 12)
        moment = first.replace(year=year, month=month + 1, day=1, hour=0, minute=0, second=0, microsecond=0)
        if moment > last:
            return found
        if moment >= first:
            label = (
                f"{year}"
                if months >= 12
                else f"{moment:%b} {year}"
                if month == 0 or not found
                else f"{moment:%b}"
            )
            found.append((to_micros(moment), label))
        index += months


def _even_ticks(low_us: float, high_us: float, step_s: int) -> list[tuple[int, str]]:
    step = step_s * 1_000_000
    start = -int(-low_us // step) * step
    form = "%b %-d" if step_s >= 86_400 else "%b %-d %H:%M" if step_s >= 60 else "%H:%M:%S"
    return [(time, to_datetime(time).strftime(form)) for time in range(start, int(high_us) + 1, step)]


def _time_labels(frame: Frame, width: float) -> Markup:
    base = frame.height - frame.bottom
    parts = []
    for time, label in time_ticks(*frame.x_domain, wanted=max(2, int(width / 95))):
        x = frame.x(time)
        parts.append(element("line", x1=x, x2=x, y1=frame.top, y2=base + 4, class_="grid"))
        near_end, near_start = x > width - 30, x < 30
        parts.append(
            text(x, base + 18, label, "tick", "end" if near_end else "start" if near_start else "middle")
        )
    return Markup("").join(parts)


def _anchor_mark(frame: Frame, anchor: AnchorFacts, mean: float, *, is_rate: bool) -> Markup:
    value = percent_text(mean) if is_rate else number_text(mean)
    title = f"{date_text(anchor.anchor_us)} ({anchor.split}): {value} of {count_text(anchor.rows)} rows"
    return element(
        "circle",
        element("title", title),
        cx=frame.x(anchor.anchor_us),
        cy=frame.y(mean),
        r=4,
        class_=f"mark {anchor.split}",
    )


def _of_split(anchors: Sequence[AnchorFacts], name: str) -> list[int]:
    return sorted({a.anchor_us for a in anchors if a.split == name})


def _lane(
    frame: Frame, top: float, name: str, times: list[int], horizon: int, start: int, seen: int
) -> Markup:
    middle = top + 27
    drawn = times if len(times) <= MAX_WINDOWS else _spread(times, MAX_WINDOWS)
    parts = [
        text(
            frame.left, top + 10, f"{name} · {count_text(len(times))} anchor{'' if len(times) == 1 else 's'}"
        ),
        element("line", x1=frame.x(start), x2=frame.x(seen), y1=middle + 6, y2=middle + 6, class_="history"),
    ]
    for time in drawn:
        x, end = frame.x(time), frame.x(time + horizon)
        if horizon:
            parts.append(
                element(
                    "rect", x=x, y=middle - 11, width=max(1.0, end - x), height=13, class_=f"window {name}"
                )
            )
        title = element("title", f"{name}: anchor {date_text(time)}")
        parts.append(
            element("line", title, x1=x, x2=x, y1=middle - 13, y2=middle + 9, class_=f"anchor {name}")
        )
    return Markup("").join(parts)


def _spread(times: list[int], count: int) -> list[int]:
    return [times[round(i * (len(times) - 1) / (count - 1))] for i in range(count)]
