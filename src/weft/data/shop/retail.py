"""Make a large retailer in bounded memory: customers, articles, and years of transactions.

The shape follows what fashion retailers publish: most customers buy seldom, articles come and go with the
season, a few of them carry most sales, and baskets hold several lines of one day. Nothing is planted here;
the point is size.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from weft.core import UserError
from weft.data.shop.generate import make_folder

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NUM_DAYS = 730
CHUNK_ROWS = 1_000_000
_START = dt.date(2023, 1, 1)
_MEAN_BASKET = 3.2
_FIRST_ARTICLE = 108_775_001
_GROUPS = ("Ladieswear", "Menswear", "Divided", "Sport", "Baby/Children")
_KINDS = ("T-shirt", "Trousers", "Dress", "Sweater", "Socks", "Jacket", "Skirt", "Bra", "Shirt", "Bag")
_COLORS = ("Black", "White", "Dark Blue", "Light Beige", "Grey", "Red", "Dark Green", "Pink", "Yellow")


@dataclass(frozen=True)
class RetailInfo:
    """What was made: rows and bytes of each table."""

    rows: dict[str, int]
    size_bytes: dict[str, int]


def generate_retail(
    directory: str | Path,
    *,
    num_customers: int = 1_370_000,
    num_articles: int = 105_000,
    num_transactions: int = 31_800_000,
    seed: int = 0,
) -> RetailInfo:
    """Write ``customers``, ``articles`` and ``transactions`` as Parquet, a million rows at a time.

    Transactions are in order of time and span two years. The default size needs 0.4 GB of memory.

    Args:
        directory: Made when missing; files of the same names are replaced.
        num_customers: At least 1.
        num_articles: At least 100.
        num_transactions: At least one a day.
        seed: Equal seeds give equal bytes.

    Raises:
        UserError: ``DATA102`` when a number is too small, ``DATA101`` when ``directory`` is not a folder.
    """
    if num_customers < 1 or num_articles < 100 or num_transactions < NUM_DAYS:
        raise UserError(
            "DATA102",
            f"{num_customers:,} customers, {num_articles:,} articles and {num_transactions:,} transactions "
            "are too few for a retailer.",
            f"ask for at least 1 customer, 100 articles and {NUM_DAYS} transactions.",
        )
    folder = make_folder(directory)
    seeds = np.random.SeedSequence([seed, num_customers, num_articles, num_transactions]).spawn(3)
    people, goods, sales = (np.random.default_rng(s) for s in seeds)
    season = _Season(num_articles, goods)
    chunks = {
        "customers": _customers(num_customers, people),
        "articles": _articles(num_articles, season.price, goods),
        "transactions": _transactions(num_customers, num_transactions, season, sales),
    }
    rows = {name: _write(folder / f"{name}.parquet", made) for name, made in chunks.items()}
    return RetailInfo(rows, {name: (folder / f"{name}.parquet").stat().st_size for name in rows})


class _Season:
    """Which articles are sold when, and how well: popularity follows a power law within a window of days."""

    def __init__(self, num_articles: int, rng: np.random.Generator) -> None:
        self.first_day = np.sort(rng.integers(-200, NUM_DAYS, num_articles))
        self.last_day = self.first_day + rng.integers(60, 400, num_articles)
        self.weight = (1 - rng.random(num_articles)) ** -0.8
        self.price: Floats = np.exp(rng.normal(3.0, 0.6, num_articles)).round(2)

    def draw(self, day: int, count: int, rng: np.random.Generator) -> Ints:
        """Draw the articles of ``count`` lines sold on ``day``."""
        here = np.flatnonzero((self.first_day <= day) & (self.last_day > day))
        cumulative = np.cumsum(self.weight[here])
        found = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
        articles: Ints = here[np.minimum(found, len(here) - 1)]
        return articles


def _customers(count: int, rng: np.random.Generator) -> Iterator[pa.Table]:
    for low in range(0, count, CHUNK_ROWS):
        n = min(CHUNK_ROWS, count - low)
        age = np.clip(np.where(rng.random(n) < 0.6, rng.normal(27, 6, n), rng.normal(50, 9, n)), 16, 99)
        status = rng.choice(np.array(["ACTIVE", "PRE-CREATE", "LEFT CLUB"]), n, p=[0.93, 0.065, 0.005])
        news = rng.choice(np.array(["NONE", "Regularly", "Monthly"]), n, p=[0.64, 0.35, 0.01])
        is_active = rng.random(n) < 0.34
        yield pa.table(
            {
                "customer_id": pa.array(np.arange(low, low + n) + 1),
                "receives_news": pa.array(is_active & (rng.random(n) < 0.98)),
                "club_status": pa.array(status, mask=rng.random(n) < 0.005),
                "news_frequency": pa.array(news, mask=rng.random(n) < 0.01),
                "age": pa.array(age.astype(np.int64), mask=rng.random(n) < 0.012),
                "postal_code": pa.array(rng.integers(10_000, 99_999, n)),
            }
        )


def _articles(count: int, price: Floats, rng: np.random.Generator) -> Iterator[pa.Table]:
    kind, group, color = (rng.integers(0, len(names), count) for names in (_KINDS, _GROUPS, _COLORS))
    rows = zip(kind.tolist(), group.tolist(), color.tolist(), strict=True)
    texts = [f"{_KINDS[k]} in {_COLORS[c].lower()} for {_GROUPS[g].lower()}." for k, g, c in rows]
    yield pa.table(
        {
            "article_id": pa.array(np.arange(count) + _FIRST_ARTICLE),
            "product_code": pa.array(np.arange(count) // 3 + 108_775),
            "kind": pa.array(np.array(_KINDS)[kind]),
            "group_name": pa.array(np.array(_GROUPS)[group]),
            "color": pa.array(np.array(_COLORS)[color]),
            "department_no": pa.array(rng.integers(1000, 1300, count)),
            "list_price": pa.array(price),
            "description": pa.array(texts, mask=rng.random(count) < 0.004),
        }
    )


def _transactions(
    num_customers: int, count: int, season: _Season, rng: np.random.Generator
) -> Iterator[pa.Table]:
    """Make whole days until a million rows are there."""
    days = np.arange(NUM_DAYS)
    weight = 1 + 0.25 * np.sin(days / 365.25 * 2 * np.pi - 1) + 0.35 * (days % 7 >= 5)
    ends = np.round(np.cumsum(weight) / weight.sum() * count).astype(np.int64)
    stride = _coprime(num_customers)
    waiting: list[pa.Table] = []
    start = 0
    for day, end in enumerate(ends.tolist()):
        waiting.append(_day(day, start, end - start, num_customers, stride, season, rng))
        start = end
        if sum(table.num_rows for table in waiting) >= CHUNK_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _day(
    day: int, first: int, n: int, num_customers: int, stride: int, season: _Season, rng: np.random.Generator
) -> pa.Table:
    basket = np.repeat(np.arange(n), rng.geometric(1 / _MEAN_BASKET, n))[:n]
    second = np.sort(rng.integers(8 * 3600, 22 * 3600, n))[basket]
    # Customers by a power law; the stride scatters the frequent ones over all keys.
    rank = (num_customers * rng.random(n) ** 2.4).astype(np.int64)[basket]
    customer = rank * stride % num_customers + 1
    article = season.draw(day, n, rng)
    paid = np.round(season.price[article] * rng.choice(np.array([1.0, 1.0, 1.0, 0.8, 0.5]), n), 2)
    origin = int(dt.datetime.combine(_START, dt.time(), dt.UTC).timestamp()) + day * 86_400
    return pa.table(
        {
            "transaction_id": pa.array(np.arange(first, first + n) + 1),
            "customer_id": pa.array(customer),
            "article_id": pa.array(article + _FIRST_ARTICLE),
            "sold_at": pa.array((second + origin) * 1_000_000, pa.timestamp("us")),
            "price": pa.array(paid),
            "channel": pa.array(np.where(rng.random(n) < 0.7, 2, 1)),
        }
    )


def _coprime(number: int) -> int:
    """Return a stride near the golden ratio of ``number`` that shares no factor with it."""
    stride = max(1, int(number * 0.618))
    while np.gcd(stride, number) != 1:
        stride += 1
    return stride


def _write(path: Path, chunks: Iterator[pa.Table]) -> int:
    """Write one row group for each chunk; return the number of rows."""
    first = next(chunks)
    with pq.ParquetWriter(path, first.schema, compression="zstd", compression_level=1) as writer:
        writer.write_table(first, row_group_size=CHUNK_ROWS)
        rows = first.num_rows
        for chunk in chunks:
            writer.write_table(chunk, row_group_size=CHUNK_ROWS)
            rows += chunk.num_rows
    return int(rows)
