"""What the names of tables and columns say: words, plurals, suffixes of keys, roles."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from weft.data.profile.vocabulary import word_set

STRONG_SUFFIXES = frozenset(
    {"id", "key", "uuid", "guid", "pk", "fk", "sk", "identifier", "nr", "no", "kennung", "oid"}
)
WEAK_SUFFIXES = word_set("""
    code num number nummer nro ref cd upc sku isbn asin ean slug hash handle symbol ticker iata icao
    username login email iso abbr abbreviation acronym
""")
ROW_NUMBERS = frozenset({"rowid", "rownum", "rownumber", "rowno", "index", "idx", "unnamed0", "row", "recno"})
PARENT_WORDS = word_set("""
    parent reportsto managerid supervisorid bossid replyto inreplyto superior
""")
PERSON_TABLES = word_set("""
    user customer account person people member employee staff client player contact profile
""")
PERSON_ROLES = word_set("""
    owner author creator buyer seller sender receiver recipient assignee reviewer reporter editor
    follower followee friend manager supervisor mentor referrer inviter invitee invited host guest
    driver rider poster uploader voter moderator approver requester from to source target created
    updated modified
""")
# Words that only look as if they ended in "id".
_NOT_KEYS = word_set("""
    paid unpaid prepaid repaid valid invalid grid bid bids void avoid hybrid android said rapid
    solid fluid acid covid braid raid squid humid liquid orchid pyramid mermaid overpaid laid maid
    asteroid steroid celluloid arid vivid timid candid splendid sordid stupid lucid placid morbid
    amid
""")
_NOISE = word_set("""
    tbl table dim fact fct dataset data stg staging src raw t d the master mst list lookup lkp ref
    vw view
