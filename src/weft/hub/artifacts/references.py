"""How artifacts are called: ``name``, ``name:tag`` or ``name@sha256:digest``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from weft.core import UserError

LATEST = "latest"
_NAME = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OF_DIGEST = re.compile(r"sha256-[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """Which artifact is meant: by a tag, which may move, or by its digest, which may not.

    Attributes:
        name: Of the artifact.
        tag: Empty when ``digest`` is given.
        digest: Empty when ``tag`` is given.
    """

    name: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.name}@sha256:{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def parse_reference(text: str) -> Reference:
    """Read ``name``, ``name:tag`` or ``name@sha256:digest``; without either the tag is ``latest``.

    Raises:
        UserError: ``APP049`` when it is none of these.

    Example:
        >>> parse_reference("team/churn:v2")
        Reference(name='team/churn', tag='v2', digest='')
    """
    name, at, digest = text.partition("@sha256:")
    name, colon, tag = name.partition(":") if not at else (name, "", "")
    is_sound = len(name) <= 200 and _NAME.fullmatch(name)
    if not is_sound or (at and not _DIGEST.fullmatch(digest)) or (colon and not is_tag(tag)):
        raise UserError(
            "APP049",
            f"'{text[:300]}' is not the name of an artifact.",
            "write name:tag or name@sha256:digest, the name in lower case, such as churn:2026-11.",
        )
    return Reference(name, "" if at else tag or LATEST, digest)


def is_tag(text: str) -> bool:
    """Return whether ``text`` may be a tag; one that looks like a digest may not, since tags move."""
    return bool(_TAG.fullmatch(text)) and not _OF_DIGEST.fullmatch(text)
