"""Numbers, spans and instants as people read them."""

from __future__ import annotations

import math

from weft.core import format_time

NOTHING = "–"
_ACRONYMS = {"auroc", "auprc", "mae", "rmse", "map", "mrr", "ndcg", "mape", "smape"}
_BYTES = ("B", "kB", "MB", "GB", "TB")


def count_text(value: float | None) -> str:
    """Write a count with thousands separated: ``23,594``."""
    return NOTHING if value is None or not math.isfinite(value) else f"{round(value):,}"


def number_text(value: float | None, digits: int = 4) -> str:
    """Write a number with up to ``digits`` significant digits and no needless zeros.

    Example:
        >>> number_text(0.83312), number_text(26.9782), number_text(1234567.0), number_text(1e-9)
        ('0.8331', '26.98', '1,234,567', '1e-09')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size < -4 or size > 14:
        return f"{value:.{digits - 1}g}"
    text = f"{value:,.{max(0, digits - 1 - size)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def signed_text(value: float) -> str:
    """Write a number with its sign: ``+0.42``, ``−3``."""
    return ("+" if value > 0 else "−" if value < 0 else "") + number_text(abs(value), 3)


def metric_text(metric: str) -> str:
    """Write the name of a metric as the field does: ``AUROC``, ``MAP@10``, ``accuracy``."""
    base = metric.split("@")[0]
    return metric.replace(base, base.upper()) if base in _ACRONYMS else metric


def score_text(value: float | None) -> str:
    """Write a score: four decimals below one, else four digits, zeros kept so that columns align."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.4f}" if abs(value) < 1 else f"{value:,.{max(0, 3 - int(math.log10(abs(value))))}f}"


def percent_text(share: float | None) -> str:
    """Write a share as percent; only a whole is 100 % and only nothing is 0 %.

    Example:
        >>> percent_text(0.25), percent_text(0.99996), percent_text(0.00001), percent_text(1.0)
        ('25 %', '99.9 %', '<0.1 %', '100 %')
    """
    percent = math.nan if share is None else 100.0 * share
    if not math.isfinite(percent):
        return NOTHING
    if 0 < percent < 0.1:
        return "<0.1 %"
    if 99.9 < percent < 100:
        return "99.9 %"
    return f"{percent:.0f} %" if percent.is_integer() else f"{percent:.1f} %"


def bytes_text(size: float | None) -> str:
    """Write a size in decimal units: ``1.2 GB``."""
    if size is None:
        return NOTHING
    power = 0 if size < 1000 else min(int(math.log10(size) / 3), len(_BYTES) - 1)
    return f"{number_text(size / 1000**power, 3)} {_BYTES[power]}"


def seconds_text(seconds: float | None) -> str:
    """Write a span: ``0.08 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{number_text(seconds, 2)} s" if seconds >= 0.005 else "<0.01 s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def short_text(value: float) -> str:
    """Write a number for an axis: ``1.2 M``, ``350 k``, ``0.25``."""
    for factor, suffix in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= factor:
            return f"{number_text(value / (1e3 if suffix == ' k' else factor), 3)}{suffix}"
    return number_text(value, 3)


def sentence_text(words: str) -> str:
    """Write words as a sentence; a name at the beginning stays as it is.

    Example:
        >>> sentence_text("it equals COUNT(orders)"), sentence_text("users.tier is constant.")
        ('It equals COUNT(orders).', 'users.tier is constant.')
    """
    first = words.partition(" ")[0]
    return closed_text(words[:1].upper() + words[1:] if first.isalpha() else words)


def closed_text(words: str) -> str:
    """End words with a full stop where they have none."""
    return words if not words or words.endswith((".", "!", "?")) else f"{words}."


def reason_text(note: str) -> str:
    """Write why a rung has no score, without naming the rung again.

    Example:
        >>> reason_text("the rung 'blend' was left out: no mean is better on val than lightgbm alone.")
        'left out: no mean is better on val than lightgbm alone.'
    """
    _, was, why = note.partition(" was left out: ")
    return f"left out: {why}" if was else note


def time_text(time_us: int | None) -> str:
    """Write an instant, to the second; the date alone at midnight."""
    return NOTHING if time_us is None else format_time(time_us // 1_000_000 * 1_000_000)


def date_text(time_us: int | None) -> str:
    """Write the date of an instant."""
    return NOTHING if time_us is None else format_time(time_us)[:10]


def span_text(span_us: int) -> str:
    """Write the length of a window in its largest whole unit: ``30 days``, ``6 hours``."""
    for factor, unit in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if span_us % (factor * 1_000_000) == 0:
            amount = span_us // (factor * 1_000_000)
            return f"{amount:,} {unit}{'' if amount == 1 else 's'}"
    return f"{span_us:,} µs"
