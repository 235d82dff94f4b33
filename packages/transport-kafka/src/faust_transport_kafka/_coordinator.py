"""aiokafka's group coordinator, taught to carry plans and to report a lost session.

aiokafka keeps this class private, so its version is pinned, and everything that relies on its inside is here.
It runs without a fetcher: no record is ever read by it.
"""

# ruff: noqa: SLF001 -- see above

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiokafka import errors as aio
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import CloseReason
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as Position

from faust_core.protocols.notes import NotedOffset
from faust_core.protocols.transport import GroupProtocol
from faust_core.records import TopicPartition
from faust_transport_kafka._logging import Reachability
from faust_transport_kafka.offset_metadata import terminated

__all__ = ["Coordinator", "CoordinatorEvents", "clock_s"]

log = logging.getLogger(__name__)

#: aiokafka takes a member that fetches nothing for stuck and leaves after this long: there is no fetcher here.
NEVER_MS = 10**12
RETRY_BACKOFF_MS = 250
#: After an error that only people can heal, such as a missing permission, the group is tried again this often.
REFUSED_PAUSE_S = 5.0
LEAVE_TIMEOUT_S = 3.0
#: An answer that begins the member's session anew: done, or done while a rebalance is under way.
SESSION_GOES_ON = (0, aio.RebalanceInProgressError.errno)
STOP_TIMEOUT_S = 0.25


def clock_s() -> float:
    """Return the time on a clock that goes on while the machine sleeps, where there is one."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class CoordinatorEvents(Protocol):
    """What the membership wants to know.  Called on the coordinator's loop, one at a time, each awaited."""

    async def prepare(self) -> None:
        """A rebalance begins; commits work until this returns."""

    async def metadata_for_leader(self) -> bytes:
        """Return what is sent to the leader, before each attempt to join."""

    async def settled(
        self, generation: int, member_id: str, partitions: frozenset[TopicPartition], plan: bytes
    ) -> None:
        """The group has a new generation and this is our part."""

    async def lost(self, reason: str) -> None:
        """We were a member and are not any more."""

    def refused(self, error: Exception) -> None:
        """The broker does not let us take part."""


