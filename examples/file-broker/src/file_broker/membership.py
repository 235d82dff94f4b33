"""A worker's place in its group: heartbeats on a thread of their own, rebalances on the event loop."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from functools import partial

from faust_core.errors import FencedError, TransportError
from faust_core.protocols.transport import (
    Assignment,
    GroupMetadata,
    GroupProtocol,
    RebalanceListener,
    TransportContext,
)
from faust_core.records import TopicPartition
from file_broker import group
from file_broker.broker_file import BrokerFile, connect

__all__ = ["FileMembership"]

log = logging.getLogger(__name__)

#: How often a member looks at its group.
LOOK_S = 0.05
RETRY_S = 1.0


class FileMembership:
    """A `faust_core.protocols.transport.Membership`, whose docstrings say what each method promises.

    One task, begun by `join` and ended by `leave`, calls the listener.
    """

    def __init__(self, file: BrokerFile, context: TransportContext, group_id: str, protocol: GroupProtocol) -> None:
        self._file = file
        self._context = context
        self._group_id = group_id
        self._protocol = protocol
        self._topics: frozenset[str] = frozenset()
        self._listener: RebalanceListener | None = None
        self._member_id = ""
        self._generation = -1
        self._ready = -1
        self._counts: Mapping[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._left = False
        self._stopped = threading.Event()

    # -- the engine's side

    async def join(self, topics: Collection[str], listener: RebalanceListener, /) -> None:
        self._topics = frozenset(topics)
        self._listener = listener
        if self._task is not None:
            await self._enter(self._member_id)
            return
        self._member_id = await self._enter(None)
        self._task = asyncio.get_running_loop().create_task(self._run(), name="file-broker member")
        threading.Thread(target=self._beat, name="file-broker heartbeat", daemon=True).start()

    async def _enter(self, member_id: str | None) -> str:
        times = (self._context.session_timeout_s, self._context.rebalance_timeout_s)
        client_id = self._context.client_id
        return await self._file.run(
            lambda connection: group.enter(connection, self._group_id, client_id, self._topics, times, member_id)
        )

    def rejoin(self) -> None:
        def new_epoch(connection: sqlite3.Connection) -> None:
            group.new_epoch(connection, self._group_id)

        task = asyncio.get_running_loop().create_task(self._file.run(new_epoch))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def metadata(self) -> GroupMetadata:
        return GroupMetadata(self._group_id, self._generation, self._member_id)

    async def commit(self, offsets: Mapping[TopicPartition, int], /) -> None:
        if self._left:
            raise FencedError(f"this worker has left group {self._group_id}")
        member_id, generation = self._member_id, self._generation
        await self._file.run(
            lambda connection: group.commit(connection, self._group_id, member_id, generation, offsets)
        )

    async def committed(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int | None]:
        return await self._file.run(lambda connection: group.committed(connection, self._group_id, partitions))

    async def leave(self) -> None:
        if self._left:
            return
        self._left = True
        self._stopped.set()
        if self._task is None:
            return
        if self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait([self._task])
        with suppress(TransportError):  # the file is gone: then so is the group
            await self._file.run(lambda connection: group.leave(connection, self._group_id, self._member_id))

    def kill(self) -> None:
        """Stop without a word, as a process that dies."""
        self._stopped.set()
        if self._task is not None:
            self._task.cancel()

    # -- the group's side

    def _beat(self) -> None:
        """Tell that this member lives, whatever its event loop does."""
        interval = min(self._context.heartbeat_interval_s, self._context.session_timeout_s / 3)
        with closing(connect(self._file.path)) as connection:
            while not self._stopped.wait(interval):
                try:
                    group.heartbeat(connection, self._group_id, self._member_id)
                except sqlite3.Error as exc:
                    log.warning("%s: no heartbeat: %s", self._file.path, exc)

    async def _run(self) -> None:
        while True:
            try:
                await self._step()
            except TransportError as exc:
                log.warning("group %s: trying again: %s", self._group_id, exc)
                await asyncio.sleep(RETRY_S)
            await asyncio.sleep(LOOK_S)

    async def _step(self) -> None:
        """Do what the state of the group asks for."""
        listener, member_id = self._listener, self._member_id
        assert listener is not None
        view = await self._file.run(lambda connection: group.look(connection, self._group_id, member_id))
        if view is None:
            await listener.on_lost("others have removed it from the group: it gave no sign of life")
            self._generation = self._ready = -1
            self._member_id = await self._enter(None)
        elif view.ready < view.epoch:
            if self._ready == self._generation != -1:
                await listener.on_rebalance_started()
            metadata = self._protocol.metadata()
            await self._file.run(
                lambda connection: group.say_ready(connection, self._group_id, member_id, view.epoch, metadata)
            )
            self._ready = view.epoch
        elif view.leads:
            await self._lead(view.epoch)
        elif view.generation == view.epoch != self._generation:
            self._generation = view.generation
            await listener.on_assigned(Assignment(self.metadata(), view.partitions, view.plan))
        elif self._generation == view.epoch:
            await self._look_at_topics()

    async def _lead(self, epoch: int) -> None:
        said, topics = await self._file.run(lambda connection: group.members(connection, self._group_id))
        counts = await self._file.run(group.partition_counts)
        self._counts = {name: counts[name] for name in topics if name in counts}
        shares = await asyncio.to_thread(self._protocol.assign, said, self._counts)
        await self._file.run(partial(group.divide, group_id=self._group_id, epoch=epoch, shares=shares))

    async def _look_at_topics(self) -> None:
        """Divide the work anew when a topic has come or gone: whoever led the last time looks for it."""
        if self._counts:
            counts = await self._file.run(group.partition_counts)
            if any(counts.get(name) != count for name, count in self._counts.items()):
                self._counts = {}
                self.rejoin()
