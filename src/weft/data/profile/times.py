"""Time columns: which time says when a row came to be, and which may say when it ceased to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from weft.core import Evidence
from weft.data.declared import Declared
from weft.data.profile.containment import Facts
from weft.data.profile.names import TableNames, split_words
from weft.data.profile.overrides import Overrides
from weft.data.profile.raw import RawTables
from weft.data.profile.reading import micros
from weft.data.profile.statistics import ColumnFacts
from weft.data.profile.vocabulary import word_set

_MAX_NULL_RATE = 0.2
_ACCEPTED_SCORE = 0.5
_MIN_END_SHARE = 0.98
_ATTRIBUTES = word_set("""
    dob birth born birthday birthdate dateofbirth geburt geburtsdatum naissance death dod died
    deceased deathdate founded established foundation built vintage manufacture manufactured
    anniversary
""")
_LATER = word_set("""
    end ended ending to until till thru through closing expire expires expired expiry expiration exp
    due deadline limit required estimated expected target cancel cancelled canceled last latest
    update updated upd modify modified modification mod change changed changes edit edited access
    accessed seen active activity sync synced synchronized delete deleted removed removal dischtime
    out outtime next left leave terminated termination snapshot load loaded etl extracted processed
    refreshed ende enddatum bis aktualisiert geändert retired withdrawn owned enddate deathtime
    logout lastupdate moddate valid_to
""")
# Moments of their own when no other time is there, later ones beside a better time.
_SECONDARY = word_set("""
    departure arrival delivery deliver delivered ship shipped shipping pickup dropoff complete
    completed completion approve approved approval answer answered paid settled return returned
    resolved resolution discharge disch checkout close closed finish finished scheduled planned
    lieferdatum stop stopped
""")
_CREATION = word_set("""
    create created creation creationdate createdat inserted insert added posted post signup
    registered registration register joined join enrolled opened open issued issue recorded
    submitted submission occurred happened observed measured logged event order ordered purchase
    purchased placed booked booking transaction txn trans trade sale sold rental visit admission
    admit admittime admitted intime charttime start started starttime startdate begin began
    beginning from effective since hire hired redemption payment invoice request requested received
    sent publish published released release arrival pickup bestelldatum erstellt angelegt beginn von
    rechnungsdatum kaufdatum buchungsdatum
""")
_PLAIN = word_set("""
    date time timestamp datetime ts at day when dt epoch datum zeit zeitpunkt fecha data
""")
_END_PAIRS = tuple(
    (pair.split(":")[0], pair.split(":")[1])
    for pair in sorted(
        word_set("""
        start:end begin:end from:to from:until from:thru start:stop start:finish in:out
        intime:outtime admit:disch admittime:dischtime admission:discharge startdate:enddate
        starttime:endtime checkin:checkout von:bis beginn:ende hire:termination effective:expiration
        pickup:dropoff since:until valid:expire started:ended opened:closed effective:expiry
        login:logout entry:exit join:leave joined:left start:expiry
        """)
    )
)


@dataclass(frozen=True)
class TimeChoice:
    """The times of one table and why."""

    column: str | None
    confidence: float
    reasons: tuple[str, ...]
    source: str = "inferred"
    end_column: str | None = None
    end_source: str = ""
    proposed_end: str | None = None

    def evidence(self, table: str) -> tuple[Evidence, ...]:
        """Return the choice as evidence about a table and its columns."""
        decision = f"time column {self.column}" if self.column else "no time column"
        found = [Evidence(table, decision, self.confidence, self.reasons, self.source)]
        if self.end_column:
            why: tuple[str, ...] = (f"said by the {self.end_source}",)
            found.append(Evidence(f"{table}.{self.end_column}", "end time column", 1.0, why, self.end_source))
        elif self.proposed_end:
            why = (
                f"its name is the end of '{self.column}', and it is never before it",
                "not applied unasked",
            )
            found.append(Evidence(f"{table}.{self.proposed_end}", "proposed end time column", 0.8, why))
        return tuple(found)


def choose_times(
    raw: RawTables, facts: Facts, names: TableNames, declared: Declared, overrides: Overrides
) -> dict[str, TimeChoice]:
    """Return the time column of every table: the user's word, else declared, else inferred."""
    return {t: _choose(raw, facts, names, declared, overrides, t) for t in raw.names}


def add_moments(
    facts: Facts, names: TableNames, times: Mapping[str, TimeChoice], describing: Set[str]
) -> dict[str, TimeChoice]:
    """Give tables that were written at one moment that moment as their time.

    A time that is the same in all rows tells no row from another. But predictions, scores and totals that
    were written about the rows of other tables were not known before it.

    Args:
        facts: Of all columns.
        names: Of all tables.
        times: As chosen; what the user or the source said stays.
        describing: Tables that refer to others while none refers to them.
    """
    return {
        t: (_moment(facts, names, t) or c) if t in describing and _is_open(c) else c for t, c in times.items()
    }


def _is_open(choice: TimeChoice) -> bool:
    return choice.column is None and choice.source == "inferred"


def _moment(facts: Facts, names: TableNames, table: str) -> TimeChoice | None:
    same = [
        f.name
        for f in facts[table].values()
        if f.is_time and f.statistics.distinct == 1 and f.statistics.count > 1 and not f.statistics.nulls
    ]
    rated = {c: name_score(names, table, c) for c in same}
    best = max(rated, key=lambda c: rated[c][0], default=None)
    if best is None or rated[best][0] < 0:
        return None
    reasons = (rated[best][1], "all rows have the same, so they were written then")
    return TimeChoice(best, 0.6, reasons)