class _Assignor:
    """A `GroupProtocol` as aiokafka's group protocol sees it: plans travel as the assignment's user data."""

    def __init__(self, protocol: GroupProtocol) -> None:
        self._protocol = protocol
        self.name = protocol.name
        self.user_data = b""

    def metadata(self, topics: frozenset[str]) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(0, sorted(topics), self.user_data)

    def assign(
        self, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        topics = {topic for member in members.values() for topic in member.subscription}
        counts = {topic: len(found) for topic in topics if (found := cluster.partitions_for_topic(topic))}
        user_data = {member_id: bytes(member.user_data) for member_id, member in members.items()}
        shares = self._protocol.assign(user_data, counts)
        assignments = {}
        for member_id in members:
            partitions, plan = shares.get(member_id, ((), b""))
            by_topic: dict[str, list[int]] = {}
            for topic, partition in sorted(partitions):
                by_topic.setdefault(topic, []).append(partition)
            assignments[member_id] = ConsumerProtocolMemberAssignment(0, list(by_topic.items()), plan)
        return assignments


class Coordinator(GroupCoordinator):  # type: ignore[misc]  # aiokafka's class has no annotations
    """One member of one group.  All methods on the loop that it was made on."""

    member_id: str
    #: when the last request was sent from whose answer the broker counts our session; None where we have none
    heard_at: float | None = None

    def __init__(
        self,
        client: AIOKafkaClient,
        subscription: SubscriptionState,
        protocol: GroupProtocol,
        events: CoordinatorEvents,
        reach: Reachability,
        *,
        group_id: str,
        instance_id: str | None,
        session_timeout_s: float,
        heartbeat_interval_s: float,
        rebalance_timeout_s: float,
    ) -> None:
        self._events = events
        self._reach = reach
        self._plans = _Assignor(protocol)
        self._answer_timeout_s = session_timeout_s / 2
        self._is_member = False
        self._loss: str | None = None
        self._rejoin_wanted = False
        subscription.register_fetch_waiters(set())
        super().__init__(
            client,
            subscription,
            group_id=group_id,
            group_instance_id=instance_id,
            session_timeout_ms=int(session_timeout_s * 1000),
            heartbeat_interval_ms=int(heartbeat_interval_s * 1000),
            rebalance_timeout_ms=int(rebalance_timeout_s * 1000),
            retry_backoff_ms=RETRY_BACKOFF_MS,
            enable_auto_commit=False,
            assignors=(self._plans,),
            max_poll_interval_ms=NEVER_MS,
        )

    # -- what the membership asks for ---------------------------------------------------------------------

    def rejoin(self) -> None:
        """Divide the work anew, with metadata that is asked for after this call."""
        self._rejoin_wanted = True
        self.request_rejoin()

    async def commit(self, offsets: Mapping[TopicPartition, NotedOffset]) -> None:
        """Commit once, under the present generation; raises aiokafka's errors."""
        await self.ensure_coordinator_known()
        async with self._commit_lock:
            await self._do_commit_offsets(
                None, {Position(*tp): OffsetAndMetadata(at, terminated(note)) for tp, (at, note) in offsets.items()}
            )

    async def stop(self) -> None:
        """End all activity and leave the group, unless the membership is static: that one ends by time-out."""
        if self._closing.done():
            return
        self._closing.set_result(None)
        routine = self._coordination_task
        await asyncio.wait([routine], timeout=STOP_TIMEOUT_S)
        if not routine.done():  # it waits for the rest of the group: nothing else goes through this connection
            routine.cancel()
            self._drop_connection()
        await asyncio.gather(routine, return_exceptions=True)
        await self._stop_heartbeat_task()
        await self._stop_commit_offsets_refresh_task()
        if self.member_id != JoinGroupRequest.UNKNOWN_MEMBER_ID and self._group_instance_id is None:
            try:
                async with asyncio.timeout(LEAVE_TIMEOUT_S):
                    await self._send_req(LeaveGroupRequest(self.group_id, self.member_id))
            except (TimeoutError, aio.KafkaError) as exc:
                log.warning("group %s was not told that we leave; it will notice by itself: %r", self.group_id, exc)

    # -- what differs from aiokafka -----------------------------------------------------------------------

    async def _coordination_routine(self) -> None:
        while not self._closing.done():
            try:
                await self._GroupCoordinator__coordination_routine()
            except Exception as exc:  # noqa: BLE001 -- whatever it is: without this task the session would end
                await self._push_error_to_user(exc)

    async def _on_join_prepare(self, _previous_assignment: object) -> None:
        self._subscription.begin_reassignment()
        self._group_subscription = None
        if self._is_member and self._loss is None:
            await self._events.prepare()

    async def _do_rejoin_group(self, subscription: Any) -> bool:
        loss, self._loss = self._loss, None
        if loss is not None:
            self._is_member = False
            await self._events.lost(loss)
        self._rejoin_wanted = False
        self._plans.user_data = await self._events.metadata_for_leader()
        joined: bool = await super()._do_rejoin_group(subscription)
        return joined

    async def _on_join_complete(self, generation: int, member_id: str, _protocol: str, assignment: bytes) -> None:
        share = ConsumerProtocolMemberAssignment.decode(assignment)
        # The partitions are for people who look at the group: aiokafka shall neither check nor fetch them.
        self._subscription.assign_from_subscribed(set())
        self._is_member = True
        self._reach.found()
        self._start_heartbeat_task()  # else none is sent while the engine carries out its assignment
        if self._rejoin_wanted:
            self.request_rejoin()
        partitions = frozenset(TopicPartition(*position) for position in share.partitions())
        await self._events.settled(generation, member_id, partitions, bytes(share.user_data or b""))

    def reset_generation(self) -> None:
        kept: str | None = None
        self.heard_at = None
        if self._is_member and self._loss is None and not self._closing.done():
            self._loss = f"member {self.member_id} is no longer part of group {self.group_id}"
            kept = self.member_id
        super().reset_generation()
        if kept is not None and self._group_instance_id is not None:
            # Joining without an id would replace whoever has our instance id now, who would then replace us, and
            # so on.  With the old id the broker fences us there; where nobody has it, it says that it is unknown.
            self.member_id = kept

    async def _push_error_to_user(self, exc: BaseException) -> Any:
        """Say so and try again; aiokafka would wait until somebody asks."""
        self._events.refused(exc if isinstance(exc, Exception) else RuntimeError(repr(exc)))
        self._heartbeat_task = None
        self.request_rejoin()
        await asyncio.wait([self._closing], timeout=REFUSED_PAUSE_S)
        return None

    async def _send_req(self, request: Any) -> Any:
        if isinstance(request, (JoinGroupRequest, SyncGroupRequest)):  # these wait for other members
            return await self._answer(super()._send_req, request)
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                return await self._answer(super()._send_req, request)
        except TimeoutError as exc:
            self._reach.lost(f"no answer to {type(request).__name__} in {self._answer_timeout_s:g} s")
            self._drop_connection()
            self.coordinator_dead()
            raise aio.RequestTimedOutError from exc

    async def _answer(self, send: Callable[[Any], Awaitable[Any]], request: Any) -> Any:
        sent_at = clock_s()
        try:
            response = await send(request)
        except aio.KafkaError as exc:
            self._reach.lost(repr(exc))
            raise
        self._reach.found()
        if isinstance(request, (HeartbeatRequest, JoinGroupRequest, SyncGroupRequest)):
            error = getattr(response, "error_code", None)
            if error == 0 or (error in SESSION_GOES_ON and isinstance(request, HeartbeatRequest)):
                self.heard_at = sent_at
        return response

    def _drop_connection(self) -> None:
        connection = self._client._conns.pop((self.coordinator_id, ConnectionGroup.COORDINATION), None)
        if connection is not None:
            connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
