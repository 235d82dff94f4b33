"""Sending and committing, in the two guarantees.

Both give the rest of the engine one producer to send with, and one way to commit: everything that was
sent so far, with the offsets of what it was made from.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from faust_core.errors import BufferFull, FencedError, RetriableTransportError, TransactionAborted
from faust_core.protocols.transport import (
    GroupMetadata,
    Membership,
    OnDelivery,
    Producer,
    TransactionalProducer,
)
from faust_core.records import Headers, TopicPartition

__all__ = ["AtLeastOnce", "ExactlyOnce", "Outgoing"]

log = logging.getLogger(__name__)

RETRY_S = 0.1
MAX_RETRY_S = 3.0


class Outgoing(Protocol):
    """What a checkpoint commits through."""

    @property
    def producer(self) -> Producer: ...

    @property
    def exactly_once(self) -> bool: ...

    @property
    def pending(self) -> bool:
        """Whether something was sent that only a commit makes visible."""
        ...

    async def start(self) -> None: ...

    async def flush(self) -> None:
        """Wait until what was sent is written (under exactly-once: handed to the transaction)."""
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int], member: GroupMetadata) -> None:
        """Commit; everything sent so far is written before.

        Raises:
            FencedError: the partitions belong to others by now.
            TransactionAborted: nothing of it will be seen; rewind.
        """
        ...

    def void(self) -> None:
        """What was sent since the last commit must not be committed any more: `abort` follows."""
        ...

    async def abort(self) -> None:
        """Drop what was sent since the last commit, as far as the guarantee can."""
        ...

    async def aclose(self) -> None: ...


class AtLeastOnce:
    """Flush, then commit the offsets through the group member."""

    exactly_once = False
    pending = False

    def __init__(self, producer: Producer, membership: Membership) -> None:
        self._producer = producer
        self._membership = membership

    @property
    def producer(self) -> Producer:
        return self._producer

    async def start(self) -> None:
        pass

    async def flush(self) -> None:
        await self._producer.flush()

    async def commit(self, offsets: Mapping[TopicPartition, int], member: GroupMetadata) -> None:
        if not offsets:
            return
        delay = RETRY_S
        while True:
            try:
                await self._membership.commit(offsets)
            except RetriableTransportError as exc:
                if self._membership.metadata() != member:
                    raise FencedError(f"the group moved on before the commit went through: {exc}") from exc
                log.warning("the commit has to wait: %s", exc)
                await asyncio.sleep(delay)
                delay = min(delay * 2, MAX_RETRY_S)
            else:
                return

    def void(self) -> None:
        pass

    async def abort(self) -> None:
        pass

    async def aclose(self) -> None:
        await self._producer.aclose()


class ExactlyOnce:
    """One transaction per checkpoint interval, open at all times but while it is committed.

    Is a `Producer` itself: a send that comes while a transaction is being committed waits for the next one.
    """

    exactly_once = True

    def __init__(self, make_producer: Callable[[], TransactionalProducer]) -> None:
        self._make_producer = make_producer
        self._inner = make_producer()
        self._open = asyncio.Event()
        self._sent = False
        self._void = False
        #: a producer ends one transaction at a time
        self._ending = asyncio.Lock()

    @property
    def producer(self) -> Producer:
        return self

    @property
    def pending(self) -> bool:
        return self._sent

    async def start(self) -> None:
        await self._inner.begin()
        self._sent = False
        self._open.set()

    # -- Producer

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
        if not self._open.is_set():
            raise BufferFull("a transaction is being committed; await drain() and send again")
        self._inner.send(topic, value, key, partition, timestamp_ms, headers, on_delivery)
        self._sent = True

    async def drain(self) -> None:
        if self._open.is_set():
            await self._inner.drain()
        else:
            await self._open.wait()

    async def flush(self) -> None:
        await self._inner.flush()

    # -- Outgoing

    async def commit(self, offsets: Mapping[TopicPartition, int], member: GroupMetadata) -> None:
        if not offsets and not self._sent:
            return
        async with self._ending:
            if self._void:
                raise TransactionAborted("what was sent belongs to partitions that were taken away")
            self._open.clear()
            await self._inner.commit(offsets, member if offsets else None)
            await self.start()

    def void(self) -> None:
        """What was sent so far must not be committed any more: `abort` follows."""
        self._void = True

    async def abort(self) -> None:
        self._open.clear()
        async with self._ending:
            self._open.clear()
            self._void = False
            try:
                await self._inner.abort()
                await self.start()
            except FencedError:
                # Whoever fenced us took the transaction over; a new producer in turn fences them, if they still live.
                await self._inner.aclose()
                self._inner = self._make_producer()
                await self.start()

    async def aclose(self) -> None:
        self._open.clear()
        await self._inner.aclose()
