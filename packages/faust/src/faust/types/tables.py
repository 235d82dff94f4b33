"""Tables."""

from collections.abc import Awaitable, Callable
from typing import Any

from faust_core.events import Event
from faust_core.tables import GlobalTable as GlobalTableT
from faust_core.tables import Table as CollectionT
from faust_core.tables import Table as TableT
from faust_core.windows import WindowedTable as WindowWrapperT
from faust_core.windows import WindowSet as WindowSetT

__all__ = [
    "ChangelogEventCallback",
    "CollectionT",
    "GlobalTableT",
    "RecoverCallback",
    "TableT",
    "WindowCloseCallback",
    "WindowSetT",
    "WindowWrapperT",
]

RecoverCallback = Callable[[], Awaitable[None] | None]
ChangelogEventCallback = Callable[[Event[Any, Any]], Awaitable[None] | None]
WindowCloseCallback = Callable[[Any, Any], Awaitable[None] | None]
