"""Writing by aiokafka, on the engine's own loop."""

# ruff: noqa: SLF001 -- aiokafka gives a record up after its request time-out unless it is told otherwise

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka import errors as aio

from faust_core.errors import BufferFull, RecordTooLarge, RetriableTransportError, TransportError
from faust_core.protocols.transport import OnDelivery, Producer
from faust_core.records import Headers, RecordMetadata
from faust_transport_kafka._errors import translate
from faust_transport_kafka._logging import Reachability
from faust_transport_kafka.config import PRODUCER_QUEUE_RECORDS, ClientConfig

__all__ = ["AioProducer"]

log = logging.getLogger(__name__)

CREATE_TIME = 0
RETRY_PAUSE_S = 0.5
CLOSE_TIMEOUT_S = 5.0
#: What a record takes beside key and value on its way, without headers.
RECORD_OVERHEAD_BYTES = 100


class _Sent(NamedTuple):
    topic: str
    value: bytes | None
    key: bytes | None
    partition: int | None
    timestamp_ms: int
    headers: Headers | None
    on_delivery: OnDelivery | None


class AioProducer:
    """A `Producer` over aiokafka.  One task hands records to it in the order of `send`, which keeps their order.

    aiokafka cannot write a record without key and value; `flush` reports it.
    """

    def __init__(self, config: ClientConfig, name: str) -> None:
        self._name = name
        self._brokers = config.brokers
        self._options = config.aiokafka_producer(name)
        self._limit = config.context.max_request_bytes
        self._reach = Reachability(f"producer {name}", config.brokers)
        self._queue: deque[_Sent] = deque()
        self._unsettled = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._wanted = asyncio.Event()
        self._failure: TransportError | None = None
        self._closed = False
        self._pump = asyncio.get_running_loop().create_task(self._work(), name=f"faust-kafka-{name}")

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
        self._check_open()
        size = len(value or b"") + len(key or b"")
        if size + RECORD_OVERHEAD_BYTES > self._limit:
            raise RecordTooLarge(f"cannot send a record of {size} bytes to {topic}: the limit is {self._limit} bytes")
        if self._unsettled >= PRODUCER_QUEUE_RECORDS:
            raise BufferFull(f"producer {self._name} holds {self._unsettled} unsent records: await drain()")
        self._unsettled += 1
        # aiokafka reports the time of a batch's first record: ours is known only if it is given.
        written_ms = int(time.time() * 1000) if timestamp_ms is None else timestamp_ms
        self._queue.append(_Sent(topic, value, key, partition, written_ms, headers, on_delivery))
        self._wanted.set()

    async def drain(self) -> None:
        self._check_open()
        await self._until(self._unsettled * 3 // 4)

    async def flush(self) -> None:
        self._check_open()
        await self._until(0)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._until(0)
        except TimeoutError:
            log.warning("producer %s was closed with %d records unsent", self._name, self._unsettled)
        finally:
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump

    # ------------------------------------------------------------------------------------------------------

    async def _until(self, most: int) -> None:
        """Wait until at most so many records are unsettled."""
        while self._unsettled > most:
            reached = asyncio.get_running_loop().create_future()
            self._waiting.append((most, reached))
            await reached

    def _check_open(self) -> None:
        if self._closed:
            raise TransportError(f"producer {self._name} is closed")

    async def _work(self) -> None:
        client = None
        try:
            await self._wanted.wait()
            client = await self._connect()
            while True:
                while self._queue:
                    await self._hand_over(client, self._queue[0])
                    self._queue.popleft()
                self._wanted.clear()
                await self._wanted.wait()
        finally:
            if client is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_TIMEOUT_S):
                        await client.stop()

    async def _connect(self) -> Any:
        while True:
            client = AIOKafkaProducer(**self._options)
            client._message_accumulator._batch_ttl = math.inf
            try:
                await client.start()
            except (aio.KafkaError, OSError) as exc:
                await client.stop()
                self._reach.lost(repr(exc))
                await asyncio.sleep(RETRY_PAUSE_S)
            else:
                return client

    async def _hand_over(self, client: Any, sent: _Sent) -> None:
        while True:
            try:
                if sent.partition is not None:
                    await _check_partition(client, sent.topic, sent.partition)
                future = await client.send(
                    sent.topic,
                    sent.value,
                    key=sent.key,
                    partition=sent.partition,
                    timestamp_ms=sent.timestamp_ms,
                    headers=None if sent.headers is None else list(sent.headers),
                )
            except (aio.KafkaError, AssertionError) as exc:
                failure = translate(exc, f"a record for {_place(sent)} could not be written")
                if isinstance(failure, RetriableTransportError):
                    self._reach.lost(repr(exc))
                    await asyncio.sleep(RETRY_PAUSE_S)
                    continue
                self._settled(sent, None, failure)
            else:
                future.add_done_callback(partial(self._done, sent))
            return

    def _done(self, sent: _Sent, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            self._settled(sent, None, TransportError(f"a record for {_place(sent)} was dropped on closing"))
            return
        error = future.exception()
        if error is not None:
            self._settled(sent, None, translate(error, f"a record for {_place(sent)} could not be written"))
            return
        self._reach.found()
        answer = future.result()
        timestamp_ms = sent.timestamp_ms if answer.timestamp_type == CREATE_TIME else answer.timestamp
        self._settled(sent, RecordMetadata(answer.topic, answer.partition, answer.offset, timestamp_ms), None)

    def _settled(self, sent: _Sent, metadata: RecordMetadata | None, failure: TransportError | None) -> None:
        self._unsettled -= 1
        if failure is not None and self._failure is None:
            self._failure = failure
        if sent.on_delivery is not None:
            sent.on_delivery(metadata, failure)
        if self._waiting:
            for _, reached in (waiting := [item for item in self._waiting if self._unsettled <= item[0]]):
                if not reached.done():
                    reached.set_result(None)
            self._waiting = [item for item in self._waiting if item not in waiting]


async def _check_partition(client: Any, topic: str, partition: int) -> None:
    """aiokafka asserts that the partition exists; this says what is wrong."""
    found = await client.client._wait_on_metadata(topic)
    if partition not in found:
        raise aio.UnknownTopicOrPartitionError(f"{topic} has no partition {partition}")


def _place(sent: _Sent) -> str:
    return f"{sent.topic}/{'any' if sent.partition is None else sent.partition}"


if TYPE_CHECKING:
    _: type[Producer] = AioProducer
