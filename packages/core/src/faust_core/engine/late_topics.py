"""Topics that come to be read while a worker runs: streams that are opened late, and topics that match a pattern."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from faust_core.engine.fetch import Fetcher
from faust_core.engine.rebalance import Rebalancer
from faust_core.engine.subscription import Subscription
from faust_core.engine.task_host import WorkerTasks
from faust_core.engine.topics import Topics
from faust_core.errors import RetriableTransportError
from faust_core.protocols.transport import Membership

__all__ = ["LateTopics"]

log = logging.getLogger(__name__)

#: How often it is looked for new topics that match a pattern.
PATTERN_S = 2.0


class LateTopics:
    """Takes topics into the worker's subscription after it has begun."""

    def __init__(
        self,
        topics: Topics,
        fetcher: Fetcher,
        rebalancer: Rebalancer,
        tasks: WorkerTasks,
        membership: Membership,
        *,
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
    ) -> None:
        """Args:
        spawn: runs a long-lived task of the worker.
        """
        self._topics = topics
        self._fetcher = fetcher
        self._rebalancer = rebalancer
        self._tasks = tasks
        self._membership = membership
        self._spawn = spawn
        #: set once the topics that agents read have been collected; what is opened later joins them
        self._begun = False
        self._joined = asyncio.Event()
        self._joining = asyncio.Lock()

    async def begin(self) -> None:
        """The topics that agents read are known: find those that patterns stand for, and notice what comes later."""
        self._begun = True
        await self._resolve_patterns()

    async def run(self) -> None:
        """The worker has joined its group: read topics that come to match a pattern within seconds."""
        self._joined.set()
        while True:
            await asyncio.sleep(PATTERN_S)
            try:
                async with self._joining:
                    if await self._resolve_patterns():
                        for subscription in self._fetcher.subscriptions():
                            self._fetcher.add_late(subscription)
                        await self._read_more()
            except RetriableTransportError as exc:
                log.warning("cannot look for new topics: %s", exc)

    def read(self, subscription: Subscription) -> None:
        """Read the topics of a stream that was opened while the worker runs, too."""
        if not self._begun:
            return
        if subscription.topic.from_table or set(subscription.topic.topics) <= self._topics.inputs:
            self._fetcher.add_late(subscription)
        else:
            self._spawn(self._join_again(subscription), "faust join")

    async def _join_again(self, subscription: Subscription) -> None:
        await self._joined.wait()
        async with self._joining:
            if set(subscription.topic.topics) <= self._topics.inputs:
                self._fetcher.add_late(subscription)
                return
            await self._read_more()

    async def _read_more(self) -> None:
        """Take the topics into the subscription that streams have come to read."""
        await self._topics.prepare(self._fetcher.subscriptions())
        for task in list(self._rebalancer.tasks.values()):
            await self._tasks.extend(task)
        if self._topics.inputs:
            await self._membership.join(self._topics.inputs, self._rebalancer)

    async def _resolve_patterns(self) -> bool:
        """Find the topics that patterns stand for; returns whether there are new ones."""
        patterned = [sub for sub in self._fetcher.subscriptions() if sub.topic.pattern is not None]
        if not patterned or not await self._topics.resolve(patterned):
            return False
        for subscription in patterned:
            self._fetcher.subscribe(subscription)
        return True
