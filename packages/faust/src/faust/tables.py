"""Tables of all kinds."""

from faust._missing import pointing
from faust_core.tables import GlobalTable, SetGlobalTable, SetTable, Table
from faust_core.tables import Table as Collection
from faust_core.tables import Table as CollectionT
from faust_core.tables import Table as TableT
from faust_core.windows import WindowedTable, WindowSet
from faust_core.windows import WindowedTable as WindowWrapper

__all__ = [
    "Collection",
    "CollectionT",
    "GlobalTable",
    "SetGlobalTable",
    "SetTable",
    "Table",
    "TableT",
    "WindowSet",
    "WindowWrapper",
    "WindowedTable",
]

__getattr__ = pointing(
    "faust.tables",
    {"TableManager": "app.tables is a dict by name", "TableManagerT": "app.tables is a dict by name"},
)
