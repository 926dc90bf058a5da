"""New projects: a folder with a working example, ready to be built and run."""

from __future__ import annotations

import re
from pathlib import Path

from weft.core import UnavailableError, UserError

TEMPLATES = ("train", "schedule", "distributed")
_FOLDER = Path(__file__).with_name("templates")
_SUFFIX = ".tmpl"


def create_project(folder: str | Path, *, template: str = "train") -> tuple[Path, ...]:
    """Write a working example into a new folder; the project has the folder's name.

    Args:
        folder: Made; it may be there if it is empty.
        template: ``train`` fits and registers a model, ``schedule`` answers a predictive query again and
            again, ``distributed`` trains with two workers.

    Returns:
        The files that were written, in order.

    Raises:
        UserError: ``APP037`` for a name that cannot be one, ``APP038`` when there is something already,
            ``APP039`` for an unknown template.
    """
    target = Path(folder).absolute()
    name = target.name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}", name):
        raise UserError(
            "APP037", f"'{name}' cannot name a project.", "use letters, digits, '_', '.' and '-'."
        )
    if template not in TEMPLATES:
        raise UserError(
            "APP039", f"there is no template '{template}'.", f"choose one of: {', '.join(TEMPLATES)}."
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError("APP038", f"{target} is there already.", "choose another name, or empty the folder.")
    written = []
    source = _FOLDER / template
    try:
        for path in sorted(p for p in source.rglob(f"*{_SUFFIX}") if p.is_file()):
            made = target / path.relative_to(source).with_suffix("")
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text(path.read_text(encoding="utf-8").replace("{{name}}", name), encoding="utf-8")
            written.append(made)
    except OSError as error:
        raise UnavailableError(
            "DATA114", f"{target} cannot be written: {error.strerror}.", "choose another place."
        ) from error
    return tuple(written)
