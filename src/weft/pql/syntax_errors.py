"""What to say when the text is not a statement: what stands there, what may stand there, and a guess."""

from __future__ import annotations

import difflib
import re
from typing import Any

from weft.core import UserError
from weft.pql.faults import fault
from weft.pql.query import Span

_WORDS = {
    "COLUMN": "a column (table.column)",
    "NAME": "an aggregate such as COUNT(table.*, 0, 30, days)",
    "TEXT_TEST": "LIKE, CONTAINS, STARTS WITH or ENDS WITH",
    "TIMEFRAMES": "TIMEFRAMES",
    "NUMBER": "a number",
    "TEXT": "a text in quotes",
    "TIME": "a date",
    "LPAR": "'('",
    "RPAR": "')'",
    "COMMA": "','",
    "VIA_COMMA": "','",
    "EQUAL": "'='",
    "$END": "the end of the query",
}
_VALUE = {"COLUMN", "NAME", "NUMBER", "MINUS", "LPAR"}
_CONSTANT = {"TEXT", "TIME", "TRUE", "FALSE", "NULL", "INFINITY"}
_COMPARISONS = {"EQUAL", "UNEQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"}
_OPERATORS = {"PLUS", "MINUS", "STAR", "SLASH"}
_GROUPS = (
    (_VALUE, _VALUE | _CONSTANT | {"EXISTS"}, "a column, an aggregate or a constant"),
    (_CONSTANT | {"NUMBER"}, _CONSTANT | {"NUMBER", "MINUS"}, "a constant"),
    (_COMPARISONS, _COMPARISONS | _OPERATORS, "a comparison such as > 0"),
    ({"NUMBER", "INFINITY"}, {"NUMBER", "INFINITY", "MINUS"}, "a number"),
)
_KEYWORDS = (
    *("EXPLAIN", "EVALUATE", "PREDICT", "CLASSIFY", "RANK", "TOP", "FORECAST", "TIMEFRAMES", "FOR", "EACH"),
    *(
        "WHERE",
        "ASSUMING",
        "VIA",
        "EXISTS",
        "BETWEEN",
        "IS",
        "IN",
        "NOT",
        "AND",
        "OR",
        "NULL",
        "TRUE",
        "FALSE",
    ),
)
_QUOTES = {"'": "a text", '"': "a text", "`": "a name"}


def explain_token(text: str, error: Any) -> UserError:
    """Make the error for a word or sign that cannot stand where it stands."""
    token = error.token
    expected = _accepted(error)
    if token.type == "$END":
        span = Span(len(text.rstrip()), len(text.rstrip()))
        found = "the query is empty" if not text.strip() else "the query ends too early"
    else:
        span = Span(token.start_pos, token.end_pos)
        found = f"'{_shorten(token)}' cannot stand here"
    wanted = _phrase(expected)
    hint = _guess(text, token, expected) or f"write {wanted} here."
    return fault("PQL001", text, span, f"{found}; expected {wanted}.", hint)


def explain_character(text: str, position: int) -> UserError:
    """Make the error for a character with which nothing in the language begins."""
    char = text[position]
    if char in _QUOTES:
        return fault(
            "PQL002",
            text,
            Span(position, len(text)),
            f"{_QUOTES[char]} that starts with {char} does not end, or is empty.",
            f"end it with {char}; a {char} inside is written twice.",
        )
    hint = "remove it."
    if char in "‘’“”´":
        hint = "write quotes as ' or \"."
    elif char in "–—−":
        hint = "write a minus as -."
    elif not char.isascii() or char in "$@[]":
        hint = "put names that are not plain words in back-quotes, as in `my table`.`my column`."
    elif char in "!":
        hint = "write != for 'not equal', and NOT before a condition."
    return fault(
        "PQL003", text, Span(position, position + 1), f"the character '{char}' means nothing here.", hint
    )


def _accepted(error: Any) -> set[str]:
    parser = getattr(error, "interactive_parser", None)
    if parser is not None:
        return set(parser.accepts())
    return set(error.expected or ())


def _phrase(expected: set[str]) -> str:
    """Put the expected terminals into words, whole families by one."""
    left = set(expected) - {"SEMICOLON"}
    words = []
    for needed, family, name in _GROUPS:
        if needed <= left:
            left -= family
            words.append(name)
    left -= _OPERATORS if words else {"MINUS"}
    if "MODE" in left:
        left = {"PREDICT"}
    words += sorted({_WORDS.get(name, name) for name in left}, key=lambda w: (w == _WORDS["$END"], w))
    if len(words) < 2:
        return words[0] if words else "nothing more"
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _guess(text: str, token: Any, expected: set[str]) -> str:
    """Return the most likely remedy, or nothing."""
    before = text[: token.start_pos].rstrip() if token.type != "$END" else text.rstrip()
    if token.type == "STAR" and before.endswith("("):
        return "name the table whose rows count, as in COUNT(orders.*, 0, 30, days)."
    word = str(token) if token.type != "$END" else ""
    keyword = _closest_keyword(word, expected)
    if keyword:
        return f"did you mean {keyword}?"
    return _guess_name(before, token, expected) or _guess_clause(expected, token)


def _guess_name(before: str, token: Any, expected: set[str]) -> str:
    last = re.search(r"(\w+)$", before)
    if token.type != "LPAR" and expected == {"LPAR"} and last:
        keyword = _closest_keyword(last[1], set(_KEYWORDS))
        extra = f"did you mean {keyword}? Otherwise " if keyword else ""
        return f"{extra}write a column as table.column, and an aggregate with '(' after its name."
    if token.type == "NAME" and "COLUMN" in expected:
        return "write a column with its table, as in orders.amount."
    if str(token).startswith("."):
        return "write a name that holds a dot in back-quotes, as in `my.table`.column."
    return ""


def _guess_clause(expected: set[str], token: Any) -> str:
    if "FOR" in expected:
        return "say for whom to predict: FOR EACH table.key."
    if "PREDICT" in expected:
        return "start with PREDICT, as in PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id."
    if token.type == "EQUAL" and expected & {"NUMBER"}:
        return "write 'at least' as >=, 'at most' as <= and 'not equal' as !=."
    return ""


def _closest_keyword(word: str, expected: set[str]) -> str:
    options = [k for k in _KEYWORDS if k in expected]
    if "TEXT_TEST" in expected:
        options += ["LIKE", "CONTAINS", "STARTS WITH", "ENDS WITH"]
    if "MODE" in expected:
        options += ["EXPLAIN", "EVALUATE"]
    found = difflib.get_close_matches(word.upper(), options, n=1, cutoff=0.7) if word.isalpha() else []
    return found[0] if found else ""


def _shorten(token: Any) -> str:
    shown = " ".join(str(token).split())
    return shown if len(shown) <= 40 else shown[:39] + "…"
