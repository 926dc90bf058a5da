"""Links: what is declared, else what names, types and values of columns say together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from weft.core import Evidence, Link, Schema, Table, UserError
from weft.data.declared import Declared
from weft.data.profile import names as words
from weft.data.profile.containment import (
    Common,
    Facts,
    common_types,
    dangling_examples,
    measure_link,
    tried_containment,
)
from weft.data.profile.model import LinkStatistics, link_decision, link_subject
from weft.data.profile.overrides import LinkOverride, Overrides
from weft.data.profile.raw import Kind, RawTables
from weft.data.profile.statistics import ColumnFacts

Keys = Mapping[str, tuple[str, ...]]
_MIN_COMPOSITE_RATE = 0.5
_MIN_VALUE_SHARE = 0.99
_MIN_TEXT_VALUES = 10
_MIN_NUMBER_VALUES = 30
_MAX_DENSITY = 0.05


@dataclass(frozen=True)
class LinkChoice:
    """A link, the types in which its keys are compared, and why it is one."""

    link: Link
    commons: tuple[Common, ...]
    statistics: LinkStatistics
    confidence: float
    reasons: tuple[str, ...]
    source: str = "inferred"

    def evidence(self) -> Evidence:
        """Return the choice as evidence about the child's column."""
        return Evidence(
            link_subject(self.link), link_decision(self.link), self.confidence, self.reasons, self.source
        )


@dataclass(frozen=True)
class _Proposal:
    link: Link
    clarity: float
    min_keys: float
    reason: str


def choose_links(
    raw: RawTables,
    facts: Facts,
    keys: Keys,
    names: words.TableNames,
    declared: Declared,
    overrides: Overrides,
) -> tuple[LinkChoice, ...]:
    """Return the links: the user's and the declared ones, and those that names and values prove.

    Raises:
        UserError: ``SCH023`` when a given link joins columns that cannot be compared, ``SCH024`` when the
            parent of a given link has no key to refer to, ``SCH025`` when its columns do not pair.
    """
    chosen: dict[tuple[str, tuple[str, ...]], LinkChoice] = {}
    for link, source, reason in _given(keys, declared, overrides):
        chosen.setdefault((link.table, link.columns), _accept_given(raw, facts, link, source, reason))
    removed = {(k.table, k.columns, k.parent) for k in overrides.removed_links}
    for choice in _inferred(raw, facts, keys, names, taken=set(chosen)):
        chosen.setdefault((choice.link.table, choice.link.columns), choice)
    kept = [c for c in chosen.values() if (c.link.table, c.link.columns, c.link.parent) not in removed]
    kept = [_with_examples(raw, facts, c) for c in kept]
    return tuple(sorted(kept, key=lambda c: c.link))


def _with_examples(raw: RawTables, facts: Facts, choice: LinkChoice) -> LinkChoice:
    if not choice.statistics.dangling_rows:
        return choice
    examples = dangling_examples(raw, facts, choice.link, choice.commons)
    return replace(choice, statistics=replace(choice.statistics, dangling_examples=examples))


def _given(keys: Keys, declared: Declared, overrides: Overrides) -> Iterator[tuple[Link, str, str]]:
    for said in overrides.added_links:
        yield _complete(said, keys), "user", "set by the user"
    for link in declared.links:
        yield link, "declared", f"declared by {declared.source or 'the source'}"


def _complete(said: LinkOverride, keys: Keys) -> Link:
    parent_columns = said.parent_columns or keys[said.parent]
    if not parent_columns:
        raise UserError(
            "SCH024",
            f"table '{said.parent}' has no primary key that "
            f"{said.table}.{', '.join(said.columns)} could refer to.",
            f"set tables.{said.parent}.primary_key, or name the columns of '{said.parent}' in the link.",
        )
    link = Link(said.table, said.columns, said.parent, parent_columns)
    if len(link.columns) != len(link.parent_columns):
        raise UserError(
            "SCH025",
            f"the link {link.name} has {len(link.columns)} columns for the {len(link.parent_columns)} of "
            f"'{link.parent}' ({', '.join(link.parent_columns)}).",
            "name as many columns as the parent's key has.",
        )
    return link


def _accept_given(raw: RawTables, facts: Facts, link: Link, source: str, reason: str) -> LinkChoice:
    pairs: list[tuple[Common, ...]] = []
    for left, right in zip(link.columns, link.parent_columns, strict=True):
        child, parent = facts[link.table][left], facts[link.parent][right]
        if child.statistics.count == 0 or parent.statistics.count == 0:
            pairs.append((Common.TEXT,))
            continue
        pairs.append(common_types(child, parent))
        if not pairs[-1]:
            raise UserError(
                "SCH023",
                f"{link.table}.{left} ({child.statistics.storage}) cannot be compared with "
                f"{link.parent}.{right} ({parent.statistics.storage}): {link.name} would join nothing.",
                "remove the link, or bring both columns to one type in the source.",
            )
    commons, statistics = _best_measure(raw, facts, link, pairs)
    return LinkChoice(link, commons, statistics, 1.0, (reason, _match_words(statistics)), source)


