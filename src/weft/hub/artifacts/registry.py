"""Artifacts in a registry of the Open Container Initiative, by its distribution interface.

An artifact is a manifest with one layer, the archive. The manifest holds no time, so that the same
artifact is the same manifest. A tag of the form ``sha256-<digest>`` finds it by the artifact's own digest.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode, urljoin, urlsplit

from weft.core import UnavailableError, UserError, digest_bytes
from weft.flow.faults import coded
from weft.hub.artifacts.credentials import find_credentials
from weft.hub.artifacts.packing import Packed, check_digest
from weft.hub.artifacts.place import Listed, missing
from weft.hub.artifacts.references import Reference
from weft.hub.artifacts.web import Answer, Patience, Web, is_loopback

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT = "application/vnd.weft.artifact.v1"
CONFIG = "application/vnd.weft.artifact.config.v1+json"
LAYER = "application/vnd.weft.artifact.layer.v1.tar"
_DIGEST_NOTE = "weft.artifact.digest"
_MOST_MANIFEST_BYTES = 4 << 20
_READ_BYTES = 1 << 20
_OF_DIGEST = re.compile(r"sha256-[0-9a-f]{64}")


class Registry:
    """Artifacts in a registry.

    Args:
        host: Of the registry, with its port when it has one.
        prefix: Path that stands before each artifact's name.
        is_plain: Speak without TLS; done anyway when the host is this machine.
        patience: How long to try.
        chunk_bytes: Larger archives are sent in parts of this size, and go on where a part was lost.
    """

    def __init__(
        self,
        host: str,
        prefix: str = "",
        *,
        is_plain: bool = False,
        patience: Patience | None = None,
        chunk_bytes: int = 32 << 20,
    ) -> None:
        if not host:
            raise UserError("APP051", "the address names no registry.", "write oci://host/path.")
        scheme = "http" if is_plain or is_loopback(host) else "https"
        self._web = Web(f"{scheme}://{host}", find_credentials(host), patience or Patience())
        self._prefix = prefix
        self._chunk_bytes = chunk_bytes

    def push(self, packed: Packed, name: str, tags: Sequence[str]) -> None:
        """Keep an archive under its digest, then let ``tags`` point to it."""
        repository = self._repository(name)
        config = _json({"digest": packed.digest, "num_files": len(packed.manifest.entries)})
        layer = _Source.of_file(packed.path, packed.archive_digest, packed.size_bytes)
        for source in (_Source.of_bytes(config), layer):
            self._upload(repository, source)
        manifest = _manifest(packed.digest, config, layer)
        for tag in (f"sha256-{packed.digest}", *tags):
            headers = {"Content-Type": MANIFEST}
            with self._web.send(
                "PUT", f"{repository}/manifests/{tag}", headers=headers, body=manifest
            ) as answer:
                self._expect(answer, 201)
                kept = answer.headers.get("Docker-Content-Digest", "").removeprefix("sha256:")
                check_digest(kept or digest_bytes(manifest), digest_bytes(manifest), self._web.host)

    def find(self, reference: Reference) -> str:
        """Return the digest of an artifact."""
        return self._described(reference)[0]

    def fetch(self, reference: Reference, target: Path) -> str:
        """Write the archive of an artifact to ``target`` and return the artifact's digest."""
        digest, layer = self._described(reference)
        url = f"{self._repository(reference.name)}/blobs/sha256:{layer['digest']}"
        tries = self._web.patience.tries
        for failures in range(1, tries + 1):
            try:
                with coded(str(target)), self._web.send("GET", url) as answer:
                    self._expect(answer, 200)
                    found = _write(answer, target, layer["size"])
                check_digest(found, layer["digest"], self._web.host)
                break
            except (UnavailableError, UserError) as error:
                if failures == tries or error.code not in ("APP048", "APP053"):
                    raise
                self._web.patience.wait(failures)
        return digest

    def list(self, name: str | None = None) -> tuple[Listed, ...]:
        """Return the tags of one artifact, in order."""
        if name is None:
            raise UserError(
                "APP051", f"{self._web.host} does not list all artifacts.", "name the artifact to list."
            )
        found = []
        for tag in sorted(self._tags(name)):
            if not _OF_DIGEST.fullmatch(tag):
                digest, layer = self._described(Reference(name, tag))
                found.append(Listed(name, tag, digest, layer["size"]))
        return tuple(found)

    def _repository(self, name: str) -> str:
        return "/v2/" + "/".join(part for part in (self._prefix, name) if part)

    def _tags(self, name: str) -> Iterator[str]:
        url: str | None = f"{self._repository(name)}/tags/list?n=100"
        while url:
            with self._web.send("GET", url) as answer:
                if answer.status == 404:
                    return
                self._expect(answer, 200)
                try:
                    yield from json.loads(answer.read(_MOST_MANIFEST_BYTES)).get("tags") or ()
                except (ValueError, AttributeError):
                    raise self._web.unreachable("its list of tags is no JSON") from None
                match = re.match(r"<([^>]+)>", answer.headers.get("Link", ""))
                url = urljoin(answer.url, match[1]) if match else None

    def _described(self, reference: Reference) -> tuple[str, dict[str, Any]]:
        """Return the digest of an artifact, and digest and size of its layer."""
        tag = f"sha256-{reference.digest}" if reference.digest else reference.tag
        url = f"{self._repository(reference.name)}/manifests/{tag}"
        with self._web.send("GET", url, headers={"Accept": MANIFEST}) as answer:
            if answer.status == 404:
                tags = [t for t in self._tags(reference.name) if not _OF_DIGEST.fullmatch(t)]
                raise missing(reference, self._web.host, tags)
            self._expect(answer, 200)
            body = answer.read(_MOST_MANIFEST_BYTES)
        digest, layer = _read_manifest(body, str(reference), self._web.host)
        if reference.digest:
            check_digest(digest, reference.digest, self._web.host)
        return digest, layer

    def _upload(self, repository: str, source: _Source) -> None:
        """Send content that is not there yet; a session that breaks down is begun anew."""
        tries = self._web.patience.tries
        for failures in range(1, tries + 1):
            with self._web.send("HEAD", f"{repository}/blobs/sha256:{source.digest}") as answer:
                if answer.status == 200:
                    return
            try:
                self._send(repository, source)
                return
            except UnavailableError:
                if failures == tries:
                    raise
                self._web.patience.wait(failures)

    def _send(self, repository: str, source: _Source) -> None:
        with self._web.send("POST", f"{repository}/blobs/uploads/", body=b"") as answer:
            self._expect(answer, 202)
            location = self._location(answer)
            chunk = max(self._chunk_bytes, int(answer.headers.get("OCI-Chunk-Min-Length") or 0))
        sent = 0
        if source.size > chunk:
            location, sent = self._send_parts(location, source, chunk)
        url = f"{location}{'&' if '?' in location else '?'}{urlencode({'digest': f'sha256:{source.digest}'})}"
        with self._part(url, "PUT", source, sent, source.size) as answer:
            self._expect(answer, 201)

    def _send_parts(self, location: str, source: _Source, chunk: int) -> tuple[str, int]:
        """Send all but the last part; what was lost on the way is sent again from where it broke."""
        sent, failures = 0, 0
        while source.size - sent > chunk:
            try:
                with self._part(location, "PATCH", source, sent, sent + chunk) as answer:
                    self._expect(answer, 202)
                    location, sent, failures = self._location(answer), sent + chunk, 0
            except UnavailableError:
                failures += 1
                if failures == self._web.patience.tries:
                    raise
                self._web.patience.wait(failures)
                location, sent = self._progress(location)
        return location, sent

    def _part(self, url: str, method: str, source: _Source, start: int, stop: int) -> Any:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(stop - start)}
        if method == "PATCH":
            headers["Content-Range"] = f"{start}-{stop - 1}"
        return self._web.send(method, url, headers=headers, body=lambda: source.open(start, stop), tries=1)

    def _progress(self, location: str) -> tuple[str, int]:
        with self._web.send("GET", location) as answer:
            self._expect(answer, 204)
            match = re.search(r"(\d+)-(\d+)$", answer.headers.get("Range", ""))
            # A registry says 0-0 both of one byte and of none; parts of one byte are not sent.
            sent = int(match[2]) + 1 if match and match[2] != "0" else 0
            return self._location(answer), sent

    def _location(self, answer: Answer) -> str:
        return urljoin(answer.url, answer.headers.get("Location") or urlsplit(answer.url).path)

    def _expect(self, answer: Answer, status: int) -> None:
        if answer.status != status:
            words = answer.read(300).decode(errors="replace").strip()
            raise self._web.unreachable(f"it answered {answer.status} {ascii(words)[1:-1]}")


