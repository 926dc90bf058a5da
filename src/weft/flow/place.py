"""Where things lie: the address of a store, of its blobs and of its refs."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from weft.core import InvariantError, UnavailableError, UserError, digest_bytes, missing_extra
from weft.flow.files import RemoteFiles

DIGEST = re.compile(r"[0-9a-f]{64}")
# How a blob begins that names others; in canonical JSON this entry comes first.
LINKED = b'{"$links":'
# It would stand in every specification that workers get.
_PASSWORD = re.compile(r"(\w+://)[^/@]*:[^/@]*@")
_EXTRAS = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3"), "gs": ("gcsfs", "gcs"), "gcs": ("gcsfs", "gcs")}


def blob_name(digest: str) -> str:
    """Return where a blob lies below the store's root."""
    if not DIGEST.fullmatch(digest):
        raise InvariantError("FLOW023", f"'{digest}' is not a digest.", "give 64 hexadecimal digits.")
    return f"blobs/{digest[:2]}/{digest[2:]}"


def digest_of(name: str) -> str:
    """Return the digest of the blob that lies at ``name``."""
    return name.removeprefix("blobs/").replace("/", "")


def ref_name(name: str) -> str:
    """Return where a ref lies below the store's root; characters are quoted where they must be."""
    parts = name.split("/")
    if any(p in ("", ".", "..") or len(quote(p, safe="")) > 240 for p in parts):
        raise UserError(
            "FLOW014",
            f"'{name}' cannot be the name of a ref.",
            "write it as words separated by single slashes, such as models/churn/3.",
        )
    return "refs/" + "/".join(quote(p, safe="") for p in parts)


@contextlib.contextmanager
def ref_clash(name: str) -> Iterator[None]:
    """Say in a coded error that a name is taken by a folder, or a folder's by a name."""
    try:
        yield
    except UnavailableError as error:
        if isinstance(error.__cause__, (IsADirectoryError, NotADirectoryError, FileExistsError)):
            raise UserError(
                "FLOW014",
                f"'{name}' cannot be a ref: a part of it is a ref or a folder of refs already.",
                "choose another name.",
            ) from error
        raise


def open_place(url: str, cache: str | Path | None) -> tuple[RemoteFiles | None, Path]:
    """Return the remote files of a store, if it has any, and its folder on this machine."""
    if "://" not in url:
        return None, Path(url).expanduser().absolute()
    if _PASSWORD.match(url):
        shown = _PASSWORD.sub(r"\1***@", url)
        raise UserError(
            "FLOW021",
            f"the address of a store holds a password: {shown}.",
            "leave it out: the place's own client finds it, such as AWS_ACCESS_KEY_ID in the environment.",
        )
    scheme = url.split("://", 1)[0]
    if scheme in ("file", "local"):
        return None, Path(url.split("://", 1)[1]).absolute()
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        package, extra = _EXTRAS.get(scheme, (str(error), scheme))
        raise missing_extra(f"a store at {scheme}://", package, extra) from error
    except ValueError as error:
        raise UserError(
            "FLOW021",
            f"'{url}' is not the address of a store: {error}.",
            "give a folder, or a URL such as s3://bucket/weft.",
        ) from None
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(cache) if cache else base / "weft" / digest_bytes(url.encode())[:16]
    return RemoteFiles(files, root), folder.absolute()