def _best_measure(
    raw: RawTables, facts: Facts, link: Link, pairs: Sequence[tuple[Common, ...]]
) -> tuple[tuple[Common, ...], LinkStatistics]:
    """Measure a link in the first types of its columns, then, where nothing matches, in the next ones."""
    commons = tuple(p[0] for p in pairs)
    statistics = measure_link(raw, facts, link, commons)
    other = tuple(p[-1] for p in pairs)
    if statistics.match_rate < 0.1 and other != commons:
        second = measure_link(raw, facts, link, other)
        if second.match_rate > statistics.match_rate:
            return other, second
    return commons, statistics


def _match_words(statistics: LinkStatistics) -> str:
    return (
        f"{statistics.matched_keys:,} of {statistics.distinct_keys:,} keys and "
        f"{statistics.match_rate:.1%} of the rows with a key find their parent"
    )


def _inferred(
    raw: RawTables,
    facts: Facts,
    keys: Keys,
    names: words.TableNames,
    taken: set[tuple[str, tuple[str, ...]]],
) -> Iterator[LinkChoice]:
    singles: dict[tuple[str, str], LinkChoice] = {}
    for table, columns in facts.items():
        for column in columns.values():
            if (table, (column.name,)) in taken or not _may_refer(column, keys[table]):
                continue
            choice = _best_parent(raw, facts, keys, names, table, column)
            if choice:
                singles[table, column.name] = choice
    yield from singles.values()
    linked = {*singles, *((t, c[0]) for t, c in taken if len(c) == 1)}
    for link in _composites(facts, keys):
        if all((link.table, c) in linked for c in link.columns) or (link.table, link.columns) in taken:
            continue
        pairs = [common_types(facts[link.table][c], facts[link.parent][p]) for c, p in _pairs(link)]
        if all(pairs):
            commons, statistics = _best_measure(raw, facts, link, pairs)
            if statistics.match_rate >= _MIN_COMPOSITE_RATE:
                reasons = ("its columns are the parent's key by name", _match_words(statistics))
                yield LinkChoice(link, commons, statistics, 0.6 + 0.35 * statistics.match_rate, reasons)


def _pairs(link: Link) -> Iterable[tuple[str, str]]:
    return zip(link.columns, link.parent_columns, strict=True)


def _may_refer(column: ColumnFacts, key: tuple[str, ...]) -> bool:
    if not column.is_keylike or column.statistics.distinct < 1 or words.key_stem(column.name) == ():
        return False
    if words.is_row_number(column.name):
        return False
    return column.reading.kind is not Kind.TEXT or (column.statistics.length_mean or 0) <= 80


def _best_parent(
    raw: RawTables, facts: Facts, keys: Keys, names: words.TableNames, table: str, column: ColumnFacts
) -> LinkChoice | None:
    accepted: list[tuple[float, LinkChoice]] = []
    proposals = list(_by_name(raw, facts, keys, names, table, column))
    if not proposals:
        proposals = list(_by_value(raw, facts, keys, names, table, column))
    for proposal in proposals:
        parent = facts[proposal.link.parent][proposal.link.parent_columns[0]]
        commons = common_types(column, parent)
        if not commons:
            continue
        common, statistics = _best_measure(raw, facts, proposal.link, [commons])
        share = statistics.matched_keys / statistics.distinct_keys if statistics.distinct_keys else 0.0
        if share < proposal.min_keys or not statistics.matched_keys:
            continue
        confidence = min(0.99, 0.3 + 0.4 * proposal.clarity + 0.29 * statistics.match_rate)
        reasons = (proposal.reason, _match_words(statistics))
        rank = proposal.clarity + statistics.match_rate
        accepted.append((rank, LinkChoice(proposal.link, common, statistics, confidence, reasons)))
    return max(accepted, key=lambda a: a[0])[1] if accepted else None


def _by_name(
    raw: RawTables, facts: Facts, keys: Keys, names: words.TableNames, table: str, column: ColumnFacts
) -> Iterator[_Proposal]:
    """Propose the parents that the column's name points to, each with the least share of keys to be found."""
    stem = words.key_stem(column.name)
    spelled = words.split_words(column.name)
    named = names.best(stem if stem is not None else spelled)
    for parent, key in keys.items():
        if len(key) != 1 or (parent == table and key[0] == column.name):
            continue
        if keys[table] == (column.name,) and not _may_extend(raw, names, stem, table, parent):
            continue
        link = Link(table, (column.name,), parent, key)
        clarity, reason = named.get(parent, 0.0), f"'{column.name}' names '{parent}'"
        if parent == table and len(stem or spelled) <= len(names.words(table)):
            clarity = 0.0
        if _is_same_key(column.name, key[0]):
            is_telling = words.is_strong_key(key[0])
            clarity, reason = (
                max(clarity, 0.95 if is_telling else 0.6),
                f"it is the key of '{parent}' by name",
            )
            many_texts = column.is_text and column.statistics.distinct >= _MIN_NUMBER_VALUES
            least = 0.1 if is_telling else 0.5 if many_texts else 0.9
            yield _Proposal(link, clarity, least, reason)
        elif clarity >= 0.5:
            yield _Proposal(link, clarity, _least_share(clarity, stem is not None, column), reason)
        elif role := _role(stem, spelled, names, table, parent):
            yield _Proposal(link, 0.6, 0.95, role)


