"""What was made: runs, models, data sets, applications and where they came from, in one database."""

from weft.hub.copying import Copied, copy_published, lay_out_files, safe_name
from weft.hub.hub import Hub
from weft.hub.models import LOWER_IS_BETTER, TEST_ROWS
from weft.hub.openlineage import Subject, run_event, telling
from weft.hub.owner import this_user
from weft.hub.published import About
from weft.hub.records import AliasAction, AliasChange, Edge, Kind, Published, RunRecord, RunState
from weft.hub.references import Reference, read_kind
from weft.hub.sink import FileSink, HttpSink, Sink, open_sink
from weft.hub.trace import Direction, Trace

__all__ = [
    "LOWER_IS_BETTER",
    "TEST_ROWS",
    "About",
    "AliasAction",
    "AliasChange",
    "Copied",
    "Direction",
    "Edge",
    "FileSink",
    "HttpSink",
    "Hub",
    "Kind",
    "Published",
    "Reference",
    "RunRecord",
    "RunState",
    "Sink",
    "Subject",
    "Trace",
    "copy_published",
    "lay_out_files",
    "open_sink",
    "read_kind",
    "run_event",
    "safe_name",
    "telling",
    "this_user",
]