""")
_IRREGULAR = {
    "people": "person", "persons": "person", "children": "child", "men": "man", "women": "woman",
    "mice": "mouse", "feet": "foot", "teeth": "tooth", "geese": "goose", "indices": "index",
    "indexes": "index", "matrices": "matrix", "vertices": "vertex", "criteria": "criterion",
    "media": "medium",
    "analyses": "analysis", "diagnoses": "diagnosis", "leaves": "leaf", "lives": "life", "statuses": "status",
    "länder": "land", "häuser": "haus", "ärzte": "arzt", "verträge": "vertrag",
}  # fmt: skip


@functools.cache
def split_words(name: str) -> tuple[str, ...]:
    """Split a name at case changes, digits and anything that is no letter.

    Example:
        >>> split_words("OwnerUserId"), split_words("CUSTOMER_ID"), split_words("HTTPStatus2")
        (('owner', 'user', 'id'), ('customer', 'id'), ('http', 'status', '2'))
    """
    words: list[str] = []
    current = ""
    for index, char in enumerate(name):
        following = name[index + 1 : index + 2]
        if not char.isalnum():
            words, current = [*words, current], ""
        elif _starts_word(current, char, following):
            words, current = [*words, current], char
        else:
            current += char
    return tuple(w.lower() for w in [*words, current] if w)


def _starts_word(current: str, char: str, following: str) -> bool:
    if not current:
        return False
    before = current[-1]
    if char.isdigit() != before.isdigit():
        return True
    if char.isupper() and before.islower():
        return True
    return char.isupper() and before.isupper() and following.islower()


@functools.cache
def singulars(word: str) -> frozenset[str]:
    """Return what ``word`` may be the plural of, itself included; English and German endings."""
    forms = {word, _IRREGULAR.get(word, word)}
    rules = (("ies", "y"), ("ves", "f"), ("es", ""), ("s", ""), ("en", ""), ("n", ""), ("e", ""))
    for ending, singular in rules:
        if word.endswith(ending) and len(word) - len(ending) >= (2 if ending == "s" else 3):
            forms.add(word[: -len(ending)] + singular)
    return frozenset(forms)


def is_same_noun(left: str, right: str) -> bool:
    """Tell whether two words are the same but for number.

    Example:
        >>> is_same_noun("categories", "category"), is_same_noun("post", "poster")
        (True, False)
    """
    return left == right or left in singulars(right) or right in singulars(left)


def key_stem(name: str) -> tuple[str, ...] | None:
    """Return the words of a key's name without its suffix or prefix, ``None`` if it does not look like a key.

    Example:
        >>> key_stem("OwnerUserId"), key_stem("grid"), key_stem("custid"), key_stem("id")
        (('owner', 'user'), None, ('cust',), ())
    """
    words = split_words(name)
    # Numbers tell columns of one kind apart, as in user1_id and user2_id.
    words = tuple(w for w in words if not w.isdigit()) or words
    if not words:
        return None
    if words[-1] in STRONG_SUFFIXES | WEAK_SUFFIXES:
        return words[:-1]
    if words[0] in {"id", "fk", "pk"}:
        return words[1:]
    last = words[-1]
    for suffix in ("uuid", "guid", "id", "nummer", "nr", "key"):
        if last.endswith(suffix) and len(last) - len(suffix) >= 3 and last not in _NOT_KEYS:
            return (*words[:-1], last[: -len(suffix)])
    return None


def is_strong_key(name: str) -> bool:
    """Tell whether a name all but says that the column is a key, as ``id`` does and ``number`` does not."""
    words = split_words(name)
    if key_stem(name) is None:
        return False
    return words[-1] not in WEAK_SUFFIXES


def is_row_number(name: str) -> bool:
    """Tell whether a name says that the column only numbers the rows."""
    return "".join(split_words(name)) in ROW_NUMBERS


class TableNames:
    """The tables of one database, to be recognized in the names of columns.

    Args:
        tables: Names of all tables. Words that all of them share (a common prefix) are ignored.
    """

    def __init__(self, tables: Iterable[str]) -> None:
        self._tables = {t: self._clean(split_words(t)) for t in tables}
        shared = (
            set.intersection(*(set(w) for w in self._tables.values())) if len(self._tables) > 2 else set()
        )
        for table, words in self._tables.items():
            kept = tuple(w for w in words if w not in shared)
            self._tables[table] = kept or words

    @staticmethod
    def _clean(words: tuple[str, ...]) -> tuple[str, ...]:
        kept = tuple(w for w in words if w not in _NOISE)
        return kept or words

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables."""
        return tuple(self._tables)

    def words(self, table: str) -> tuple[str, ...]:
        """Return the telling words of a table's name."""
        return self._tables[table]

    def named_by(self, stem: Sequence[str], table: str) -> float:
        """Return how clearly a stem such as ``owner user`` ends in the name of ``table``: 0 to 1."""
        words = self._tables[table]
        if not stem:
            return 0.0
        tail = tuple(stem[-len(words) :])
        if len(tail) == len(words) and tail[:-1] == words[:-1] and is_same_noun(tail[-1], words[-1]):
            return 1.0
        joined, name = "".join(stem), "".join(words)
        if is_same_noun(joined, name):
            return 1.0
        if any(len(s) >= 4 and joined.endswith(s) and len(stem) == 1 for s in singulars(name)):
            return 0.8
        if len(words) > 1 and len(stem) == 1 and is_same_noun(stem[-1], words[-1]):
            return 0.7
        if len(stem) == 1 and len(joined) >= 4 and any(s.endswith(joined) for s in singulars(name)):
            return 0.6
        if len(words) > 1 and len(stem) == 1 and is_same_noun(stem[0], words[0]):
            return 0.6
        if len(stem) == 1 and len(joined) >= 3 and name.startswith(joined) and len(joined) < len(name) - 1:
            return 0.5
        return 0.0

    def best(self, stem: Sequence[str]) -> dict[str, float]:
        """Return the tables that a stem names, each with how clearly; the longest full name wins."""
        scores = {t: self.named_by(stem, t) for t in self._tables}
        full = [t for t, s in scores.items() if s >= 1.0]
        if full:
            longest = max(len(self._tables[t]) for t in full)
            return {t: 1.0 for t in full if len(self._tables[t]) == longest}
        return {t: s for t, s in scores.items() if s > 0}

    def shares_word(self, name: str, table: str) -> bool:
        """Tell whether a column's name has a word of the table's, or of its root."""
        words = [w for w in split_words(name) if len(w) >= 3]
        return any(is_same_noun(a, b) or _is_same_root(a, b) for a in words for b in self._tables[table])


def _is_same_root(left: str, right: str) -> bool:
    length = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        length += 1
    return length >= 4 and length >= min(len(left), len(right)) - 3
