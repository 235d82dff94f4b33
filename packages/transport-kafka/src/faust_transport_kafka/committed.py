"""Committed offsets as they are: never the stale ones that a pending transaction is about to replace."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Position

from faust_core.errors import RetriableTransportError, TransportError
from faust_core.protocols.notes import NotedOffset
from faust_core.records import TopicPartition
from faust_transport_kafka._errors import all_brokers_down, as_kafka_error, refused, translate
from faust_transport_kafka._logging import Reachability
from faust_transport_kafka.config import ClientConfig
from faust_transport_kafka.offset_metadata import note_in

__all__ = ["CommittedOffsets"]

SLICE_S = 2.0
PAUSE_S = 0.1


class CommittedOffsets:
    """Reads a group's committed offsets by a read-committed consumer of that group that never joins it.

    The broker keeps such a consumer waiting while a transaction has offsets pending; aiokafka's own request, and
    any read-uncommitted one, gets the previous offsets at once.
    """

    def __init__(self, config: ClientConfig, group_id: str) -> None:
        self._config = config
        self._group_id = group_id
        self._reach = Reachability(f"offsets of group {group_id}", config.brokers)
        self._thread = ThreadPoolExecutor(1, f"faust-committed-{group_id}")
        self._client: Consumer | None = None
        self._refusal: TransportError | None = None
        self._closed = False

    async def read(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int | None]:
        """Return the offsets alone; see `read_noted`."""
        return {tp: None if one is None else one.offset for tp, one in (await self.read_noted(partitions)).items()}

    async def read_noted(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, NotedOffset | None]:
        """Return the offsets and their notes; waits for an absent broker as long as it takes.

        Raises:
            AuthenticationError: the broker refuses us, or the group to us.
        """
        wanted = [TopicPartition(*tp) for tp in partitions]
        if not wanted:
            return {}
        loop = asyncio.get_running_loop()
        while True:
            if self._closed:
                raise TransportError(f"group {self._group_id} was left")
            try:
                found = await loop.run_in_executor(self._thread, self._ask, wanted)
            except KafkaException as exc:
                if self._refusal is not None:
                    refusal, self._refusal = self._refusal, None
                    raise refusal from exc
                failure = translate(exc, f"cannot read the committed offsets of group {self._group_id}")
                if not isinstance(failure, RetriableTransportError):
                    raise failure from exc
                self._reach.lost(as_kafka_error(exc).str())
                await asyncio.sleep(PAUSE_S)
            else:
                self._reach.found()
                return found

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    # -- on the thread ------------------------------------------------------------------------------------

    def _ask(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, NotedOffset | None]:
        if self._client is None:
            name = f"{self._config.context.client_id}-offsets"
            self._client = Consumer(self._config.consumer(name, self._group_id, self._on_error))
        self._client.poll(0)  # log lines and errors
        answers = self._client.committed([Position(*tp) for tp in partitions], timeout=SLICE_S)
        found: dict[TopicPartition, NotedOffset | None] = {}
        for answer in answers:
            if answer.error is not None:
                raise KafkaException(answer.error)
            noted = NotedOffset(answer.offset, note_in(answer)) if answer.offset >= 0 else None
            found[TopicPartition(answer.topic, answer.partition)] = noted
        return found

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _on_error(self, error: KafkaError) -> None:
        if refused(error):
            self._refusal = translate(error, f"cannot read the committed offsets of group {self._group_id}")
        elif all_brokers_down(error):
            self._reach.lost(error.str())
