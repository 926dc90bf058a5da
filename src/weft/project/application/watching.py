"""Whether data changed: a digest of what lies somewhere, found without reading it all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weft.core import UserError, digest_value, missing_extra
from weft.hub import Kind
from weft.project.folder import ProjectFolder
from weft.project.settings import DATASET, resolve_address


def data_digest(project: ProjectFolder, data: str) -> str:
    """Return a digest that changes when data do: names, sizes and times of files, or a data set's version.

    Args:
        project: The project.
        data: A folder or file, relative to the project's folder; an address that fsspec opens; or
            ``dataset:name``. ``${NAME}`` is replaced by the environment variable.

    Raises:
        UserError: ``APP068`` where there is nothing, ``HUB003`` for a data set that there is not.
    """
    place = resolve_address(data, project.folder)
    if place.startswith(DATASET):
        return project.hub.get_published(Kind.DATASET, place.removeprefix(DATASET)).digest
    found = _remote(place) if "://" in place else _local(Path(place))
    if not found:
        raise UserError(
            "APP068", f"there is nothing at {data} to look at.", "name a folder, a file or a data set."
        )
    return digest_value(found)


def watch_data(parameters: Mapping[str, Any]) -> str:
    """Return the digest of the data of a schedule."""
    return data_digest(ProjectFolder(parameters["folder"]), parameters["data"])


def _local(place: Path) -> dict[str, list[Any]]:
    files = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    found = {}
    for path in files:
        name = path.relative_to(place).as_posix() if path != place else path.name
        # What Weft and other tools keep beside the data changes by itself.
        if not any(part.startswith(".") for part in Path(name).parts):
            about = path.stat()
            found[name] = [about.st_size, about.st_mtime_ns]
    return found


def _remote(place: str) -> dict[str, list[Any]]:
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(place)
    except (ImportError, ValueError) as error:
        raise missing_extra(f"data at {place.split('://')[0]}://", str(error), "s3") from error
    files.invalidate_cache()
    marks = ("ETag", "LastModified", "mtime", "updated", "last_modified")
    listed = files.find(root, detail=True)
    return {n: [i.get("size"), *(str(i[m]) for m in marks if m in i)] for n, i in sorted(listed.items())}
