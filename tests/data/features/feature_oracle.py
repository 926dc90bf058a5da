"""Features by plain loops over rows: slow, obvious, and independent of the engine."""

import math
import statistics
from collections import Counter

from weft.core import ROW
from weft.testing.oracle import split_items

DAY = 86_400_000_000


class Oracle:
    """Computes recipes of the family ``rows`` for one entity at one cutoff."""

    def __init__(self, rows, entity_table="customers", entity_key="id"):
        self.db = rows
        self.links = {k.name: k for k in rows.schema.links}
        self.entity_table, self.entity_key = entity_table, entity_key

    def compute(self, recipe, entity, cutoff, anchor):
        start = [r for r in self.db.rows[self.entity_table] if r[self.entity_key] == entity]
        table, row = self.entity_table, start[0] if start else None
        if row is not None and not self.is_there(table, row, cutoff):
            row = None
        for move in recipe.moves:
            table, row = self.move(table, row, move, cutoff)
        return self.aggregate(recipe, self.path_rows(recipe, table, row, cutoff), cutoff, anchor)

    def since(self, table, row):
        time = self.db.time(table, row)
        return -math.inf if time is None else time

    def is_there(self, table, row, cutoff):
        time = self.db.time(table, row)
        return time is None or time <= cutoff

    def parent(self, row, link, until):
        if any(row[c] is None for c in link.columns):
            return None
        for other in self.db.rows[link.parent]:
            same = all(row[a] == other[b] for a, b in zip(link.columns, link.parent_columns, strict=True))
            if same and self.is_there(link.parent, other, until):
                return other
        return None

    def children(self, row, link, cutoff):
        return [
            child
            for child in self.db.rows[link.table]
            if all(
                child[a] is not None and child[a] == row[b]
                for a, b in zip(link.columns, link.parent_columns, strict=True)
            )
            and self.is_there(link.table, child, cutoff)
        ]

    def move(self, table, row, move, cutoff):
        link = self.links[move.up]
        if row is None:
            return link.parent, None
        if move.down is not None:
            way = self.path_of(table, row, (move.down,), cutoff)
            if not way:
                return link.parent, None
            time, _, row = way[-1]
            return link.parent, self.parent(row, link, time)
        return link.parent, self.parent(row, link, self.since(table, row))

    def path_of(self, table, row, downs, cutoff):
        """Return (visible from, row number, row) of all rows on a path, oldest first."""
        found = [(self.since(table, row), row)]
        for down in downs:
            link = self.links[down]
            found = [
                (max(time, self.since(link.table, child)), child)
                for time, parent in found
                for child in self.children(parent, link, cutoff)
            ]
        return sorted(((t, r[ROW], r) for t, r in found), key=lambda x: x[:2])

    def path_rows(self, recipe, table, row, cutoff):
        if row is None:
            return []
        found = self.path_of(table, row, recipe.downs, cutoff)
        end = self.links[recipe.downs[-1]].table if recipe.downs else table
        return [(time, self.value(recipe.source, end, row, time)) for time, _, row in found]

    def value(self, source, table, row, time):
        if source.target is not None:
            amount, kind = row["amount"], source.target.partition(":")[0]
            return amount if kind == "value" or amount is None else float(amount > 5)
        if not source.column:
            return 1.0
        for name in source.ups:
            row = self.parent(row, self.links[name], time)
            if row is None:
                return None
        value = row[source.column]
        if source.reading is not None and value is not None:
            separator = self.db.schema.table(self.end_of(table, source)).column(source.column).separator
            return _READ[source.reading](value, source.part, separator)
        if source.among is not None and value is not None:
            link = self.links[source.among]
            if any(row[c] is None for c in link.columns):
                return None
            own_time = self.db.time(table, row)
            group = [
                other[source.column]
                for other in self.db.rows[table]
                if all(other[c] == row[c] for c in link.columns) and self.db.time(table, other) <= own_time
            ]
            return value - statistics.fmean(v for v in group if v is not None)
        if isinstance(value, bool):
            return float(value)
        return value

    def end_of(self, table, source):
        return self.links[source.ups[-1]].parent if source.ups else table

    def aggregate(self, recipe, found, cutoff, anchor):
        chosen = found
        if recipe.window_us is not None:
            chosen = [f for f in chosen if f[0] > cutoff - recipe.window_us]
        if recipe.last is not None and recipe.aggregate != "decayed":
            chosen = chosen[-recipe.last :]
        values = [v for _, v in chosen if v is not None]
        return _AGGREGATES[recipe.aggregate](recipe, found, chosen, values, cutoff, anchor)


