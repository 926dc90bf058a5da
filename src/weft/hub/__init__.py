"""What was made: runs, models, data sets, applications and where they came from, in one database."""

from weft.hub.hub import Hub
from weft.hub.models import LOWER_IS_BETTER, TEST_ROWS
from weft.hub.openlineage import Subject, run_event, telling
from weft.hub.owner import this_user
from weft.hub.published import About
from weft.hub.records import AliasAction, AliasChange, Edge, Kind, Published, RunRecord, RunState
from weft.hub.references import Reference
from weft.hub.sink import FileSink, HttpSink, Sink, open_sink
from weft.hub.trace import Direction, Trace

__all__ = [
    "LOWER_IS_BETTER",
    "TEST_ROWS",
    "About",
    "AliasAction",
    "AliasChange",
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
    "open_sink",
    "run_event",
    "telling",
    "this_user",
]
