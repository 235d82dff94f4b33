"""A worker's place in its group: aiokafka's group protocol on a loop and a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka import errors as aio
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.subscription_state import SubscriptionState

from faust_core.errors import FencedError, RetriableTransportError, TransportError
from faust_core.protocols.lease import LeasedMembership
from faust_core.protocols.notes import NotedOffset, NotingMembership
from faust_core.protocols.transport import Assignment, GroupMetadata, GroupProtocol, Membership, RebalanceListener
from faust_core.records import TopicPartition
from faust_transport_kafka._coordinator import Coordinator, clock_s
from faust_transport_kafka._errors import translate
from faust_transport_kafka._logging import Reachability
from faust_transport_kafka._metadata import forbid_topic_creation
from faust_transport_kafka.admin import reach
from faust_transport_kafka.committed import CommittedOffsets
from faust_transport_kafka.config import ClientConfig
from faust_transport_kafka.group_metadata import NO_GENERATION

__all__ = ["KafkaMembership"]

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How long `join` waits for the broker to refuse us at once, which it does where it will.
REFUSAL_WAIT_S = 1.0
COMMIT_TIMEOUT_S = 10.0
LEAVE_TIMEOUT_S = 10.0


class KafkaMembership:
    """A `Membership` by the classic group protocol, with any `GroupProtocol` as its assignor.

    Heartbeats are sent from a thread of their own: user code that blocks the event loop does not cost the
    session.  With an instance id the membership is static: `leave` keeps the place, and a restart within the
    session time-out takes it again without a rebalance.
    """

    def __init__(self, config: ClientConfig, group_id: str, protocol: GroupProtocol) -> None:
        self._config = config
        self._group_id = group_id
        self._protocol = protocol
        self._engine_loop = asyncio.get_running_loop()
        self._listener: RebalanceListener | None = None
        self._committed = CommittedOffsets(config, group_id)
        self._identity = GroupMetadata(group_id, NO_GENERATION, "", config.context.instance_id)
        self._settled = False
        self._refusal: Exception | None = None
        self._first_answer: asyncio.Event = asyncio.Event()
        self._left = False
        # Of the thread, from `_start` on.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: AIOKafkaClient | None = None
        self._subscription: SubscriptionState | None = None
        self._coordinator: Coordinator | None = None

    # -- what the engine calls, on its loop ---------------------------------------------------------------

    async def join(self, topics: Collection[str], listener: RebalanceListener, /) -> None:
        if self._left:
            raise TransportError(f"group {self._group_id} was left: make a new membership")
        self._listener = listener
        if self._coordinator is not None:
            await self._on_thread(self._subscribe(set(topics)))
            return
        self._start_thread()
        try:
            await self._connect(set(topics))
            try:
                async with asyncio.timeout(REFUSAL_WAIT_S):
                    await self._first_answer.wait()
            except TimeoutError:
                pass  # the group waits for its other members
            if self._refusal is not None:
                raise translate(self._refusal, f"cannot join group {self._group_id} at {self._config.brokers}")
        except BaseException:
            await self.leave()
            raise

    def rejoin(self) -> None:
        if self._loop is not None and self._coordinator is not None and not self._left:
            self._loop.call_soon_threadsafe(self._coordinator.rejoin)

    def metadata(self) -> GroupMetadata:
        return self._identity

    async def commit(self, offsets: Mapping[TopicPartition, int], /) -> None:
        await self.commit_noted({tp: NotedOffset(offset) for tp, offset in offsets.items()})

    async def commit_noted(self, offsets: Mapping[TopicPartition, NotedOffset], /) -> None:
        if not offsets:
            return
        coordinator = self._coordinator
        if coordinator is None or self._left or self._identity.generation == NO_GENERATION:
            raise FencedError(f"this worker is not a member of group {self._group_id}: nothing was committed")
        if not self._settled:
            raise RetriableTransportError(f"group {self._group_id} is rebalancing: nothing was committed")
        try:
            await self._on_thread(self._commit(coordinator, offsets, self._identity.generation))
        except (aio.KafkaError, TimeoutError) as exc:
            tp, (offset, _) = next(iter(offsets.items()))
            raise translate(exc, f"cannot commit {tp} at {offset} (of {len(offsets)}) in {self._group_id}") from exc

    async def committed(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int | None]:
        return await self._committed.read(partitions)

    async def committed_noted(
        self, partitions: Collection[TopicPartition], /
    ) -> Mapping[TopicPartition, NotedOffset | None]:
        return await self._committed.read_noted(partitions)

    def lease_s(self) -> float:
        coordinator = self._coordinator
        heard_at = None if coordinator is None or self._left else coordinator.heard_at
        return 0.0 if heard_at is None else heard_at + self._config.context.session_timeout_s - clock_s()

    async def leave(self) -> None:
        if self._left:
            return
        self._left = True
        self._settled = False
        try:
            if self._loop is not None:
                try:
                    async with asyncio.timeout(LEAVE_TIMEOUT_S):
                        await self._on_thread(self._stop())
                except TimeoutError:
                    log.warning("group %s was not left in %g s", self._group_id, LEAVE_TIMEOUT_S)
                self._loop.call_soon_threadsafe(self._loop.stop)
        finally:
            await self._committed.aclose()

    # -- between the two loops ----------------------------------------------------------------------------

    async def _on_thread(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _on_engine(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run on the engine's loop and wait, from the membership's thread."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self._engine_loop))

    async def _tell(self, what: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await self._on_engine(work)
        except Exception:
            log.exception("group %s: the engine failed in %s", self._group_id, what)

    # -- on the thread ------------------------------------------------------------------------------------

    def _start_thread(self) -> None:
        loop = self._loop = asyncio.new_event_loop()

        def run() -> None:
            asyncio.set_event_loop(loop)
            try:
                loop.run_forever()
            finally:
                _cancel_all(loop)
                loop.close()

        self._thread = threading.Thread(target=run, name=f"faust-group-{self._group_id}", daemon=True)
        self._thread.start()

    async def _connect(self, topics: set[str]) -> None:
        """Connect within the start-up time-out, or say why that was not possible."""
        try:
            async with asyncio.timeout(self._config.context.start_timeout_s):
                await self._on_thread(self._start(topics))
        except (aio.KafkaError, TimeoutError, OSError) as exc:
            await reach(self._config)  # librdkafka says more about what is wrong
            raise translate(exc, f"cannot connect to the brokers at {self._config.brokers}") from exc

    async def _start(self, topics: set[str]) -> None:
        context = self._config.context
        client = AIOKafkaClient(**self._config.aiokafka(context.client_id))
        forbid_topic_creation(client)
        try:
            await client.bootstrap()
        except BaseException:
            await client.close()
            raise
        self._client = client
        self._subscription = SubscriptionState()
        await self._subscribe(topics)
        self._coordinator = Coordinator(
            client,
            self._subscription,
            self._protocol,
            self,
            Reachability(f"group {self._group_id}", self._config.brokers),
            group_id=self._group_id,
            instance_id=context.instance_id,
            session_timeout_s=context.session_timeout_s,
            heartbeat_interval_s=context.heartbeat_interval_s,
            rebalance_timeout_s=context.rebalance_timeout_s,
        )

    async def _subscribe(self, topics: set[str]) -> None:
        assert self._client is not None
        assert self._subscription is not None
        await self._client.set_topics(topics)
        self._subscription.subscribe(topics)

    async def _commit(
        self, coordinator: Coordinator, offsets: Mapping[TopicPartition, NotedOffset], generation: int
    ) -> None:
        if coordinator.generation == NO_GENERATION:
            raise aio.UnknownMemberIdError(self._group_id)
        if coordinator.generation != generation:
            raise aio.RebalanceInProgressError(self._group_id)
        async with asyncio.timeout(COMMIT_TIMEOUT_S):
            await coordinator.commit(offsets)

    async def _stop(self) -> None:
        if self._coordinator is not None:
            await self._coordinator.stop()
        if self._client is not None:
            await self._client.close()

    # -- what the coordinator reports, on the thread ------------------------------------------------------

    async def prepare(self) -> None:
        async def started() -> None:
            assert self._listener is not None
            try:
                await self._listener.on_rebalance_started()
            finally:
                self._settled = False

        await self._tell("on_rebalance_started", started)

    async def metadata_for_leader(self) -> bytes:
        async def ask() -> bytes:
            return self._protocol.metadata()

        return await self._on_engine(ask)

    async def settled(
        self, generation: int, member_id: str, partitions: frozenset[TopicPartition], plan: bytes
    ) -> None:
        async def assigned() -> None:
            assert self._listener is not None
            self._identity = GroupMetadata(self._group_id, generation, member_id, self._config.context.instance_id)
            self._settled = True
            self._refusal = None
            self._first_answer.set()
            await self._listener.on_assigned(Assignment(self._identity, partitions, plan))

        await self._tell("on_assigned", assigned)

    async def lost(self, reason: str) -> None:
        async def gone() -> None:
            assert self._listener is not None
            self._identity = GroupMetadata(self._group_id, NO_GENERATION, "", self._config.context.instance_id)
            self._settled = False
            await self._listener.on_lost(reason)

        log.warning("%s; joining again", reason)
        await self._tell("on_lost", gone)

    def refused(self, error: Exception) -> None:
        def tell() -> None:
            self._refusal = error
            self._first_answer.set()

        log.error("group %s does not let this worker take part: %s", self._group_id, error)
        self._engine_loop.call_soon_threadsafe(tell)


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_default_executor())


if TYPE_CHECKING:
    _: type[Membership] = KafkaMembership
    _leased: type[LeasedMembership] = KafkaMembership
    _noting: type[NotingMembership] = KafkaMembership
