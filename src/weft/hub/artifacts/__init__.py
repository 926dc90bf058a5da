"""Artifacts: everything runnable of a project in one archive, named by what is in it."""

from weft.hub.artifacts.manifest import Entry, Manifest
from weft.hub.artifacts.packing import Packed, describe_files, inspect, pack, unpack
from weft.hub.artifacts.selection import SourceFile, select_files
from weft.hub.artifacts.tar import Limits

__all__ = [
    "Entry",
    "Limits",
    "Manifest",
    "Packed",
    "SourceFile",
    "describe_files",
    "inspect",
    "pack",
    "select_files",
    "unpack",
]
