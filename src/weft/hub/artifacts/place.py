"""What keeps artifacts, whatever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from weft.core import UserError
from weft.hub.artifacts.packing import Packed
from weft.hub.artifacts.references import Reference


@dataclass(frozen=True)
class Listed:
    """A tag, and the digest that it points to now."""

    name: str
    tag: str
    digest: str
    size_bytes: int


class Place(Protocol):
    """What keeps artifacts. Content is checked against its digest on its way in and out."""

    def push(self, packed: Packed, name: str, tags: Sequence[str]) -> None:
        """Keep an archive under its digest, then let ``tags`` point to it."""

    def find(self, reference: Reference) -> str:
        """Return the digest of an artifact.

        Raises:
            UserError: ``APP050`` when there is none.
        """

    def fetch(self, reference: Reference, target: Path) -> str:
        """Write the archive of an artifact to ``target`` and return the artifact's digest.

        Raises:
            UserError: ``APP050`` when there is none.
        """

    def list(self, name: str | None = None) -> tuple[Listed, ...]:
        """Return the tags of one artifact or of all, in order."""


def missing(reference: Reference, where: str, tags: Sequence[str]) -> UserError:
    """Make the error for an artifact that is not there."""
    hint = f"its tags are {', '.join(sorted(tags))}." if tags else "upload it with weft artifact upload."
    return UserError("APP050", f"there is no artifact {reference} at {where}.", hint)
