"""Attempts on the machines of a Ray cluster."""

from weft.flow.backends.ray.backend import RayBackend
from weft.flow.backends.ray.settings import RaySettings

__all__ = ["RayBackend", "RaySettings"]