def _least_share(clarity: float, is_key_name: bool, column: ColumnFacts) -> float:
    """The vaguer the name, the more of the keys must be found."""
    if not is_key_name:
        return 0.95 if column.is_text or clarity >= 1.0 else 0.99
    if clarity >= 1.0:
        return 0.3
    return 0.8 if clarity >= 0.7 else 0.98


def _is_same_key(column: str, key: str) -> bool:
    stem = words.key_stem(key)
    if stem == () or words.is_row_number(key):
        return False
    same = words.split_words(column) == words.split_words(key) or column.lower() == key.lower()
    # A role before the whole key's name, as in home_team_id and team_id.
    tail = words.split_words(column)[-len(words.split_words(key)) :] == words.split_words(key)
    return same or (tail and stem is not None and words.is_strong_key(key))


def _may_extend(
    raw: RawTables, names: words.TableNames, stem: tuple[str, ...] | None, table: str, parent: str
) -> bool:
    """A table's own key refers to another table only where it is named after that one."""
    if not stem or parent == table:
        return False
    return names.named_by(stem, parent) > names.named_by(stem, table)


def _role(
    stem: tuple[str, ...] | None, spelled: tuple[str, ...], names: words.TableNames, table: str, parent: str
) -> str:
    """Return why a role such as parent, manager or owner points to a table, empty when it does not."""
    joined = "".join(spelled)
    if parent == table and ((stem and stem[-1] == "parent") or joined in words.PARENT_WORDS | {"parentid"}):
        return f"'{' '.join(spelled)}' names a row of its own table"
    if not stem or stem[-1] not in words.PERSON_ROLES:
        return ""
    people = [
        t for t in names.tables if any(words.is_same_noun(names.words(t)[-1], p) for p in words.PERSON_TABLES)
    ]
    if stem[-1] in {"manager", "supervisor", "boss"} and table in people:
        people = [table]
    return f"a {stem[-1]} is one of '{parent}'" if people == [parent] else ""


def _by_value(
    raw: RawTables, facts: Facts, keys: Keys, names: words.TableNames, table: str, column: ColumnFacts
) -> Iterator[_Proposal]:
    """Propose parents by values alone, where they cannot agree by chance: texts, and sparse numbers."""
    for parent, key in keys.items():
        if len(key) != 1 or (table, column.name) == (parent, key[0]) or keys[table] == (column.name,):
            continue
        known = facts[parent][key[0]]
        if column.is_text != known.is_text or not _is_telling(column, known):
            continue
        share, number = tried_containment(raw, facts, (table, column.name), (parent, key[0]))
        if share >= _MIN_VALUE_SHARE and number >= (
            _MIN_TEXT_VALUES if column.is_text else _MIN_NUMBER_VALUES
        ):
            reason = f"all {number:,} values tried are keys of '{parent}'"
            yield _Proposal(Link(table, (column.name,), parent, key), 0.3, _MIN_VALUE_SHARE, reason)


def _is_telling(column: ColumnFacts, known: ColumnFacts) -> bool:
    if column.is_text:
        return column.statistics.distinct >= _MIN_TEXT_VALUES
    stats = known.statistics
    if column.statistics.distinct < _MIN_NUMBER_VALUES or stats.minimum is None or stats.maximum is None:
        return False
    return stats.count / (stats.maximum - stats.minimum + 1) <= _MAX_DENSITY


def _composites(facts: Facts, keys: Keys) -> Iterator[Link]:
    for parent, key in keys.items():
        for table, columns in facts.items():
            if len(key) < 2 or table == parent:
                continue
            by_name = {words.split_words(c): c for c in columns}
            found = [by_name.get(words.split_words(k)) for k in key]
            if all(found):
                yield Link(table, tuple(c for c in found if c), parent, key)


def check_links(schema: Schema) -> None:
    """Check that every link's tables and columns exist.

    Raises:
        UserError: ``SCH001`` or ``SCH002``.
    """
    for link in schema.links:
        child: Table = schema.table(link.table)
        for column in link.columns:
            child.column(column)
        for column in link.parent_columns:
            schema.table(link.parent).column(column)
