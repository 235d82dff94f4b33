"""Telling sensors of each look into a table and each change: an overlay that does, where one of them wants to know."""

from __future__ import annotations

import functools
from typing import Any, Protocol

from faust_core.table_overlay import DELETED, Overlay

__all__ = ["TableWatch", "watched"]


class TableWatch(Protocol):
    """Who is told; see `faust_core.sensors.SensorDelegate`."""

    def tell(self, hook: str, /, *args: Any) -> None: ...


@functools.cache
def watched(kind: type[Overlay]) -> type[Overlay]:
    """Return a kind of overlay that tells its table's `watch` of each look and change."""

    class WatchedOverlay(kind):  # type: ignore[misc, valid-type]  # the caller knows which one
        __slots__ = ()

        def get(self, key: Any, default: Any = None) -> Any:
            owner = self._owner
            watch = owner.table.watch
            # Not what a checkpoint under way has in hand: there it is looked, too, and it is one look.
            if watch is not None and owner.dirty is self:
                watch.tell("on_table_get", owner.table, key)
            return super().get(key, default)

        def __setitem__(self, key: Any, value: Any) -> None:
            super().__setitem__(key, value)
            table = self._owner.table
            if table.watch is None:
                return
            if value is DELETED:
                table.watch.tell("on_table_del", table, key)
            else:
                table.watch.tell("on_table_set", table, key, value)

    return WatchedOverlay
