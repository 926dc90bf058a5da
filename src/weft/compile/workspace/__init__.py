"""Workspaces: a Jupyter server as the program of a node."""

from weft.compile.workspace.program import ADDRESS_FILE, serve
from weft.compile.workspace.server import Address, JupyterServer

__all__ = ["ADDRESS_FILE", "Address", "JupyterServer", "serve"]
