"""Membership by librdkafka's own consumer group: the strategy `range`, no plans, nothing but one client library."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from concurrent.futures import CancelledError, Future, wait
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as Position

from faust_core.errors import FencedError, RetriableTransportError, TransportError
from faust_core.protocols.notes import NotedOffset, NotingMembership
from faust_core.protocols.transport import Assignment, GroupMetadata, Membership, RebalanceListener
from faust_core.records import TopicPartition
from faust_transport_kafka import group_metadata
from faust_transport_kafka._errors import all_brokers_down, refused, translate
from faust_transport_kafka._logging import Reachability
from faust_transport_kafka.admin import reach
from faust_transport_kafka.committed import CommittedOffsets
from faust_transport_kafka.config import ClientConfig
from faust_transport_kafka.offset_metadata import positions

__all__ = ["PlainMembership"]

log = logging.getLogger(__name__)

#: A commit waits for at most this long until the polling thread makes it.
SLICE_S = 0.02


class PlainMembership:
    """A `Membership` whose partitions librdkafka's `range` strategy deals out; assignments carry no plan.

    The member reads nothing: it takes its partitions, and the data plane reads them.  A thread of its own polls
    it, so blocked user code costs no session.  `on_rebalance_started` is not called where nothing was owned.
    """

    def __init__(self, config: ClientConfig, group_id: str) -> None:
        self._config = config
        self._group_id = group_id
        self._reach = Reachability(f"group {group_id}", config.brokers)
        self._loop = asyncio.get_running_loop()
        self._committed = CommittedOffsets(config, group_id)
        self._jobs: queue.SimpleQueue[Callable[[Client], None]] = queue.SimpleQueue()
        self._identity = GroupMetadata(group_id, group_metadata.NO_GENERATION, "", config.context.instance_id)
        self._settled = False
        self._left = False
        self._subscribe_again = False
        self._topics: list[str] = []
        self._listener: RebalanceListener | None = None
        self._client: Client | None = None
        self._thread: threading.Thread | None = None

    async def join(self, topics: Collection[str], listener: RebalanceListener, /) -> None:
        if self._left:
            raise TransportError(f"group {self._group_id} was left: make a new membership")
        self._listener = listener
        self._topics = sorted(topics)
        if self._client is None:
            await reach(self._config)
            group_metadata.check_layout()
            client = Client(self._config.member(self._config.context.client_id, self._group_id, self._on_error))
            self._client = client
            self._subscribe(client)
            self._thread = threading.Thread(
                target=self._work, args=(client,), name=f"faust-group-{self._group_id}", daemon=True
            )
            self._thread.start()
        else:
            self._subscribe_again = True

    def rejoin(self) -> None:
        if self._client is not None and not self._left:
            self._subscribe_again = True

    def metadata(self) -> GroupMetadata:
        return self._identity

    async def commit(self, offsets: Mapping[TopicPartition, int], /) -> None:
        await self.commit_noted({tp: NotedOffset(offset) for tp, offset in offsets.items()})

    async def commit_noted(self, offsets: Mapping[TopicPartition, NotedOffset], /) -> None:
        if not offsets:
            return
        if self._client is None or self._left or self._identity.generation == group_metadata.NO_GENERATION:
            raise FencedError(f"this worker is not a member of group {self._group_id}: nothing was committed")
        if not self._settled:
            raise RetriableTransportError(f"group {self._group_id} is rebalancing: nothing was committed")
        try:
            await self._on_thread(lambda client: _commit(client, positions(offsets)))
        except (KafkaException, RuntimeError) as exc:
            raise translate(exc, f"cannot commit {len(offsets)} offsets in group {self._group_id}") from exc

    async def committed(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int | None]:
        return await self._committed.read(partitions)

    async def committed_noted(
        self, partitions: Collection[TopicPartition], /
    ) -> Mapping[TopicPartition, NotedOffset | None]:
        return await self._committed.read_noted(partitions)

    async def leave(self) -> None:
        if self._left:
            return
        self._left = True
        self._settled = False
        if self._thread is not None:
            await self._loop.run_in_executor(None, self._thread.join)
        await self._committed.aclose()

    async def _on_thread(self, action: Callable[[Client], None]) -> None:
        done: Future[None] = Future()

        def job(client: Client) -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                action(client)
            except BaseException as exc:  # noqa: BLE001 -- handed to the waiting task
                done.set_exception(exc)
            else:
                done.set_result(None)

        self._jobs.put(job)
        await asyncio.wrap_future(done)

    # -- on the thread: confluent-kafka 2.16 lets one thread at a time use a consumer ---------------------

    def _subscribe(self, client: Client) -> None:
        client.subscribe(self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def _work(self, client: Client) -> None:
        while not self._left:
            try:
                if self._subscribe_again:
                    self._subscribe_again = False
                    client.unsubscribe()  # librdkafka knows no rejoin
                    self._subscribe(client)
                self._do_jobs(client)
                message = client.poll(SLICE_S)
            except KafkaException as exc:
                log.error("group %s: %s", self._group_id, exc)
                continue
            error = None if message is None else message.error()
            if error is not None:
                log.warning("group %s: %s", self._group_id, error.str())
        client.close()
        self._do_jobs(client)  # they fail, and say so to whoever waits

    def _do_jobs(self, client: Client) -> None:
        while not self._jobs.empty():
            self._jobs.get()(client)

    def _on_assign(self, client: Client, partitions: list[Position]) -> None:
        client.assign([])  # taken, but not to be read by this client
        if self._left:
            return
        self._reach.found()
        identity = group_metadata.decode(client.consumer_group_metadata())
        mine = frozenset(TopicPartition(position.topic, position.partition) for position in partitions)

        async def assigned() -> None:
            assert self._listener is not None
            self._identity = identity
            self._settled = True
            await self._listener.on_assigned(Assignment(identity, mine, None))

        self._tell(client, "on_assigned", assigned)

    def _on_revoke(self, client: Client, _partitions: list[Position]) -> None:
        async def started() -> None:
            assert self._listener is not None
            try:
                await self._listener.on_rebalance_started()
            finally:
                self._settled = False

        if not self._left:
            self._tell(client, "on_rebalance_started", started)
        client.unassign()

    def _on_lost(self, client: Client, _partitions: list[Position]) -> None:
        reason = f"member {self._identity.member_id} is no longer part of group {self._group_id}"

        async def gone() -> None:
            assert self._listener is not None
            self._identity = GroupMetadata(
                self._group_id, group_metadata.NO_GENERATION, "", self._config.context.instance_id
            )
            self._settled = False
            await self._listener.on_lost(reason)

        client.unassign()
        if not self._left:
            log.warning("%s; joining again", reason)
            self._tell(client, "on_lost", gone)

    def _tell(self, client: Client, what: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run on the engine's loop and wait, making the commits that it asks for; heartbeats go on meanwhile."""
        answer = asyncio.run_coroutine_threadsafe(work(), self._loop)
        try:
            while not answer.done():
                wait([answer], timeout=SLICE_S)
                self._do_jobs(client)
            answer.result()
        except (Exception, CancelledError):
            log.exception("group %s: the engine failed in %s", self._group_id, what)

    def _on_error(self, error: KafkaError) -> None:
        if refused(error) or error.fatal():
            log.error("group %s does not let this worker take part: %s", self._group_id, error.str())
        elif all_brokers_down(error):
            self._reach.lost(error.str())


def _commit(client: Client, positions: list[Position]) -> None:
    for answer in client.commit(offsets=positions, asynchronous=False):
        if answer.error is not None:
            raise KafkaException(answer.error)


if TYPE_CHECKING:
    _: type[Membership] = PlainMembership
    _noting: type[NotingMembership] = PlainMembership
