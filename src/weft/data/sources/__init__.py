"""Where tables come from: one file per connector."""

from weft.data.sources.connectors import connect, url_path
from weft.data.sources.delimited import TextOptions
from weft.data.sources.folder import is_table_file
from weft.data.sources.source import Source

__all__ = ["Source", "TextOptions", "connect", "is_table_file", "url_path"]
