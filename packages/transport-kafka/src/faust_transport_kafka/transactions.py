"""Writing in transactions by librdkafka: records and the offsets they were made from become visible together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client
from confluent_kafka import TopicPartition as Position

from faust_core.errors import FencedError, TransactionAborted, TransportError
from faust_core.protocols.transport import GroupMetadata, OnDelivery, TransactionalProducer
from faust_core.records import TopicPartition
from faust_transport_kafka import group_metadata
from faust_transport_kafka._errors import (
    FENCED_MEMBER,
    FENCED_PRODUCER,
    MISSING,
    TOO_LARGE,
    as_kafka_error,
    refused,
    translate,
)
from faust_transport_kafka.config import ClientConfig
from faust_transport_kafka.producer import KafkaProducer, delivery_report, release

__all__ = ["KafkaTransactionalProducer"]

log = logging.getLogger(__name__)

#: One blocking call on the producer's thread.  A call that timed out is made again: librdkafka goes on with it.
SLICE_S = 5.0
RETRY_PAUSE_S = 0.1


class KafkaTransactionalProducer(KafkaProducer):
    """A `TransactionalProducer` over librdkafka.

        idle ──begin──▶ open ──commit──▶ idle
                         │  └─failure──▶ doomed
                         └────abort─────▶ idle ◀──abort── doomed

    A record that cannot be written dooms its transaction: `commit` says so.  A commit whose outcome is not known
    is asked for again until it is.  After an error that librdkafka cannot go on from, `abort` throws the client
    away, and the next `begin` registers the id anew, which ends what was left open.
    """

    def __init__(self, config: ClientConfig, transactional_id: str) -> None:
        self._transactional_id = transactional_id
        self._registered = False
        self._open = False
        self._broken = False
        self._skewed = False
        self._fenced: str | None = None
        self._doom = f"the transaction of {transactional_id} has failed already"
        # The calls of one producer are made one after the other, also when their caller was cancelled.
        self._calls = ThreadPoolExecutor(1, f"faust-kafka-{transactional_id}")
        super().__init__(config, f"{config.context.client_id}-{transactional_id}")
        self._reporting = True

    def _settings(self) -> dict[str, Any]:
        # No callback of all records: a failed one dooms the transaction, so that delivered ones cost nothing.
        return self._config.transactional_producer(self._name, self._transactional_id, self._on_error)

    async def begin(self) -> None:
        self._check_open()
        if self._fenced is not None:
            raise FencedError(self._fenced)
        if self._open:
            raise TransportError(f"a transaction of {self._transactional_id} is open already: commit or abort it first")
        if self._broken or self._skewed:
            await self._replace_client()
        if not self._registered:
            await self._on_thread(group_metadata.check_layout)
            await self._call(lambda client: client.init_transactions(SLICE_S), "register")
            self._registered = True
        await self._call(Client.begin_transaction, "begin a transaction of")
        self._open = True

    async def commit(self, offsets: Mapping[TopicPartition, int], member: GroupMetadata | None, /) -> None:
        if member is None and offsets:
            raise ValueError("commit needs the member whose offsets these are: nothing would be fenced without it")
        if member is not None and not offsets:
            raise ValueError("commit needs at least one offset of the member: an empty list is not fenced")
        self._check_open()
        if not self._open:
            raise TransportError(f"no transaction of {self._transactional_id} is open: begin one first")
        if member is not None:
            positions = [Position(tp.topic, tp.partition, offset) for tp, offset in offsets.items()]
            identity = group_metadata.encode(member)
            await self._call(
                lambda client: client.send_offsets_to_transaction(positions, identity, SLICE_S),
                f"add the offsets of group {member.group_id}, generation {member.generation}, to the transaction of",
            )
        await self._call(lambda client: client.commit_transaction(SLICE_S), "commit the transaction of")
        self._open = False
        self._reach.found()

    async def abort(self) -> None:
        self._check_open()
        if not self._open:
            return
        if not self._broken:
            try:
                await self._call(lambda client: client.abort_transaction(SLICE_S), "abort the transaction of")
            except TransportError as exc:
                # A later registration of the same id ends the transaction as well.
                log.warning("%s; its producer is replaced", exc)
                self._broken = True
        self._open = False

    async def aclose(self) -> None:
        if self._closed:
            return
        try:
            if self._open and not self._broken:
                async with asyncio.timeout(SLICE_S):
                    await self.abort()
        except TimeoutError:
            log.warning("the open transaction of %s is left to its time-out", self._transactional_id)
        finally:
            await super().aclose()
            self._calls.shutdown(wait=False)

    # ------------------------------------------------------------------------------------------------------

    async def _call(self, action: Callable[[Client], None], doing: str) -> None:
        """Make a call of the transaction, again and again while it may be retried.

        Raises:
            FencedError, TransactionAborted, TransportError: as `TransactionalProducer` says.
        """
        client = self._client
        while True:
            try:
                await self._on_thread(lambda: action(client))
            except KafkaException as exc:
                error = as_kafka_error(exc)
                if not error.retriable() or self._refusal is not None:
                    raise self._failure(error, f"cannot {doing} {self._transactional_id}") from exc
                self._reach.lost(error.str())
                await asyncio.sleep(RETRY_PAUSE_S)
            else:
                return

    async def _on_thread(self, action: Callable[[], None]) -> None:
        await self._loop.run_in_executor(self._calls, action)

    def _failure(self, error: KafkaError, doing: str) -> TransportError:
        if self._refusal is not None:
            return self._taken_refusal()
        if error.fatal():
            self._broken = True
        if error.code() in FENCED_PRODUCER:
            self._fenced = str(translate(error, doing))
            return FencedError(self._fenced)
        if error.code() in FENCED_MEMBER or refused(error):
            return translate(error, doing)
        if error.txn_requires_abort() or error.fatal():
            # A record that the broker refused leaves a gap in the sequence numbers, which would doom the next
            # transaction of this client as well.
            self._skewed = True
            refused_record = error.code() in MISSING or error.code() in TOO_LARGE
            return TransactionAborted(f"{doing}: {error.str()} ({error.name()})", refused=refused_record)
        return translate(error, doing)

    def _is_doomed(self, error: KafkaException) -> bool:
        # librdkafka takes no more records once one of the transaction has failed.  Its commit will say so, and what
        # was sent will be sent again.
        return self._open and as_kafka_error(error).code() == KafkaError._STATE  # noqa: SLF001  its public name

    async def _replace_client(self) -> None:
        dropped, self._client = [self._client], self._connect()
        self._broken = self._skewed = self._registered = False
        await self._on_thread(lambda: release(dropped))

    def _reporter(self, on_delivery: OnDelivery) -> Callable[[KafkaError | None, Message], None]:
        def done(error: KafkaError | None, message: Message) -> None:
            self._reports_due -= 1
            on_delivery(*delivery_report(error, message))

        def report(error: KafkaError | None, message: Message) -> None:
            # Commit and abort serve reports on their own thread.
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(done, error, message)

        return report


if TYPE_CHECKING:
    _: type[TransactionalProducer] = KafkaTransactionalProducer
