"""A worker's end of its consumer group."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from faust_core.errors import FencedError, RetriableTransportError
from faust_core.memory._signal import Signal
from faust_core.memory.broker import Broker
from faust_core.memory.group import Assigned, Group, GroupClient, Lead, Lost, Rebalance
from faust_core.protocols.lease import LeasedMembership
from faust_core.protocols.notes import NotedOffset, NotingMembership
from faust_core.protocols.transport import (
    GroupMetadata,
    GroupProtocol,
    Membership,
    RebalanceListener,
    TransportContext,
)
from faust_core.records import TopicPartition

__all__ = ["MemoryMembership"]

logger = logging.getLogger(__name__)

#: How long a member waits before it joins again after its protocol failed to divide the work.
_RETRY_S = 1.0


class MemoryMembership:
    """A member of a group of an in-memory broker.

    It needs no heartbeats: a session ends only by `kill` or by the broker's faults, never because the event
    loop was busy.  The first assignment is not preceded by `on_rebalance_started`: there is nothing to finish.
    A member with an instance id does not leave its group when told to: as with Kafka, it is waited for until
    its session times out.  One task, begun by `join` and ended by `leave`, calls the listener.
    """

    def __init__(self, broker: Broker, context: TransportContext, group_id: str, protocol: GroupProtocol) -> None:
        self.client_id = context.client_id
        self.instance_id = context.instance_id
        self.session_timeout_s = context.session_timeout_s
        self.rebalance_timeout_s = context.rebalance_timeout_s
        self._context = context
        self._broker = broker
        self._faults = broker.faults
        self._group_id = group_id
        self._protocol = protocol
        self._topics: frozenset[str] = frozenset()
        self._listener: RebalanceListener | None = None
        self._inbox: deque[Rebalance | Lead | Assigned | Lost] = deque()
        self._news = Signal(broker.clock)
        self._member_id = ""
        self._identity = self._nobody()
        self._settled = False
        self._fenced: str | None = "it has not joined"
        self._rejoin_wanted = False
        self._task: asyncio.Task[None] | None = None

    @property
    def protocol_name(self) -> str:
        return self._protocol.name

    # -- the engine's side

    async def join(self, topics: Collection[str], listener: RebalanceListener, /) -> None:
        await self._faults.request(self.client_id, self._context.start_timeout_s)
        self._topics = frozenset(topics)
        self._listener = listener
        if self._task is not None:
            self.rejoin()
            return
        self._join_group()
        self._fenced = None
        self._broker.members[self] = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"faust-memory-member-{self.client_id}")

    def rejoin(self) -> None:
        self._rejoin_wanted = True
        self._news.set()

    def metadata(self) -> GroupMetadata:
        return self._identity

    async def commit(self, offsets: Mapping[TopicPartition, int], /) -> None:
        await self.commit_noted({tp: NotedOffset(offset) for tp, offset in offsets.items()})

    async def commit_noted(self, offsets: Mapping[TopicPartition, NotedOffset], /) -> None:
        await self._faults.request(self.client_id, self._context.request_timeout_s)
        if self._fenced is not None:
            raise FencedError(f"{self.client_id} is not a member of group {self._group_id}: {self._fenced}")
        if not self._settled:
            raise RetriableTransportError(f"group {self._group_id} is rebalancing")
        self._broker.check_notes(offsets)
        lost_answer = self._faults.take_commit_failure()
        if lost_answer is not False:
            self._group.commit(self._identity, offsets)
        if lost_answer is not None:
            raise RetriableTransportError("the commit was not confirmed (a fault that was asked for)")

    async def committed(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int | None]:
        noted = await self.committed_noted(partitions)
        return {tp: None if one is None else one.offset for tp, one in noted.items()}

    async def committed_noted(
        self, partitions: Collection[TopicPartition], /
    ) -> Mapping[TopicPartition, NotedOffset | None]:
        timeout_s = self._context.request_timeout_s
        clock = self._broker.clock
        deadline = clock.monotonic() + timeout_s
        await self._faults.request(self.client_id, timeout_s)
        while self._group.is_pending(partitions):
            remaining = deadline - clock.monotonic()
            if remaining <= 0:
                raise RetriableTransportError(
                    f"a transaction with offsets of group {self._group_id} was not decided in {timeout_s:g} s"
                )
            await self._group.changed.wait(remaining)
        return self._group.committed(partitions)

    async def leave(self) -> None:
        task = self._stop()
        if task is None:
            return
        member_id, self._member_id = self._member_id, ""
        if self.instance_id is not None or not self._faults.reachable(self.client_id):
            self._group.silence(member_id)
        else:
            self._group.leave(member_id)
        if task is not asyncio.current_task():
            await asyncio.wait([task])

    def kill(self) -> None:
        """End as a killed process does: without a word to the group."""
        if self._stop() is not None:
            member_id, self._member_id = self._member_id, ""
            self._group.silence(member_id)

    def lease_s(self) -> float:
        return self._group.patience_s(self._member_id)

    # -- the coordinator's side

    def notify(self, message: Rebalance | Lead | Assigned | Lost) -> None:
        if isinstance(message, Lost):
            if message.member_id != self._member_id:
                return
            self._inbox.clear()
        self._inbox.append(message)
        self._news.set()

    def connection_changed(self) -> None:
        """Tell the group whether this member's heartbeats reach it."""
        if self._faults.is_cut(self.client_id):
            self._group.silence(self._member_id)
        else:
            self._group.hear(self._member_id)

    def expire(self) -> None:
        """Have the group remove this member, as if its session had timed out."""
        self._group.expire(self._member_id, "the session was ended (a fault that was asked for)")

    # -- inside

    @property
    def _group(self) -> Group:
        return self._broker.group(self._group_id)

    def _nobody(self) -> GroupMetadata:
        return GroupMetadata(self._group_id, -1, "", self.instance_id)

    def _stop(self) -> asyncio.Task[None] | None:
        task, self._task = self._task, None
        if task is not None:
            self._broker.members.pop(self, None)
            self._forget("it has left")
            self._inbox.clear()
            if task is not asyncio.current_task():
                task.cancel()
        return task

    def _forget(self, reason: str) -> None:
        self._settled = False
        self._fenced = reason
        self._identity = self._nobody()

    def _join_group(self) -> None:
        self._member_id = self._group.join(self, self._member_id, self._topics, self._protocol.metadata())

    async def _run(self) -> None:
        while self._task is asyncio.current_task():
            await self._faults.request(self.client_id)
            if self._inbox:
                await self._handle(self._inbox.popleft())
            elif self._rejoin_wanted:
                self._rejoin_wanted = False
                self._group.rejoin(self._member_id)
            else:
                await self._news.wait()

    async def _handle(self, message: Rebalance | Lead | Assigned | Lost) -> None:
        listener = self._listener
        assert listener is not None
        match message:
            case Rebalance():
                if self._settled:
                    await self._tell("on_rebalance_started", listener.on_rebalance_started())
                    self._settled = False
                if self._member_id in self._group:
                    await self._join_again()
            case Lead():
                await self._lead(message)
            case Assigned(assignment):
                self._identity = assignment.metadata
                self._settled = True
                self._fenced = None
                logger.info(
                    "%s has %d partitions in generation %d of group %s",
                    self.client_id,
                    len(assignment.partitions),
                    assignment.metadata.generation,
                    self._group_id,
                )
                await self._tell("on_assigned", listener.on_assigned(assignment))
            case Lost(_, reason, replaced):
                self._forget(reason)
                self._member_id = ""
                if replaced:
                    self._stop()
                logger.info("%s was removed from group %s: %s", self.client_id, self._group_id, reason)
                await self._tell("on_lost", listener.on_lost(reason))
                await self._join_again()

    async def _tell(self, name: str, call: Coroutine[Any, Any, None]) -> None:
        try:
            await call
        except Exception:
            logger.exception("%s of the member %s of group %s failed", name, self.client_id, self._group_id)

    async def _join_again(self) -> None:
        while self._task is asyncio.current_task():
            try:
                self._join_group()
            except Exception:
                logger.exception("%s cannot join group %s; trying again", self.client_id, self._group_id)
                await self._broker.clock.sleep(_RETRY_S)
            else:
                return

    async def _lead(self, message: Lead) -> None:
        try:
            shares = self._protocol.assign(message.members, message.partition_counts)
        except Exception:
            logger.exception("%s could not divide the work of group %s", self.client_id, self._group_id)
            await self._broker.clock.sleep(_RETRY_S)
            self._group.expire(self._member_id, "the group protocol failed to divide the work")
        else:
            self._group.assign(self._member_id, message.generation, shares)


if TYPE_CHECKING:
    _: type[Membership] = MemoryMembership
    _leased: type[LeasedMembership] = MemoryMembership
    _noting: type[NotingMembership] = MemoryMembership
    _client: type[GroupClient] = MemoryMembership
