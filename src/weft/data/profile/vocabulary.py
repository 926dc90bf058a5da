"""Word lists as text, so that they can be read and extended."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """Return the words of ``text``.

    Example:
        >>> sorted(word_set("id key"))
        ['id', 'key']
    """
    return frozenset(text.split())
