"""Windows: which spans of time an event belongs to, and tables that are split by them.

On the wire a window is `[start, end]` in epoch seconds, and a windowed table's key is `[key, [start, end]]`.
"""

from faust_core.windows.closed import ClosedWindows
from faust_core.windows.kinds import (
    HoppingWindow,
    SessionWindow,
    SlidingWindow,
    TumblingWindow,
    Window,
    WindowRange,
)
from faust_core.windows.partition import WindowedPartition
from faust_core.windows.spans import SessionTable, SlidingTable
from faust_core.windows.table import LateEvent, WindowedTable, split
from faust_core.windows.views import WindowedView, WindowSet

__all__ = [
    "ClosedWindows",
    "HoppingWindow",
    "LateEvent",
    "SessionTable",
    "SessionWindow",
    "SlidingTable",
    "SlidingWindow",
    "TumblingWindow",
    "Window",
    "WindowRange",
    "WindowSet",
    "WindowedPartition",
    "WindowedTable",
    "WindowedView",
    "split",
]
