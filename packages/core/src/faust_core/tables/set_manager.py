"""Changing the sets of a `SetTable` from anywhere: operations go through a topic to the owner of the key."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from faust_core.errors import DecodeError
from faust_core.table_codec import hashable
from faust_core.topics import Topic

if TYPE_CHECKING:
    from faust_core.tables.sets import SetTable

__all__ = ["SetManager"]

K = TypeVar("K")
E = TypeVar("E")

#: The actions on the wire, and the methods of a set that carry them out.
ACTIONS = {
    "ADD": "update",
    "DISCARD": "difference_update",
    "CLEAR": "clear",
    "UPDATE": "update",
    "DIFFERENCE": "difference_update",
    "INTERSECTION": "intersection_update",
    "SYMDIFF": "symmetric_difference_update",
}


class SetManager(Generic[K, E]):
    """Sends operations on sets; each method returns when the operation is on its way, not when it is done.

    Operations on one key are carried out in the order in which one process sends them.
    """

    def __init__(self, table: SetTable[K, E], topic_name: str) -> None:
        self._table = table
        self.topic: Topic[Any, Any] = Topic(
            table.app,
            topic_name,
            partitions=table.partitions,
            key_serializer="raw",
            value_serializer="json",
            internal=True,
        )

    async def add(self, key: K, member: E) -> None:
        await self._send("ADD", key, [member])

    async def discard(self, key: K, member: E) -> None:
        await self._send("DISCARD", key, [member])

    async def clear(self, key: K) -> None:
        await self._send("CLEAR", key, [])

    async def update(self, key: K, members: Iterable[E]) -> None:
        await self._send("UPDATE", key, members)

    async def difference_update(self, key: K, members: Iterable[E]) -> None:
        await self._send("DIFFERENCE", key, members)

    async def intersection_update(self, key: K, members: Iterable[E]) -> None:
        await self._send("INTERSECTION", key, members)

    async def symmetric_difference_update(self, key: K, members: Iterable[E]) -> None:
        await self._send("SYMDIFF", key, members)

    async def _send(self, action: str, key: K, members: Iterable[E]) -> None:
        codec = self._table.sets
        key_json = codec.prefix(key)[4:-1]
        operation = {
            "action": action,
            "key": json.loads(key_json),
            "members": [json.loads(codec.encode_element(member)) for member in members],
        }
        # As records have it by default, so that the operation goes where the key's events go.
        record_key = key if isinstance(key, bytes) else key.encode() if isinstance(key, str) else key_json
        await self.topic.send(key=record_key, value=operation)

    async def process(self, stream: Any) -> None:
        """Carry operations out: the body of the agent that `start_manager=True` declares.

        Raises:
            DecodeError: what was sent is no operation.
        """
        async for operation in stream:
            try:
                method = ACTIONS[operation["action"]]
                key = hashable(operation["key"])
                members = [self._table.sets.decode_element(json.dumps(m).encode()) for m in operation["members"]]
            except (KeyError, TypeError, ValueError) as exc:
                raise DecodeError(f"{self.topic.name}: {operation!r} is no operation on a set: {exc!r}") from exc
            found = self._table[key]
            getattr(found, method)(*([] if method == "clear" else [members]))
