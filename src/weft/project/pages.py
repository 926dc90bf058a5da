"""Pages written to files."""

from __future__ import annotations

from pathlib import Path

from weft.core import UserError


def write_page(path: str | Path, text: str) -> Path:
    """Write a page to a file whose folder is made when missing.

    Raises:
        UserError: ``DATA125`` when it cannot be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            "DATA125", f"the report cannot be written to {target}: {error.strerror}.", "name another file."
        ) from error
    return target
