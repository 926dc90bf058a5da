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
    "NAME": "a unit such as days",
    "NUMBER": "a number",
    "LPAR": "'('",
    "RPAR": "')'",
    "COMMA": "','",
    "VIA_COMMA": "','",
    "$END": "the end of the query",
}
_ORDER = (
    *("PREDICT", "TOP", "TIMEFRAMES", "COLUMN", "VALUE", "CONSTANT", "NUMBER", "NAME", "TEST", "EQUAL", "IN"),
    *("NULL", "LPAR", "COMMA", "RPAR", "WITH", "VIA", "AND", "OR", "CLASSIFY", "RANK", "FORECAST", "FOR"),
    *("EACH", "WHERE", "ASSUMING", "$END"),
)
_CONSTANT = {"TEXT", "TIME", "TRUE", "FALSE", "NULL", "INFINITY", "NUMBER", "MINUS"}
_TESTS = {"EQUAL", "UNEQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"}
_GROUPS = (
    ({"COLUMN", "NAME", "NUMBER"}, _CONSTANT | {"COLUMN", "NAME", "LPAR", "EXISTS", "NOT"}, "VALUE"),
    ({"TEXT", "NUMBER"}, _CONSTANT, "CONSTANT"),
    (_TESTS, _TESTS | {"BETWEEN", "IN", "IS", "TEXT_TEST", "SIDE", "NOT"}, "TEST"),
    ({"NUMBER"}, {"NUMBER", "INFINITY", "MINUS"}, "NUMBER"),
)
_FAMILIES = {
    "VALUE": "a column, an aggregate or a constant",
    "CONSTANT": "a constant",
    "TEST": "a comparison such as > 0",
    "EQUAL": "=",
}
_KEYWORDS = (
    *("EXPLAIN", "EVALUATE", "PREDICT", "CLASSIFY", "RANK", "TOP", "FORECAST", "TIMEFRAMES", "FOR", "EACH"),
    *("WHERE", "ASSUMING", "VIA", "EXISTS", "BETWEEN", "WITH", "IS", "IN", "NOT", "AND", "OR"),
    *("NULL", "TRUE", "FALSE"),
)
_QUOTES = {"'": "a text", '"': "a text", "`": "a name"}


def explain_token(text: str, error: Any) -> UserError:
    """Make the error for a word or sign that cannot stand where it stands."""
    token = error.token
    expected = _accepted(error)
    wanted = _phrase(expected)
    if token.type == "$END":
        before = text.rstrip()
        span = Span(len(before), len(before))
        found = "the query ends too early" if before else "the query is empty"
        hint = f"continue with {wanted}."
    else:
        before = text[: token.start_pos].rstrip()
        span = Span(token.start_pos, token.end_pos)
        found = f"'{_shorten(token)}' cannot stand here"
        hint = f"write {wanted} before '{_shorten(token)}', or remove it."
        if wanted == _WORDS["$END"]:
            hint = f"remove '{_shorten(token)}'."
    hint = _guess(before, token, expected) or hint
    return fault("PQL001", text, span, f"{found}; expected {wanted}.", hint)


def explain_character(text: str, position: int) -> UserError:
    """Make the error for a character with which nothing in the language begins."""
    char = text[position]
    if char in _QUOTES:
        return fault(
            "PQL002",
            text,
            Span(position, len(text)),
            f"{_QUOTES[char]} that starts with {char} does not end.",
            f"end it with {char}; a {char} inside is written twice.",
        )
    hint = "remove it."
    if char in "‘’“”´":
        hint = "write quotes as ' or \"."
    elif char in "–—−":
        hint = "write a minus as -."
    elif char == ".":
        hint = "put a name that holds a dot in back-quotes, and quote names only so: `my.table`.`my column`."
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
    left = expected - {"SEMICOLON", "PLUS", "STAR", "SLASH"}
    if "NUMBER" not in left:
        left.discard("MINUS")
    if "PREDICT" in left:
        left = {"PREDICT"}
    names = []
    for needed, family, name in _GROUPS:
        if needed <= left:
            left -= family
            names.append(name)
    names += left
    names.sort(key=lambda n: _ORDER.index(n) if n in _ORDER else 0)
    words = list(dict.fromkeys(_FAMILIES.get(n) or _WORDS.get(n, n) for n in names))
    if len(words) < 2:
        return words[0] if words else "nothing more"
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _guess(before: str, token: Any, expected: set[str]) -> str:
    """Return the most likely remedy, or nothing."""
    if token.type == "STAR" and before.endswith("("):
        return "name the table whose rows count, as in COUNT(orders.*, 0, 30, days)."
    keyword = _closest_keyword(str(token), expected)
    if keyword:
        return f"did you mean {keyword}?"
    return (
        _guess_parenthesis(before, token, expected)
        or _guess_name(before, token, expected)
        or _guess_comparison(before, token, expected)
    )


def _guess_parenthesis(before: str, token: Any, expected: set[str]) -> str:
    num_open = before.count("(") - before.count(")")
    if token.type == "RPAR" and num_open <= 0:
        return "remove ')': no '(' is open here."
    if "RPAR" in expected and token.type in ("$END", "FOR", "CLASSIFY", "RANK", "FORECAST") and num_open > 0:
        return "close the open '(' with ')'."
    return ""


def _guess_name(before: str, token: Any, expected: set[str]) -> str:
    last = re.search(r"(\w+)$", before)
    if expected == {"LPAR"} and last:
        keyword = _closest_keyword(last[1], set(_KEYWORDS))
        if keyword:
            return f"did you mean {keyword}?"
        return (
            "write a column as table.column, an aggregate with '(' after its name, and a name that is not a "
            "plain word in back-quotes."
        )
    if before.endswith("-") and token.type != "$END":
        return f"a minus stands only before a number; write 0 - {_shorten(token)}."
    if token.type == "NAME" and "COLUMN" in expected:
        return "write a column with its table, as in orders.amount."
    return ""


def _guess_comparison(before: str, token: Any, expected: set[str]) -> str:
    if before.endswith("=") and token.type in ("GREATER", "LESS"):
        return "write 'at least' as >= and 'at most' as <=."
    if token.type in _TESTS and "AND" in expected:
        return "join comparisons with AND, or use BETWEEN."
    if "FOR" in expected and token.type in ("$END", "WHERE", "ASSUMING"):
        return "say for whom to predict: FOR EACH table.key."
    if "PREDICT" in expected:
        return "start with PREDICT, as in PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id."
    return ""


def _closest_keyword(word: str, expected: set[str]) -> str:
    options = [k for k in _KEYWORDS if k in expected]
    if "TEXT_TEST" in expected:
        options += ["LIKE", "CONTAINS", "STARTS WITH", "ENDS WITH"]
    if "MODE" in expected:
        options += ["EXPLAIN", "EVALUATE"]
    found = difflib.get_close_matches(word.upper(), options, n=1, cutoff=0.6) if word.isalpha() else []
    return found[0] if found else ""


def _shorten(token: Any) -> str:
    shown = " ".join(str(token).split())
    return shown if len(shown) <= 40 else shown[:39] + "…"
