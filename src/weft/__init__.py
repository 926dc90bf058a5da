"""Weft: ask a relational database about the future."""

__version__ = "0.1.0"
