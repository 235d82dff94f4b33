"""A producer that tells of each record before it is sent: the signal `on_produce_message`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from faust_core.errors import BufferFull
from faust_core.protocols.transport import OnDelivery, Producer, Refusing
from faust_core.records import Headers

__all__ = ["Tell", "TellingProducer"]

#: Called with key, value, partition, timestamp in epoch seconds, and a list of headers that it may change.
Tell = Callable[[bytes | None, bytes | None, int | None, float | None, list[tuple[str, bytes | None]]], None]


class TellingProducer:
    """Hands records to another producer; what it was told of may have more headers then."""

    def __init__(self, inner: Producer, tell: Tell) -> None:
        self._inner = inner
        self._tell = tell
        self._waiting: tuple[Any, Headers] | None = None

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        record = (topic, value, key, partition, timestamp_ms, headers)
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting[0] == record:  # told of already, when there was no room for it
            told = waiting[1]
        else:
            told = self.told(value, key, partition, timestamp_ms, headers)
        try:
            self._inner.send(topic, value, key, partition, timestamp_ms, told or None, on_delivery)
        except BufferFull:
            self._waiting = record, told
            raise

    def told(
        self,
        value: bytes | None,
        key: bytes | None,
        partition: int | None,
        timestamp_ms: int | None,
        headers: Headers | None,
    ) -> Headers:
        """Tell of a record, and return the headers that it shall have."""
        changed = list(headers or ())
        self._tell(key, value, partition, None if timestamp_ms is None else timestamp_ms / 1000, changed)
        return tuple(changed)

    def refuse(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int | None, headers: Headers | None, /
    ) -> None:
        if isinstance(self._inner, Refusing):
            self._inner.refuse(topic, value, key, partition, headers)

    async def drain(self) -> None:
        await self._inner.drain()

    async def flush(self) -> None:
        await self._inner.flush()

    async def aclose(self) -> None:
        await self._inner.aclose()


if TYPE_CHECKING:
    _: type[Producer] = TellingProducer
    _refusing: type[Refusing] = TellingProducer
