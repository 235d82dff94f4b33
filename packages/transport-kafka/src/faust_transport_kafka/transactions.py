"""Writing in transactions by librdkafka: records and the offsets they were made from become visible together."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client

from faust_core.errors import FencedError, TransactionAborted, TransactionInDoubt, TransportError
from faust_core.protocols.notes import NotedOffset, NotingProducer
from faust_core.protocols.transport import GroupMetadata, OnDelivery, TransactionalProducer
from faust_core.records import TopicPartition
from faust_transport_kafka import group_metadata
from faust_transport_kafka._calls import CallLost, CallThread
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
from faust_transport_kafka.offset_metadata import positions
from faust_transport_kafka.producer import ClosedClient, KafkaProducer, delivery_report, release

__all__ = ["KafkaTransactionalProducer"]

log = logging.getLogger(__name__)

#: One blocking call on the producer's thread.  A call that timed out is made again: librdkafka goes on with it.
SLICE_S = 5.0
RETRY_PAUSE_S = 0.1
#: After so long a call that should have returned within its slice never will: some of librdkafka's do not, when
#: the broker is killed meanwhile.
LOST_AFTER_S = SLICE_S + 3.0


class KafkaTransactionalProducer(KafkaProducer):
    """A `TransactionalProducer` over librdkafka.

        idle ──begin──▶ open ──commit──▶ idle
                         │  └─failure──▶ doomed
                         └────abort─────▶ idle ◀──abort── doomed

    A record that cannot be written dooms its transaction: `commit` says so.  A commit whose outcome is not known
    is asked for again until it is, for at most the transaction's time-out.  After an error that librdkafka cannot
    go on from, and when one of its calls does not return, the client is thrown away; the next `begin` registers
    the id anew, which ends what was left open, and fences the old client should it ever wake up.
    """

    def __init__(self, config: ClientConfig, transactional_id: str) -> None:
        self._transactional_id = transactional_id
        self._registered = False
        self._open = False
        self._broken = False
        self._skewed = False
        self._fenced: str | None = None
        self._doom = f"the transaction of {transactional_id} has failed already"
        self._calls = CallThread(f"faust-kafka-{transactional_id}")
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
        while not self._open:
            try:
                if self._broken or self._skewed:
                    await self._replace_client()
                if not self._registered:
                    await self._calls.call(group_metadata.check_layout, LOST_AFTER_S)
                    await self._call(lambda client: client.init_transactions(SLICE_S), "register", patience_s=math.inf)
                    self._registered = True
                await self._call(Client.begin_transaction, "begin a transaction of")
            except CallLost as exc:
                if not self._broken:
                    self._give_up(str(exc))
                continue  # with another client
            self._open = True

    async def commit(self, offsets: Mapping[TopicPartition, int], member: GroupMetadata | None, /) -> None:
        await self.commit_noted({tp: NotedOffset(offset) for tp, offset in offsets.items()}, member)

    async def commit_noted(
        self, offsets: Mapping[TopicPartition, NotedOffset], member: GroupMetadata | None, /
    ) -> None:
        if member is None and offsets:
            raise ValueError("commit needs the member whose offsets these are: nothing would be fenced without it")
        if member is not None and not offsets:
            raise ValueError("commit needs at least one offset of the member: an empty list is not fenced")
        self._check_open()
        if not self._open:
            raise TransportError(f"no transaction of {self._transactional_id} is open: begin one first")
        if self._broken:
            raise TransactionAborted(f"the transaction of {self._transactional_id} has failed: abort it first")
        if member is not None:
            # Whoever reads the offsets next can tell whose transaction may be open: `Admin.committed_by`.
            noted = positions(offsets, self._transactional_id)
            identity = group_metadata.encode(member)
            try:
                await self._call(
                    lambda client: client.send_offsets_to_transaction(noted, identity, SLICE_S),
                    f"add offsets of group {member.group_id}, generation {member.generation}, to the transaction of",
                    # Called again after a broken connection, it does not return, nearly always.
                    patience_s=0.0,
                )
            except CallLost as exc:
                raise TransactionAborted(
                    f"the transaction of {self._transactional_id} was given up before its commit: {exc}"
                ) from exc
        try:
            await self._call(
                lambda client: client.commit_transaction(SLICE_S), "commit the transaction of", committing=True
            )
        except CallLost as exc:
            raise TransactionInDoubt(
                f"whether the transaction of {self._transactional_id} was committed is not known: {exc}"
            ) from exc
        self._open = False
        self._reach.found()

    async def abort(self) -> None:
        self._check_open()
        if not self._open:
            return
        if not self._broken:
            try:
                await self._call(lambda client: client.abort_transaction(SLICE_S), "abort the transaction of")
            except CallLost:
                pass  # said already
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
            self._calls.close()

    # ------------------------------------------------------------------------------------------------------

    async def _call(
        self,
        action: Callable[[Client], None],
        doing: str,
        *,
        patience_s: float | None = None,
        committing: bool = False,
    ) -> None:
        """Make a call of the transaction, again and again while it may be retried.

        Args:
            patience_s: for how long; the transaction's time-out if not given, 0 for once only.
            committing: after an error that cannot be retried it may have done its work.

        Raises:
            CallLost: it did not return, or did not succeed in time; the client is given up.
            FencedError, TransactionAborted, TransactionInDoubt, TransportError: as `TransactionalProducer` says.
        """
        client = self._client
        doing = f"{doing} {self._transactional_id}"
        if patience_s is None:
            patience_s = self._config.context.transaction_timeout_s
        deadline = time.monotonic() + patience_s
        while True:
            try:
                await self._calls.call(lambda: action(client), LOST_AFTER_S)
            except CallLost:
                raise self._give_up(f"the call to {doing} has not returned for {LOST_AFTER_S:g} s") from None
            except KafkaException as exc:
                error = as_kafka_error(exc)
                if not error.retriable() or self._refusal is not None:
                    raise self._failure(error, f"cannot {doing}", committing) from exc
                self._reach.lost(error.str())
                if time.monotonic() >= deadline:
                    raise self._give_up(f"cannot {doing}: {error.str()}") from exc
                await asyncio.sleep(RETRY_PAUSE_S)
            else:
                return

    def _give_up(self, reason: str) -> CallLost:
        """Use this client no more.  Nobody waits for it: its thread may be inside of it for ever."""
        log.warning("the producer of %s is replaced: %s", self._transactional_id, reason)
        self._broken = True
        self._client = cast("Client", ClosedClient())
        self._calls.close()
        self._calls = CallThread(f"faust-kafka-{self._transactional_id}")
        return CallLost(reason)

    def _failure(self, error: KafkaError, doing: str, committing: bool) -> TransportError:
        if self._refusal is not None:
            return self._taken_refusal()
        if error.fatal():
            self._broken = True
        if error.code() in FENCED_PRODUCER:
            self._fenced = str(translate(error, doing))
            return FencedError(self._fenced)
        if error.code() in FENCED_MEMBER or error.code() == KafkaError.OFFSET_METADATA_TOO_LARGE or refused(error):
            return translate(error, doing)
        if error.fatal() and committing:
            return TransactionInDoubt(f"{doing}, which may be committed all the same: {error.str()} ({error.name()})")
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
        await self._calls.call(lambda: release(dropped), LOST_AFTER_S)

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
    _noting: type[NotingProducer] = KafkaTransactionalProducer
