"""Refusing records that the broker would refuse, at the event that sends them.

The broker's refusal comes when the event is long over, and dooms a whole transaction, so that no event can be blamed
and all of them are repeated for ever.  After the first such refusal the worker sends through this.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faust_core.errors import BufferFull, RecordTooLarge, RetriableTransportError, TopicMissing
from faust_core.protocols.transport import Admin, OnDelivery, Producer, Refusing
from faust_core.records import Headers

__all__ = ["CheckedProducer"]

log = logging.getLogger(__name__)

#: The broker counts what a record costs it besides the bytes of its key, value and headers: at most so much.
OVERHEAD = 80
OVERHEAD_PER_HEADER = 10
#: A refusal by what was learnt longer ago than this is looked up once more.
FRESH_S = 5.0
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Limits:
    """What the broker says of a topic; 0 partitions where there is none."""

    partitions: int
    max_bytes: int | None
    known_at: float

    @property
    def old(self) -> bool:
        """Whether it may have changed since."""
        return asyncio.get_running_loop().time() - self.known_at > FRESH_S


class CheckedProducer:
    """A `Producer` that knows the topics' limits and raises where the broker would refuse.

    For the first record of a topic it asks the broker, in `drain`: `send` raises `BufferFull` before.
    """

    def __init__(self, inner: Producer, admin: Admin, knowing: CheckedProducer | None = None) -> None:
        """Args:
        knowing: shares what it has learnt.
        """
        self._inner = inner
        self._admin = admin
        self.limits: dict[str, _Limits] = {} if knowing is None else knowing.limits
        self._asked: set[str] = set()
        self._asking = asyncio.Lock()

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
        limits = self.limits.get(topic)
        refusal = None if limits is None else self._refusal(topic, limits, value, key, partition, headers)
        if limits is None or (refusal is not None and limits.old):
            self._asked.add(topic)
            raise BufferFull(f"the limits of topic {topic} are not known yet: await drain() and send again")
        if refusal is not None:
            raise refusal
        self._inner.send(topic, value, key, partition, timestamp_ms, headers, on_delivery)

    def refuse(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int | None, headers: Headers | None, /
    ) -> None:
        limits = self.limits.get(topic)
        if limits is None or limits.old:
            return
        refusal = self._refusal(topic, limits, value, key, partition, headers)
        if refusal is not None:
            raise refusal

    async def drain(self) -> None:
        if not self._asked:
            await self._inner.drain()
            return
        async with self._asking:
            while self._asked:
                topic = next(iter(self._asked))
                try:
                    self.limits[topic] = await self._look_up(topic)
                finally:
                    self._asked.discard(topic)

    async def flush(self) -> None:
        await self._inner.flush()

    async def aclose(self) -> None:
        await self._inner.aclose()

    # -- inside

    async def _look_up(self, topic: str) -> _Limits:
        while True:
            try:
                partitions = (await self._admin.partition_counts([topic])).get(topic, 0)
                config = await self._admin.topic_config(topic) if partitions else {}
                break
            except RetriableTransportError as exc:
                log.warning("cannot look up the limits of topic %s, trying again: %s", topic, exc)
                await asyncio.sleep(RETRY_S)
        limit = config.get("max.message.bytes")
        return _Limits(partitions, None if limit is None else int(limit), asyncio.get_running_loop().time())

    def _refusal(
        self,
        topic: str,
        limits: _Limits,
        value: bytes | None,
        key: bytes | None,
        partition: int | None,
        headers: Headers | None,
    ) -> TopicMissing | RecordTooLarge | None:
        if not limits.partitions:
            return TopicMissing(
                f"topic {topic!r} does not exist: create it, or declare it by app.topic({topic!r}, partitions=…)"
            )
        if partition is not None and not 0 <= partition < limits.partitions:
            return TopicMissing(f"topic {topic!r} has no partition {partition}: it has {limits.partitions}")
        if limits.max_bytes is not None:
            size = len(value or b"") + len(key or b"") + OVERHEAD
            if headers:
                size += sum(len(name) + len(text or b"") + OVERHEAD_PER_HEADER for name, text in headers)
            if size > limits.max_bytes:
                return RecordTooLarge(
                    f"a record of {size} bytes is over the limit of topic {topic}, "
                    f"max.message.bytes={limits.max_bytes}",
                    max_bytes=limits.max_bytes - OVERHEAD,
                )
        return None


if TYPE_CHECKING:
    _: type[Producer] = CheckedProducer
    __: type[Refusing] = CheckedProducer
