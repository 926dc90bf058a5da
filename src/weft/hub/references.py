"""How versions are named: ``churn``, ``churn:3``, ``churn@champion``, ``dataset:shop@latest``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from weft.core import UserError
from weft.hub.records import Kind

LATEST = "latest"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Reference:
    """A version as it is asked for: a number, an alias, or ``latest``."""

    name: str
    selector: str = LATEST
    kind: Kind | None = None

    @staticmethod
    def parse(text: str, kind: Kind | str | None = None) -> Reference:
        """Read ``name``, ``name@selector`` or ``name:version``; without ``kind`` also ``kind:name…``.

        Example:
            >>> Reference.parse("dataset:shop@3")
            Reference(name='shop', selector='3', kind=<Kind.DATASET: 'dataset'>)
            >>> Reference.parse("churn:3", Kind.MODEL).selector
            '3'
        """
        found = None if kind is None else read_kind(kind)
        head, _, rest = text.partition(":")
        if found is None and head in list(Kind) and rest and not rest.isdecimal():
            found, text = Kind(head), rest
        name, _, selector = text.partition("@")
        if not selector:
            name, _, selector = name.partition(":")
        return Reference(name, selector or LATEST, found)


def read_kind(kind: Kind | str) -> Kind:
    """Return the kind of a name.

    Raises:
        UserError: ``HUB002`` when there is no such kind.
    """
    try:
        return Kind(kind)
    except ValueError:
        raise UserError(
            "HUB002", f"'{kind}' is nothing that can be published.", f"choose {', '.join(Kind)}."
        ) from None


def check_name(word: str) -> None:
    """Refuse what cannot be a name in the hub.

    Raises:
        UserError: ``FLOW061``.
    """
    if not _WORD.fullmatch(word):
        raise UserError(
            "FLOW061",
            f"'{word}' cannot name a model, a data set, an application or an alias.",
            "use up to 80 letters, digits, '.', '_' and '-', a letter or digit first.",
        )


def check_alias(word: str) -> None:
    """Refuse what cannot be an alias: it must not be taken for a version.

    Raises:
        UserError: ``FLOW061`` for a name that cannot be one, ``HUB005`` for a number and for ``latest``.
    """
    check_name(word)
    if word.isdecimal() or word == LATEST:
        raise UserError(
            "HUB005",
            f"'{word}' cannot be an alias: it already means a version.",
            "choose a word, such as champion.",
        )
