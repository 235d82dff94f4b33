"""Tables of all kinds."""

from faust_core.tables import GlobalTable, SetGlobalTable, SetTable, Table
from faust_core.windows import WindowedTable, WindowSet

__all__ = ["GlobalTable", "SetGlobalTable", "SetTable", "Table", "WindowSet", "WindowedTable"]
