"""Tables: sharded dicts and sets whose every change is also a record in a changelog topic."""

from faust_core.tables.options import GlobalTableOptions, SetTableOptions, TableOptions
from faust_core.tables.replicated import GlobalTable
from faust_core.tables.sets import SetGlobalTable, SetTable
from faust_core.tables.table import Table

__all__ = [
    "GlobalTable",
    "GlobalTableOptions",
    "SetGlobalTable",
    "SetTable",
    "SetTableOptions",
    "Table",
    "TableOptions",
]
