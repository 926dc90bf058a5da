"""Artifacts: everything runnable of a project in one archive, named by what is in it."""

from weft.hub.artifacts.manifest import Entry, Manifest
from weft.hub.artifacts.packing import Packed, describe_files, inspect, pack, unpack
from weft.hub.artifacts.place import Listed, Place
from weft.hub.artifacts.places import open_artifacts
from weft.hub.artifacts.references import LATEST, Reference, is_tag, parse_reference
from weft.hub.artifacts.registry import Registry
from weft.hub.artifacts.selection import SourceFile, select_files
from weft.hub.artifacts.tar import Limits
from weft.hub.artifacts.web import Patience

__all__ = [
    "LATEST",
    "Entry",
    "Limits",
    "Listed",
    "Manifest",
    "Packed",
    "Patience",
    "Place",
    "Reference",
    "Registry",
    "SourceFile",
    "describe_files",
    "inspect",
    "is_tag",
    "open_artifacts",
    "pack",
    "parse_reference",
    "select_files",
    "unpack",
]