_READ = {
    "characters": lambda value, part, separator: float(len(value)),
    "words": lambda value, part, separator: float(len(value.split())),
    "items": lambda value, part, separator: float(len(set(split_items(value, separator)))),
    "has": lambda value, part, separator: float(part in split_items(value, separator)),
    "component": lambda value, part, separator: value[int(part)],
}


def _mean(values):
    return statistics.fmean(values) if values else None


def _time(found, i):
    return found[i][0] if found and math.isfinite(found[i][0]) else None


def _since(instant, time):
    return None if time is None else (instant - time) / DAY


def _gap(chosen):
    if len(chosen) < 2 or not math.isfinite(chosen[0][0]):
        return None
    return (chosen[-1][0] - chosen[0][0]) / DAY / (len(chosen) - 1)


def _divide(a, b):
    return None if a is None or b is None or b <= 0 else a / b


def _slope(chosen):
    points = [(i, v) for i, (_, v) in enumerate(chosen) if v is not None]
    if len(points) < 2:
        return None
    mx, my = _mean([x for x, _ in points]), _mean([y for _, y in points])
    return sum((x - mx) * (y - my) for x, y in points) / sum((x - mx) ** 2 for x, _ in points)


def _decayed(recipe, found):
    weighed = [
        (0.5 ** (age / recipe.last), v)
        for age, (_, v) in enumerate(reversed(found[-4 * recipe.last :]))
        if v is not None
    ]
    return sum(w * v for w, v in weighed) / sum(w for w, _ in weighed) if weighed else None


def _mode(values):
    """The value that was first to reach the highest count."""
    counts, best, leader = Counter(), 0, None
    for value in values:
        counts[value] += 1
        if counts[value] > best:
            best, leader = counts[value], value
    return leader


def _entropy(values):
    counts = Counter(values)
    return -sum(c / len(values) * math.log(c / len(values)) for c in counts.values()) if values else None


def _trend(found, values):
    every = [v for _, v in found if v is not None]
    return _mean(values) - _mean(every) if values else None


_AGGREGATES = {
    "count": lambda r, f, c, v, cut, a: float(len(c)),
    "share_of_rows": lambda r, f, c, v, cut, a: _divide(len(c), len(f)),
    "recency": lambda r, f, c, v, cut, a: _since(cut, _time(f, -1)),
    "anchor_recency": lambda r, f, c, v, cut, a: _since(a, _time(f, -1)),
    "tenure": lambda r, f, c, v, cut, a: _since(cut, _time(f, 0)),
    "mean_gap": lambda r, f, c, v, cut, a: _gap(c),
    "recency_in_gaps": lambda r, f, c, v, cut, a: _divide(_since(cut, _time(f, -1)), _gap(f)),
    "nulls": lambda r, f, c, v, cut, a: 1 - len(v) / len(c) if c else None,
    "last": lambda r, f, c, v, cut, a: f[-1][1] if f else None,
    "value": lambda r, f, c, v, cut, a: f[-1][1] if f else None,
    "first": lambda r, f, c, v, cut, a: f[0][1] if f else None,
    "age": lambda r, f, c, v, cut, a: _since(a, f[-1][1]) if f and (f[-1][1] or 0) <= cut else None,
    "planned_age": lambda r, f, c, v, cut, a: _since(a, f[-1][1]) if f else None,
    "mean": lambda r, f, c, v, cut, a: _mean(v),
    "sum": lambda r, f, c, v, cut, a: math.fsum(v),
    "min": lambda r, f, c, v, cut, a: min(v, default=None),
    "max": lambda r, f, c, v, cut, a: max(v, default=None),
    "std": lambda r, f, c, v, cut, a: statistics.stdev(v) if len(v) > 1 else None,
    "trend": lambda r, f, c, v, cut, a: _trend(f, v),
    "slope": lambda r, f, c, v, cut, a: _slope(c),
    "decayed": lambda r, f, c, v, cut, a: _decayed(r, f),
    "share": lambda r, f, c, v, cut, a: _mean([float(x == r.value) for x in v]),
    "mode": lambda r, f, c, v, cut, a: _mode(v),
    "mode_share": lambda r, f, c, v, cut, a: _divide(max(Counter(v).values(), default=0), len(v)),
    "distinct": lambda r, f, c, v, cut, a: float(len(set(v))),
    "entropy": lambda r, f, c, v, cut, a: _entropy(v),
}
