"""Sending and committing, in the two guarantees.

Both give the rest of the engine one producer to send with, and one way to commit: everything that was
sent so far, with the offsets of what it was made from.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from faust_core._context import current_claim
from faust_core.engine.outside import OutsideRecords
from faust_core.errors import (
    BufferFull,
    FencedError,
    NoteRefused,
    RetriableTransportError,
    TransactionAborted,
    TransactionInDoubt,
    TransportError,
)
from faust_core.protocols.notes import NotedOffset, NotingMembership, NotingProducer
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
#: How often a sender looks whether there is room again for what is sent outside of events.
FULL_CHECK_S = 0.02


class Outgoing(Protocol):
    """What a checkpoint commits through."""

    @property
    def producer(self) -> Producer:
        """What the engine sends with, and always for an event."""
        ...

    @property
    def app_producer(self) -> Producer:
        """What the application sends with, inside of events and outside."""
        ...

    @property
    def exactly_once(self) -> bool: ...

    @property
    def keeps_notes(self) -> bool:
        """Whether the notes of committed offsets are kept; otherwise they are dropped."""
        ...

    @property
    def pending(self) -> bool:
        """Whether something was sent that only a commit makes visible."""
        ...

    async def start(self) -> None: ...

    async def flush(self) -> None:
        """Wait until what was sent is written (under exactly-once: handed to the transaction)."""
        ...

    async def commit(self, offsets: Mapping[TopicPartition, NotedOffset], member: GroupMetadata) -> None:
        """Commit; everything sent so far is written before.

        Raises:
            NoteRefused: exactly-once needs the notes, and the broker takes none of their length.
            FencedError: the partitions belong to others by now.
            TransactionAborted: nothing of it will be seen; rewind.
            TransactionInDoubt: all of it will be seen, or nothing; rewind, and look at the committed offsets.
        """
        ...

    def void(self) -> None:
        """What was sent since the last commit must not be committed any more: `abort` follows."""
        ...

    async def abort(self) -> None:
        """Drop what events sent since the last commit, as far as the guarantee can.  `go_on` follows."""
        ...

    async def go_on(self, *, committed: bool) -> None:
        """Let others send again; before them, what was sent outside of events and dropped.

        Args:
            committed: the last commit took place although it failed.
        """
        ...

    async def aclose(self) -> None: ...


class AtLeastOnce:
    """Flush, then commit the offsets through the group member."""

    exactly_once = False
    pending = False

    def __init__(self, producer: Producer, membership: Membership) -> None:
        self._producer = producer
        self._membership = membership
        self._noting = membership if isinstance(membership, NotingMembership) else None

    @property
    def keeps_notes(self) -> bool:
        return self._noting is not None

    @property
    def producer(self) -> Producer:
        return self._producer

    @property
    def app_producer(self) -> Producer:
        return self._producer

    async def start(self) -> None:
        pass

    async def flush(self) -> None:
        await self._producer.flush()

    async def commit(self, offsets: Mapping[TopicPartition, NotedOffset], member: GroupMetadata) -> None:
        if not offsets:
            return
        delay = RETRY_S
        while True:
            try:
                if self._noting is not None:
                    await self._noting.commit_noted(offsets)
                else:
                    await self._membership.commit({tp: noted.offset for tp, noted in offsets.items()})
            except NoteRefused as exc:
                log.warning(
                    "%s. Going on without notes: after a crash streams of one topic may repeat more events", exc
                )
                self._noting = None
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

    async def go_on(self, *, committed: bool) -> None:
        pass

    async def aclose(self) -> None:
        await self._producer.aclose()


class ExactlyOnce:
    """One transaction per checkpoint interval, open at all times but while it is committed.

    Is a `Producer` itself: a send that comes while a transaction is being committed waits for the next one.
    """

    exactly_once = True

    def __init__(self, make_producer: Callable[[], TransactionalProducer], membership: Membership) -> None:
        self._make_producer = make_producer
        self._inner = make_producer()
        self.keeps_notes = isinstance(self._inner, NotingProducer) and isinstance(membership, NotingMembership)
        self._open = asyncio.Event()
        self._sent = False
        self._void = False
        #: a producer ends one transaction at a time
        self._ending = asyncio.Lock()
        self._outside = OutsideRecords()
        self._app_producer = _AppProducer(self, self._outside)

    @property
    def producer(self) -> Producer:
        return self

    @property
    def app_producer(self) -> Producer:
        return self._app_producer

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

    async def commit(self, offsets: Mapping[TopicPartition, NotedOffset], member: GroupMetadata) -> None:
        async with self._ending:
            if self._void:
                raise TransactionAborted("what was sent belongs to partitions that were taken away")
            self._open.clear()
            if isinstance(self._inner, NotingProducer):
                await self._inner.commit_noted(offsets, member if offsets else None)
            else:
                await self._inner.commit(
                    {tp: noted.offset for tp, noted in offsets.items()}, member if offsets else None
                )
            self._outside.committed()
            try:
                await self.start()
            except TransportError as exc:
                raise TransactionInDoubt(f"committed, but the next transaction cannot begin: {exc}") from exc

    def void(self) -> None:
        """What was sent so far must not be committed any more: `abort` follows."""
        self._void = True

    async def abort(self) -> None:
        self._open.clear()
        async with self._ending:
            self._open.clear()
            self._void = False
            self._outside.aborting()
            try:
                await self._inner.abort()
                await self._inner.begin()
            except FencedError:
                # Whoever fenced us took the transaction over; a new producer in turn fences them, if they still live.
                await self._inner.aclose()
                self._inner = self._make_producer()
                await self._inner.begin()

    async def go_on(self, *, committed: bool) -> None:
        if committed:
            self._outside.committed()
        unsent = self._outside.unsent()
        self._sent = bool(unsent)
        for send_by in unsent:
            while True:
                try:
                    send_by(self._inner.send)
                except BufferFull:
                    await self._inner.drain()
                else:
                    break
        self._open.set()

    async def aclose(self) -> None:
        """Close.  What was sent outside of events and is not committed yet is committed by itself."""
        try:
            if self._outside:
                await self.abort()
                await self.go_on(committed=False)
                self._open.clear()
                await self._inner.commit({}, None)
                self._outside.committed()
        except TransportError as exc:
            log.warning("what was sent outside of events cannot be committed: %s", exc)
        finally:
            self._open.clear()
            self._outside.report_lost()
            await self._inner.aclose()


class _AppProducer:
    """Tells what is sent for an event from what is not: only the event is repeated after an abort."""

    def __init__(self, transaction: ExactlyOnce, outside: OutsideRecords) -> None:
        self._transaction = transaction
        self._outside = outside

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
        send = self._transaction.send
        if current_claim.get() is None:
            self._outside.send(send, topic, value, key, partition, timestamp_ms, headers, on_delivery)
        else:
            send(topic, value, key, partition, timestamp_ms, headers, on_delivery)

    async def drain(self) -> None:
        if self._outside.full and current_claim.get() is None:
            while self._outside.full:  # noqa: ASYNC110  the next commit is a fraction of a second away
                await asyncio.sleep(FULL_CHECK_S)
        else:
            await self._transaction.drain()

    async def flush(self) -> None:
        await self._transaction.flush()

    async def aclose(self) -> None:
        """The transaction is closed by the worker."""


if TYPE_CHECKING:
    _: list[type[Producer]] = [ExactlyOnce, _AppProducer]
    _outgoing: list[type[Outgoing]] = [AtLeastOnce, ExactlyOnce]
