"""Asking agents: a reply topic per process, correlation ids, errors carried back."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Collection
from typing import Any

from faust_core._context import current_claim
from faust_core.asking import Asking, ReplyPromise
from faust_core.codecs import decoder_of
from faust_core.engine.replies import ERROR
from faust_core.errors import BufferFull, FaustError, RetriableTransportError
from faust_core.headers import HeadersArg, header_list, milliseconds
from faust_core.protocols.transport import Consumer, Producer, TopicSpec, Transport
from faust_core.records import RecordBatch, RecordMetadata, TopicPartition
from faust_core.registry import codec as find_codec
from faust_core.topics import Topic

__all__ = ["AgentError", "Rpc"]

log = logging.getLogger(__name__)

POLL_S = 0.5
RETRY_S = 1.0


class AgentError(FaustError):
    """The agent that was asked raised; the message is its exception's type and text.

    Attributes:
        error_type: the name of that exception's class.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.error_type = message.partition(":")[0]


class Rpc:
    """This process' side of asking: one reply topic with one partition, read from its end."""

    def __init__(
        self, transport: Callable[[], Transport], topic: str, *, expires_s: float, replication_factor: int
    ) -> None:
        self.topic = topic
        self._transport = transport
        self._expires_s = expires_s
        self._replication_factor = replication_factor
        self._pending: dict[str, ReplyPromise] = {}
        self._asking: dict[str, Asking] = {}
        self._consumer: Consumer | None = None
        self._reader: asyncio.Task[None] | None = None
        self._producer: Producer | None = None
        self._starting = asyncio.Lock()

    def expect(self, promise: ReplyPromise, topics: Collection[str], /) -> None:
        """Fulfil the promise when its answer comes; it is forgotten when it is done, whatever the reason.

        Args:
            topics: those of the agent that is asked.
        """
        self._pending[promise.correlation_id] = promise
        promise.add_done_callback(self._forget)
        claim = current_claim.get()
        if claim is not None:
            self._asking[promise.correlation_id] = Asking(claim.actor, topics)

    def _forget(self, promise: asyncio.Future[Any]) -> None:
        assert isinstance(promise, ReplyPromise)
        self._pending.pop(promise.correlation_id, None)
        self._asking.pop(promise.correlation_id, None)

    def asking(self) -> Collection[Asking]:
        """Return the questions of actors, for the item in hand, that are not answered yet."""
        return self._asking.values()

    @property
    def started(self) -> bool:
        """Whether answers are read."""
        return self._reader is not None

    @property
    def waiting(self) -> int:
        """How many answers have not come yet."""
        return len(self._pending)

    async def start(self) -> None:
        """Begin to read answers.  Idempotent.

        Raises:
            ConfigError: the application is not connected.
            TransportError: the topic for replies cannot be made or read.
        """
        async with self._starting:
            if self._reader is not None and not self._reader.done():
                return
            await self._close_consumer()
            transport = self._transport()
            admin = transport.admin()
            try:
                retention = str(int(self._expires_s * 1000))
                spec = TopicSpec(self.topic, 1, self._replication_factor, {"retention.ms": retention})
                await admin.create_topics([spec])
                ends = await admin.end_offsets([TopicPartition(self.topic, 0)])
            finally:
                await admin.aclose()
            consumer = transport.consumer(name="replies")
            try:
                await consumer.assign(ends)
            except BaseException:
                await consumer.aclose()
                raise
            self._consumer = consumer
            self._reader = asyncio.create_task(self._read(consumer), name="faust replies")

    async def _read(self, consumer: Consumer) -> None:
        try:
            while True:
                try:
                    batches = await consumer.poll(max_records=1_000, timeout_s=POLL_S)
                except RetriableTransportError as exc:
                    log.warning("cannot read replies, trying again: %s", exc)
                    await asyncio.sleep(RETRY_S)
                    continue
                for batch in batches:
                    self._deliver(batch)
        except Exception as exc:
            log.exception("replies are read no further; the next question tries anew")
            for promise in list(self._pending.values()):
                if not promise.done():
                    promise.set_exception(exc)

    def _deliver(self, batch: RecordBatch) -> None:
        decode, decode_errors = decoder_of(find_codec("json"))
        errors: tuple[type[Exception], ...] = (*decode_errors, KeyError, TypeError)
        for index, data in enumerate(batch.values):
            headers = dict(batch.headers(index))
            try:
                body = decode(data or b"")
                promise = self._pending.get(body["correlation_id"])
            except errors as exc:
                log.warning("a reply on %s at offset %d is not one: %s", self.topic, batch.offsets[index], exc)
                continue
            if promise is None or promise.done():
                continue  # too late, or another process' before a restart
            if (error := headers.get(ERROR)) is not None:
                promise.set_exception(AgentError(error.decode(errors="replace")))
            else:
                promise.set_result(body.get("value"))

    async def aclose(self) -> None:
        """Read no further; who still waits is cancelled."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        await self._close_consumer()
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.aclose()
        for promise in list(self._pending.values()):
            promise.cancel()

    async def send_now(
        self,
        topic: Topic[Any, Any],
        value: Any,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | dt.datetime | None = None,
        headers: HeadersArg = None,
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Queue a record outside of every transaction.

        Args:
            failed: called with the error where it cannot be written.

        Raises:
            EncodeError: it cannot be written by the topic's codecs.
        """
        if self._producer is None:
            self._producer = self._transport().producer()
        producer, name = self._producer, topic.name
        data, key_data = topic.encode_value(value), topic.encode_key(key)
        timestamp_ms = None if timestamp is None else milliseconds(timestamp, name)
        pairs = header_list(headers, name)

        def tell(_metadata: RecordMetadata | None, error: Exception | None) -> None:
            if error is not None and failed is not None:
                failed(error)

        while True:
            try:
                producer.send(name, data, key_data, partition, timestamp_ms, pairs, tell)
            except BufferFull:
                await producer.drain()
            else:
                return

    async def _close_consumer(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.aclose()
