"""Sending on what a stream hands out: records that know their topic, key and partition."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from faust_core._context import current_claim
from faust_core.claims import Claim
from faust_core.engine.repartition import Mover
from faust_core.errors import BufferFull
from faust_core.protocols.transport import Producer
from faust_core.stream import Stream

__all__ = ["Forwarder"]

#: After so many records of one item others get their turn: it may be for very many.
TURN = 1_000


class Forwarder(Mover):
    """Sends `(topic, key, value, partition)` of each item's records.

    An item is done when all of them are queued.
    """

    def __init__(
        self,
        stream: Stream[Any],
        producer: Producer,
        on_error: Callable[[list[Claim], Exception, str], Awaitable[None]],
    ) -> None:
        super().__init__(f"{stream.owner} → answers", producer, on_error)
        self._stream = stream

    async def move(self) -> None:
        async for records in self._stream:
            claim = current_claim.get()
            assert claim is not None, "inside an iteration"
            at_ms = claim.timestamp_ms
            producer = self._producer
            for number, (topic, key, value, partition) in enumerate(records, 1):
                while True:
                    try:
                        producer.send(topic, value, key, partition, at_ms)
                    except BufferFull:
                        await producer.drain()
                    else:
                        break
                if number % TURN == 0:
                    await asyncio.sleep(0)
