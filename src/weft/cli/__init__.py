"""The command line: ``weft …``."""

from weft.cli.app import command_help, main

__all__ = ["command_help", "main"]
