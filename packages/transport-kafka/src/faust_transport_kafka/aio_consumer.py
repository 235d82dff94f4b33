"""Reading by aiokafka, on the engine's own loop: no thread, no C library; slower (about 3 µs per record)."""

# ruff: noqa: SLF001 -- aiokafka tells a position only to those who wait for it

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer
from aiokafka import errors as aio
from aiokafka.structs import TopicPartition as Position

from faust_core.errors import RetriableTransportError, TransportError
from faust_core.protocols.transport import Consumer
from faust_core.records import ConsumerRecord, RecordBatch, RecordList, TopicPartition
from faust_transport_kafka._errors import translate
from faust_transport_kafka._logging import Reachability
from faust_transport_kafka._metadata import forbid_topic_creation
from faust_transport_kafka.config import ClientConfig

__all__ = ["AioConsumer"]

log = logging.getLogger(__name__)

SLICE_S = 0.1
RETRY_PAUSE_S = 0.5
CLOSE_TIMEOUT_S = 5.0


class AioConsumer:
    """A `Consumer` over aiokafka.  Connects with the first `assign`, and waits for the brokers as long as it takes."""

    def __init__(self, config: ClientConfig, name: str) -> None:
        self._name = name
        self._brokers = config.brokers
        self._options = config.aiokafka_consumer(f"{config.context.client_id}-{name}")
        self._reach = Reachability(f"consumer {name}", config.brokers)
        self._client: Any = None
        self._changing = asyncio.Lock()
        self._assigned: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._closed = False

    async def assign(self, positions: Mapping[TopicPartition, int], /) -> None:
        wanted = {TopicPartition(*tp): offset for tp, offset in positions.items()}
        async with self._changing:
            await self._connect()
            self._paused.difference_update(wanted)
            self._reassign(self._positions() | wanted)

    async def unassign(self, partitions: Collection[TopicPartition], /) -> None:
        gone = set(partitions).intersection(self._assigned)
        if gone:
            self._paused -= gone
            self._reassign({tp: offset for tp, offset in self._positions().items() if tp not in gone})

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[RecordBatch]:
        deadline = time.monotonic() + timeout_s
        while not self._closed:
            left_s = max(deadline - time.monotonic(), 0.0)
            slice_s = min(left_s, SLICE_S)
            if not self._assigned:
                await asyncio.sleep(slice_s)
            elif batches := await self._fetch(max_records, slice_s):
                self._reach.found()
                return batches
            if left_s <= SLICE_S:
                break
        return []

    def pause(self, partitions: Collection[TopicPartition], /) -> None:
        found = [tp for tp in partitions if tp in self._assigned and tp not in self._paused]
        if found:
            self._paused.update(found)
            self._client.pause(*(Position(*tp) for tp in found))

    def resume(self, partitions: Collection[TopicPartition], /) -> None:
        found = [tp for tp in partitions if tp in self._paused]
        if found:
            self._paused.difference_update(found)
            self._client.resume(*(Position(*tp) for tp in found))

    def position(self, partition: TopicPartition, /) -> int | None:
        if self._closed or partition not in self._assigned:
            return None
        return self._positions()[partition]

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._assigned.clear()
        if self._client is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._client.stop()

    # ------------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        while self._client is None:
            if self._closed:
                raise TransportError(f"consumer {self._name} is closed")
            client = AIOKafkaConsumer(**self._options)
            forbid_topic_creation(client._client)
            try:
                await client.start()
            except (aio.KafkaError, OSError) as exc:
                await client.stop()
                self._reach.lost(repr(exc))
                await asyncio.sleep(RETRY_PAUSE_S)
            else:
                self._reach.found()
                self._client = client

    def _positions(self) -> dict[TopicPartition, int]:
        """Return what is read next of each partition, past transaction markers."""
        if self._client is None or not self._assigned:
            return {}
        assignment = self._client._subscription.subscription.assignment
        for tp in self._assigned:
            state = assignment.state_value(Position(*tp))
            if state is not None and state.has_valid_position:
                self._assigned[tp] = state.position
        return dict(self._assigned)

    def _reassign(self, positions: dict[TopicPartition, int]) -> None:
        """Read from `positions`.  aiokafka has no other way to change an assignment than to replace it."""
        self._assigned = positions
        self._client.assign([Position(*tp) for tp in positions])
        for tp, offset in positions.items():
            self._client.seek(Position(*tp), offset)
        if self._paused:
            self._client.pause(*(Position(*tp) for tp in self._paused))

    async def _fetch(self, max_records: int, timeout_s: float) -> list[RecordBatch]:
        open_ones = [Position(*tp) for tp in self._assigned if tp not in self._paused]
        if not open_ones:
            await asyncio.sleep(timeout_s)
            return []
        try:
            found = await self._client.getmany(*open_ones, timeout_ms=timeout_s * 1000, max_records=max_records)
        except aio.OffsetOutOfRangeError as exc:
            await self._move_to_nearest(exc)
            return []
        except aio.ConsumerStoppedError:
            return []
        except (aio.KafkaError, OSError) as exc:
            failure = translate(exc, f"consumer {self._name} cannot read from {self._brokers}")
            if not isinstance(failure, RetriableTransportError):
                raise failure from exc
            self._reach.lost(repr(exc))
            await asyncio.sleep(timeout_s)
            return []
        return [_batch(TopicPartition(*tp), records) for tp, records in found.items()]

    async def _move_to_nearest(self, error: aio.OffsetOutOfRangeError) -> None:
        (asked,) = error.args
        for position, offset in asked.items():
            tp = TopicPartition(*position)
            with contextlib.suppress(aio.KafkaError):  # the same error comes again
                start = (await self._client.beginning_offsets([position]))[position]
                end = (await self._client.end_offsets([position]))[position]
                if self._positions().get(tp) != offset:
                    continue  # moved or unassigned meanwhile
                nearest = start if offset < start else end
                log.warning(
                    "consumer %s: offset %d of %s does not exist (it has %d to %d); reading on from %d",
                    *(self._name, offset, tp, start, end, nearest),
                )
                self._client.seek(position, nearest)


def _batch(tp: TopicPartition, records: Sequence[Any]) -> RecordBatch:
    return RecordList(
        tp,
        [
            ConsumerRecord(tp.topic, tp.partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers))
            for r in records
        ],
    )


if TYPE_CHECKING:
    _: type[Consumer] = AioConsumer
