"""Columns of realistic random values for small databases; every function takes a generator."""

from __future__ import annotations

import datetime as dt
import hashlib

import numpy as np
import pyarrow as pa

from weft.core import Resources

RESOURCES = Resources(1_000_000_000, 2)
EPOCH = np.datetime64("1970-01-01", "us")
WORDS = [
    "amber",
    "basin",
    "cedar",
    "delta",
    "ember",
    "falcon",
    "garnet",
    "harbor",
    "iris",
    "juniper",
    "kestrel",
    "lagoon",
    "maple",
    "nectar",
    "onyx",
    "prairie",
    "quartz",
    "river",
    "sierra",
    "tundra",
    "umbra",
    "velvet",
    "willow",
    "xenon",
    "yonder",
    "zephyr",
    "atlas",
    "breeze",
    "coral",
    "dune",
    "echo",
    "fjord",
    "grove",
]


def times(random, size, start="2019-01-01", days=900, is_sorted=True, by="s"):
    """Instants after ``start``, by second or by day."""
    span = days * 86_400
    seconds = random.integers(0, span, size)
    if by == "day":
        seconds = seconds // 86_400 * 86_400
    if is_sorted:
        seconds = np.sort(seconds)
    return np.datetime64(start, "us") + (seconds * 1_000_000).astype("timedelta64[us]")


def later(random, moments, days, null_share=0.0, by="s"):
    """Instants up to ``days`` after others, some missing."""
    gap = random.integers(1, int(days * 86_400), len(moments))
    values = moments + (gap * 1_000_000).astype("timedelta64[us]")
    if by == "day":
        values = values.astype("datetime64[D]").astype("datetime64[us]")
    return pa.array(values, mask=random.random(len(moments)) < null_share)


def skewed(random, values, size):
    """Draw from values, the first ones far more often, as customers and products are."""
    index = (len(values) * random.random(size) ** 2).astype(int)
    return np.asarray(values)[index]


def names(random, size, words=2):
    """Titles of a few words, repeated now and then."""
    picks = random.integers(0, len(WORDS), (size, words))
    return [" ".join(WORDS[i] for i in row).title() for row in picks]


def unique_names(random, size):
    """Different short names."""
    chosen = random.permutation(len(WORDS) ** 2)[:size]
    return [f"{WORDS[i // len(WORDS)]} {WORDS[i % len(WORDS)]}".title() for i in chosen]


def sentences(random, size, words=14):
    """Free text."""
    return [" ".join(WORDS[i] for i in row) + "." for row in random.integers(0, len(WORDS), (size, words))]


def hashes(random, size, digits=64):
    """Different hexadecimal hashes."""
    salt = str(random.integers(1 << 40))
    return [hashlib.sha256(f"{salt}{i}".encode()).hexdigest()[:digits] for i in range(size)]


def amounts(random, size, mean=40.0):
    """Prices: positive, skewed, two decimals."""
    return np.round(random.gamma(2.0, mean / 2, size) + 0.5, 2)


def choices(random, values, size, null_share=0.0):
    """Categories, some missing."""
    return pa.array(random.choice(values, size), mask=random.random(size) < null_share)


def some(random, values, null_share):
    """The values, some of them missing."""
    return pa.array(values, mask=random.random(len(values)) < null_share)


def spelled(moments, pattern):
    """Instants written as text."""
    return [m.strftime(pattern) for m in np.asarray(moments).astype("datetime64[us]").astype(dt.datetime)]


def epoch(moments, unit):
    """Instants as whole numbers since 1970, in ``s``, ``ms``, ``us`` or ``ns``."""
    return (np.asarray(moments).astype(f"datetime64[{unit}]") - EPOCH.astype(f"datetime64[{unit}]")).astype(
        "int64"
    )


def sparse(random, high, size):
    """Different whole numbers below ``high``, far fewer than there are, in random order."""
    return random.permutation(np.unique(random.integers(1, high, 2 * size)))[:size]
