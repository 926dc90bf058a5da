"""Write a table where others read it: files and databases, all of it or nothing."""

from weft.data.export.target import Exported, export_frame

__all__ = ["Exported", "export_frame"]