class _Source:
    """Content that can be read from any place, as often as is needed."""

    def __init__(self, digest: str, size: int, data: bytes | None, path: Path | None) -> None:
        self.digest = digest
        self.size = size
        self._data = data
        self._path = path

    @classmethod
    def of_bytes(cls, data: bytes) -> _Source:
        return cls(digest_bytes(data), len(data), data, None)

    @classmethod
    def of_file(cls, path: Path, digest: str, size: int) -> _Source:
        return cls(digest, size, None, path)

    def open(self, start: int, stop: int) -> BinaryIO:
        if self._data is not None:
            return io.BytesIO(self._data[start:stop])
        assert self._path is not None
        file = open(self._path, "rb")  # noqa: SIM115 - closed with the slice
        file.seek(start)
        return _Slice(file, stop - start)


class _Slice(io.BufferedIOBase, BinaryIO):
    """A part of a file, which ends where the part does."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        data = self._file.read(wanted)
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._file.close()


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _manifest(digest: str, config: bytes, layer: _Source) -> bytes:
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": ARTIFACT,
            "config": _descriptor(CONFIG, digest_bytes(config), len(config)),
            "layers": [_descriptor(LAYER, layer.digest, layer.size)],
            "annotations": {_DIGEST_NOTE: f"sha256:{digest}"},
        }
    )


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": size}


def _read_manifest(body: bytes, name: str, host: str) -> tuple[str, dict[str, Any]]:
    try:
        manifest = json.loads(body)
        digest = re.fullmatch(r"sha256:([0-9a-f]{64})", manifest["annotations"][_DIGEST_NOTE])
        (layer,) = manifest["layers"]
        content = re.fullmatch(r"sha256:([0-9a-f]{64})", layer["digest"])
        if not digest or not content or layer["mediaType"] != LAYER or not isinstance(layer["size"], int):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise UserError(
            "APP045",
            f"{name} at {host} is not a whole artifact: no artifact of Weft lies there.",
            "choose a name and tag that weft artifact upload made.",
        ) from None
    return digest[1], {"digest": content[1], "size": layer["size"]}


def _write(answer: Answer, target: Path, size: int) -> str:
    """Write what is answered to a file, one byte past ``size`` at most; return its SHA-256."""
    sha, left = hashlib.sha256(), size + 1
    with open(target, "wb") as file:
        while left and (chunk := answer.read(min(left, _READ_BYTES))):
            sha.update(chunk)
            file.write(chunk)
            left -= len(chunk)
    return sha.hexdigest()