def _choose(
    raw: RawTables, facts: Facts, names: TableNames, declared: Declared, overrides: Overrides, table: str
) -> TimeChoice:
    said = overrides.table(table)
    end, source = said.end_time_column, "user"
    if end is None and table in declared.end_time_columns:
        end, source = declared.end_time_columns[table], "declared"
    if said.time_column is not None:
        choice = TimeChoice(said.time_column or None, 1.0, ("set by the user",), "user")
    elif table in declared.time_columns:
        by = declared.source or "the source"
        choice = TimeChoice(declared.time_columns[table], 1.0, (f"declared by {by}",), "declared")
    else:
        choice = _infer(raw, facts, names, table)
    proposed = (
        None if end is not None or choice.column is None else _propose_end(raw, facts, table, choice.column)
    )
    return TimeChoice(
        choice.column,
        choice.confidence,
        choice.reasons,
        choice.source,
        end or None,
        source if end else "",
        proposed,
    )


def _infer(raw: RawTables, facts: Facts, names: TableNames, table: str) -> TimeChoice:
    times = [f for f in facts[table].values() if f.is_time]
    if not times:
        return TimeChoice(None, 0.95, ("no column holds times",))
    order = _orders(raw, facts, table, [f.name for f in times])
    rated = {f.name: _rate(names, table, f, *order[f.name]) for f in times}
    best = max(rated, key=lambda c: rated[c][0])
    score, reasons = rated[best]
    if score < _ACCEPTED_SCORE:
        turned_down = ", ".join(f"{c} ({'; '.join(r)})" for c, (_, r) in rated.items())
        return TimeChoice(None, 0.7, (f"no time says when a row came to be: {turned_down}",))
    others = [s for c, (s, _) in rated.items() if c != best]
    margin = score - max(others, default=0.0)
    return TimeChoice(best, min(0.99, 0.6 + 0.1 * max(0.0, margin)), reasons)


def name_score(names: TableNames, table: str, column: str) -> tuple[float, str]:
    """Score how far a name says when a row came to be: positive, or negative for other times."""
    words = split_words(column)
    joined = "".join(words)
    if set(words) & _ATTRIBUTES or joined in _ATTRIBUTES:
        return -20.0, "it tells of the thing, not of the row"
    shares = names.shares_word(column, table)
    later = [w for w in words if w in _LATER] or ([joined] if joined in _LATER else [])
    if later and not (shares and not {"last", "estimated", "due", "limit"} & set(later)):
        return -6.0, f"'{later[0]}' names a later moment"
    score = 0.0 if shares or (not set(words) & _SECONDARY and joined not in _SECONDARY) else -1.5
    if set(words) & _CREATION or joined in _CREATION:
        score += 3.0
    if shares:
        score += 2.0
    if words and words[-1] in _PLAIN:
        score += 2.0 if len(words) == 1 else 0.5
    return score, f"its name scores {score:g}"


def _rate(
    names: TableNames, table: str, column: ColumnFacts, first_share: float, order: float
) -> tuple[float, tuple[str, ...]]:
    score, reason = name_score(names, table, column.name)
    stats = column.statistics
    reasons = [reason]
    if stats.null_rate > _MAX_NULL_RATE:
        return score - 10, (reason, f"{stats.null_rate:.0%} of its values are missing")
    score -= 3 * stats.null_rate
    if stats.distinct <= 1 and stats.count > 1:
        return score - 10, (reason, "it is constant")
    score += 1.5 * first_share
    if first_share < 1:
        reasons.append(f"in {first_share:.0%} of the rows it is the first time")
    if abs(order) > 0.9:
        score += 1.0
        reasons.append("the rows are in its order")
    return score, tuple(reasons)


def _orders(
    raw: RawTables, facts: Facts, table: str, columns: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Return for each time column how often it is the row's first time, and how far rows are in its order."""
    source = raw.table(table, columns)
    sample = raw.sample(table, source, {c: micros(source[c], facts[table][c].reading) for c in columns})
    values = np.array(
        [sample.column(c).to_numpy(zero_copy_only=False).astype(np.float64) for c in columns]
    ).reshape(len(columns), -1)
    filled = np.where(np.isnan(values), np.inf, values)
    known = ~np.isnan(values)
    lowest = filled.min(axis=0) if filled.shape[1] else np.empty(0)
    result = {}
    for index, column in enumerate(columns):
        first = (filled[index] <= lowest)[known[index]]
        result[column] = (
            float(first.mean()) if len(first) else 0.0,
            _row_order(values[index][known[index]]),
        )
    return result


def _row_order(values: np.ndarray) -> float:
    """Return the rank correlation of values with their position (Spearman)."""
    if len(values) < 10 or values.min() == values.max():
        return 0.0
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])


def is_end_of(start: str, end: str) -> bool:
    """Tell whether two names are the start and the end of one span.

    Example:
        >>> is_end_of("start_date", "end_date"), is_end_of("CreationDate", "ClosedDate")
        (True, False)
    """
    first, last = split_words(start), split_words(end)
    return any(
        opening in first and tuple(closing if w == opening else w for w in first) == last
        for opening, closing in _END_PAIRS
    )


def _propose_end(raw: RawTables, facts: Facts, table: str, start: str) -> str | None:
    for column in facts[table].values():
        if not column.is_time or not is_end_of(start, column.name) or not facts[table][start].is_time:
            continue
        source = raw.table(table, [start, column.name])
        begun, ended = (micros(source[c], facts[table][c].reading) for c in (start, column.name))
        share = (
            raw.fetch(source.aggregate(share=(ended >= begun).cast("float64").mean())).column(0)[0].as_py()
        )
        if share is not None and share >= _MIN_END_SHARE:
            return column.name
    return None
