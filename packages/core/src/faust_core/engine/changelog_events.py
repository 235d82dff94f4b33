"""Changelog records as events, for tables that are told of them."""

from __future__ import annotations

import inspect
from typing import Any, cast

from faust_core.claims import Claim
from faust_core.events import Event
from faust_core.records import RecordBatch
from faust_core.table_partition import TablePartition

__all__ = ["tell_changelog_events"]


class _Decoding:
    """Decodes by the table's codec what a topic would by its own."""

    def __init__(self, part: TablePartition) -> None:
        self._codec = part.codec
        self.app = getattr(part.table, "app", None)

    def decode_key(self, data: bytes | None, _claim: Claim, _index: int | None = None) -> Any:
        return None if data is None else self._codec.decode_key(data)

    def decode_value(self, data: bytes | None, _claim: Claim) -> Any:
        return None if data is None else self._codec.decode_value(data)


async def tell_changelog_events(part: TablePartition, batch: RecordBatch, first: int, last: int) -> None:
    """Call the table's `on_changelog_event` with the records `first` … `last - 1`.

    Raises:
        Exception: what it raised, with a note of the record.
    """
    callback = part.table.on_changelog_event
    if callback is None:
        return
    topic = _Decoding(part)
    for index in range(first, last):
        claim = Claim(batch, index, index + 1, cast("Any", None), cast("Any", topic), cast("Any", None))
        try:
            event: Event[Any, Any] = Event(claim, topic.decode_value(batch.values[index], claim))
            result = callback(event)
            if inspect.isawaitable(result):
                await result
        except Exception as exc:
            place = f"{batch.tp} at offset {batch.offsets[index]}"
            exc.add_note(f"in on_changelog_event of table {part.table.name!r}, {place}")
            raise
